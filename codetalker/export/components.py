"""Moving vertices as a few shapes and their weights over time, by principal components: what GLB players can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..motion import VertexAnimation

FINE = 3e-4  # of the head's height: 0.1 mm on 33 cm, what the worst vertex may be off on average over time
MOST = 50  # components
SEEN = 512  # frames, spread evenly, that the components are found from: all of a short clip
TOGETHER = 32  # frames read at a time


@dataclass(frozen=True)
class Components:
    """vertices = template + weights @ shapes, nearly. weights: (T, K) float32 in [-1, 1], shapes: (K, V, 3) float32

    worst: the largest distance of any vertex at any time from where it should be, of the head's height; mean: of all
    """

    weights: np.ndarray
    shapes: np.ndarray
    worst: float
    mean: float

    @property
    def deviation(self) -> dict[str, float]:
        """For reports."""
        return {"components": len(self.shapes), "mean_of_height": self.mean, "worst_of_height": self.worst}


def find_components(animation: VertexAnimation) -> Components:
    """As few components as FINE asks for, and MOST at most; the error is measured on all frames.

    Memory holds SEEN frames, whatever the length.
    """
    template = animation.template
    height = float(np.ptp(template[:, 1]))
    rows = np.unique(np.linspace(0, len(animation) - 1, min(len(animation), SEEN)).round().astype(int))
    moved = np.empty((len(rows), template.size), np.float32)
    for start in range(0, len(rows), TOGETHER):
        chosen = rows[start : start + TOGETHER]
        moved[start : start + len(chosen)] = (animation.vertices[chosen] - template).reshape(len(chosen), -1)
    shapes = _principal(moved, FINE * height)
    weights = np.concatenate([block @ shapes.T for block in _blocks(animation)])
    most = np.maximum(np.abs(weights).max(0, initial=0.0), np.finfo(np.float32).tiny)
    weights, shapes = weights / most, shapes * most[:, None]
    worst, total = 0.0, 0.0
    for start, block in zip(range(0, len(animation), TOGETHER), _blocks(animation)):
        block -= weights[start : start + len(block)] @ shapes
        distance = np.linalg.norm(block.reshape(-1, 3), axis=1)
        worst, total = max(worst, float(distance.max())), total + float(distance.sum(dtype=np.float64))
    mean = total / (len(animation) * len(template))
    return Components(weights, shapes.reshape(-1, *template.shape), worst / height, mean / height)


def _blocks(animation: VertexAnimation) -> Iterator[np.ndarray]:
    """(B, 3 V) float32 offsets from the template, a few frames at a time"""
    for start in range(0, len(animation), TOGETHER):
        block = animation.vertices[start : start + TOGETHER] - animation.template
        yield block.reshape(len(block), -1)


def _principal(moved: np.ndarray, fine: float) -> np.ndarray:
    """(T, 3 V) -> (K, 3 V), unit length and at right angles, the strongest first: eigenvectors of the small matrix
    over time, since vertices are many. Uncentred: without weights a head stands at its template.

    fine: the root mean square over time that the furthest vertex may be off
    """
    gram = sum(part @ part.T for part in (part.astype(np.float64) for part in np.array_split(moved, 16, axis=1)))
    energies, moments = np.linalg.eigh(gram)
    energies, moments = energies[::-1][:MOST], moments[:, ::-1][:, :MOST]
    real = energies > 1e-9 * energies[0]  # the rest is rounding
    if not real.any():
        return np.zeros((1, moved.shape[1]), np.float32)  # nothing moves, but a file needs a shape
    energies, moments = energies[real], moments[:, real]
    shapes = (moments / np.sqrt(energies)).T.astype(np.float32) @ moved
    points = moved.reshape(len(moved), -1, 3)
    left = np.einsum("tvc,tvc->v", points, points)  # (V,) what is not explained yet, summed over time
    for count, (energy, shape) in enumerate(zip(energies, shapes), 1):
        left -= (energy * np.square(shape).reshape(-1, 3).sum(1)).astype(np.float32)
        if left.max() <= fine**2 * len(moved):
            return shapes[:count]
    return shapes
