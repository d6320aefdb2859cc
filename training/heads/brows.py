"""Brows and lashes: single hairs on the skin, which they follow in every shape."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from . import rings
from .field import MIRROR
from .hair import BROWN, HAIR, vertex_normals
from .parts import Part
from .template import Skin

BROW_LINE = [
    (13.0, 54.0),
    (17.0, 55.2),
    (24.0, 57.0),
    (33.0, 58.6),
    (42.0, 58.2),
    (49.5, 54.8),
    (55.0, 50.2),
]  # x, y mm
BROW_HALF_WIDTH = [1.9, 2.4, 2.5, 2.1, 1.5, 1.0, 0.5]
BROW_HAIRS = 115
LASHES = 24
LASH_COLOUR = np.array([0.10, 0.065, 0.05])


def brows(skin: Skin, shapes: dict[str, np.ndarray], seed: int = 3) -> Part:
    """Short tapered hairs, upright at the inner end and lying along the brow further out."""
    rng = np.random.default_rng(seed)
    line = np.asarray(BROW_LINE)
    places = np.arange(len(line))
    t = (np.arange(BROW_HAIRS) + rng.uniform(0, 1, BROW_HAIRS)) / BROW_HAIRS
    at = t * (len(line) - 1)
    middle = np.column_stack([np.interp(at, places, c) for c in line.T])
    across = rng.uniform(-1.0, 1.0, BROW_HAIRS)
    slope = np.interp(at, places, np.degrees(np.arctan2(*np.gradient(line, axis=0).T[::-1])))
    angle = np.radians(slope + 58.0 * np.exp(-t * 5.0) - 16.0 * across + 4.0)
    length = (6.0 - 1.5 * t) * rng.uniform(0.8, 1.15, BROW_HAIRS)
    along = np.column_stack([np.cos(angle), np.sin(angle)])
    root = middle - 2.0 * along
    root[:, 1] += across * np.interp(at, places, BROW_HALF_WIDTH)
    side = np.column_stack([-along[:, 1], along[:, 0]]) * rng.uniform(0.30, 0.46, BROW_HAIRS)[:, None]
    flat = np.stack([root - side, root + along * length[:, None], root + side], 1).reshape(-1, 2)
    flat[:, 0] = np.maximum(flat[:, 0], 4.0)
    faces = np.arange(3 * BROW_HAIRS).reshape(-1, 3)
    points, near, weight = _on_skin(skin, flat, lift=0.4)
    moved = {}
    for name, step in shapes.items():
        left = (weight[..., None] * step[near]).sum(1)
        right = (weight[..., None] * step[skin.mirror[near]]).sum(1)
        moved[name] = np.vstack([left, right])
    return _both_sides("brows", points, faces, BROWN * 1.4, moved)


def lashes(skin: Skin, shapes: dict[str, np.ndarray]) -> Part:
    """A row along the upper lid's rim; they turn down as the lid closes."""
    columns = np.linspace(3.0, rings.EYE_COLUMNS / 2 - 0.6, LASHES)
    low = np.floor(columns).astype(int)
    share = (columns - low)[:, None]
    ring = skin.eye[:, rings.EYE_RIM]

    def between(values: np.ndarray, side: int) -> np.ndarray:
        return (1 - share) * values[ring[side, low]] + share * values[ring[side, low + 1]]

    root = between(skin.vertices, 0)
    t = np.linspace(0.0, 1.0, LASHES)[:, None]
    reach = (1.9 + 1.3 * np.sin(np.pi * t * 0.85)) * np.array([0.0, 0.42, 0.90]) + (t - 0.35) * [2.6, 0.0, 0.0]
    width = np.array([0.42, 0.0, 0.0])
    points = np.stack([root - width, root + width, root + reach], 1).reshape(-1, 3)
    faces = np.arange(3 * LASHES).reshape(-1, 3)
    moved = {}
    for name, step in shapes.items():
        left, right = (np.repeat(between(step, side), 3, axis=0) for side in range(2))
        for side, way in (("Left", left), ("Right", right)):
            if name == f"eyeBlink{side}":
                way[2::3] += [0.0, -3.4, -0.2]
            elif name == f"eyeLookDown{side}":
                way[2::3] += [0.0, -1.5, 0.0]
        moved[name] = np.vstack([left, right])
    return _both_sides("lashes", points, faces, LASH_COLOUR, moved)


def _on_skin(skin: Skin, flat: np.ndarray, lift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 2) points seen from the front, put onto the left half: (N, 3), their neighbours and weights, both (N, 6)."""
    v = skin.vertices
    front = np.flatnonzero((v[:, 2] > 40) & (v[:, 0] > -5) & (v[:, 1] > 30))
    distance, near = cKDTree(v[front][:, :2]).query(flat, k=6)
    weight = 1.0 / (distance + 0.3) ** 2
    weight /= weight.sum(1, keepdims=True)
    near = front[near]
    normal = vertex_normals(v, skin.faces)[near]
    # The neighbours' tangent planes, blended: smoother than the triangles.
    offset = flat[:, None] - v[near][..., :2]
    z = v[near][..., 2] - (normal[..., :2] * offset).sum(-1) / np.maximum(normal[..., 2], 0.3)
    return np.column_stack([flat, (weight * z).sum(1)]) + lift * (weight[..., None] * normal).sum(1), near, weight


def _both_sides(name: str, left: np.ndarray, faces: np.ndarray, colour: np.ndarray, moved: dict) -> Part:
    vertices = np.vstack([left, left * MIRROR])
    return Part(
        name,
        HAIR,
        vertices,
        np.vstack([faces, faces[:, ::-1] + len(left)]),
        np.tile(colour, (len(vertices), 1)),
        {k: s for k, s in moved.items() if np.abs(s).max() > 0.05},
    )
