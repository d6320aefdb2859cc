"""The head as an implicit surface: negative inside, zero on the skin, positive outside; millimetres.

A thin-plate radius around the head's centre gives the skull and the face, another around the neck's axis the neck and
the shoulders; the nose and the lids are solids joined to it by a smooth minimum; strokes carve the folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import RBFInterpolator

from . import average
from .anatomy import MIRROR, Anatomy


def smooth_min(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Polynomial smooth minimum (Quilez); k is the width of the blend in millimetres."""
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0.0, 1.0)
    return b + (a - b) * h - k * h * (1.0 - h)


def round_cone(p: np.ndarray, a: tuple, b: tuple, ra: float, rb: float) -> np.ndarray:
    """Signed distance, to first order, to a capsule whose radius runs from ra at a to rb at b."""
    a, ab = np.asarray(a, float), np.subtract(b, a)
    t = np.clip((p - a) @ ab / (ab @ ab), 0.0, 1.0)
    return np.linalg.norm(p - a - t[:, None] * ab, axis=1) - (ra + (rb - ra) * t)


def ellipsoid(p: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    q = (p - np.asarray(centre)) / np.asarray(radii)
    k0 = np.linalg.norm(q, axis=1)
    k1 = np.linalg.norm(q / np.asarray(radii), axis=1)
    return k0 * (k0 - 1.0) / np.maximum(k1, 1e-9)


def polyline_distance(p: np.ndarray, points: np.ndarray) -> np.ndarray:
    best = np.full(len(p), np.inf)
    for a, b in pairwise(points):
        t = np.clip((p - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0.0, 1.0)
        best = np.minimum(best, np.linalg.norm(p - a - t[:, None] * (b - a), axis=1))
    return best


@dataclass(frozen=True)
class Field:
    """head: radius over the unit sphere of directions; neck: radius over (sin, cos, height)."""

    anatomy: Anatomy
    head: RBFInterpolator
    neck: RBFInterpolator

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """p: (N, 3) -> (N,), an approximate signed distance; both halves of the head are mirror images."""
        p = np.array(p, float)
        p[:, 0] = np.abs(p[:, 0])
        offset = p - average.CENTRE
        distance = np.linalg.norm(offset, axis=1)
        head = distance - self.head(offset / np.maximum(distance, 1e-9)[:, None])
        f = smooth_min(head, self._neck(p), average.NECK_BLEND)
        f = smooth_min(f, self._nose(p), 4.0)
        eye = self.anatomy
        f = smooth_min(f, np.linalg.norm(p - eye.eye_centre, axis=1) - (eye.eye_radius + eye.lid), 3.0)
        for points, outward, sigma in self.anatomy.strokes:
            f = f - outward * np.exp(-((polyline_distance(p, points) / sigma) ** 2))
        return f

    def _neck(self, p: np.ndarray) -> np.ndarray:
        along = neck_coordinates(p)
        tube = along[:, 3] - self.neck(along[:, :3])
        return np.maximum(tube, p[:, 1] + 15.0)  # its top lies inside the head

    def _nose(self, p: np.ndarray) -> np.ndarray:
        f = np.full(len(p), np.inf)
        near = np.linalg.norm(p - self.anatomy.nose_centre, axis=1) < 60.0
        q = p[near]
        nose = np.full(len(q), 1e3)
        for kind, *numbers, k in self.anatomy.nose:
            part = round_cone(q, *numbers) if kind == "cone" else ellipsoid(q, *numbers)
            nose = smooth_min(nose, part, k)
        f[near] = nose
        f[~near] = 1e3
        return f

    def gradient(self, p: np.ndarray, step: float = 0.05) -> np.ndarray:
        """p: (N, 3) -> (N, 3) by central differences."""
        offsets = np.eye(3) * step
        return np.stack([(self(p + o) - self(p - o)) / (2 * step) for o in offsets], axis=1)

    def normals(self, p: np.ndarray) -> np.ndarray:
        g = self.gradient(p)
        return g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-9)

    def project(self, p: np.ndarray, level: float | np.ndarray = 0.0, steps: int = 4) -> np.ndarray:
        """Newton steps along the gradient to f = level; p: (N, 3) near the surface."""
        p = np.array(p, float)
        for _ in range(steps):
            g = self.gradient(p)
            move = (self(p) - level)[:, None] * g / np.maximum((g * g).sum(1), 0.25)[:, None]
            length = np.linalg.norm(move, axis=1, keepdims=True)
            p -= move * np.minimum(1.0, 6.0 / np.maximum(length, 1e-9))
        return p

    def cast(self, origin: np.ndarray, direction: np.ndarray, far: float = 210.0) -> np.ndarray:
        """The outermost zero along each ray; origin, direction: (N, 3) -> (N, 3)."""
        outside, inside = np.full(len(origin), far), np.full(len(origin), far)
        todo = np.arange(len(origin))
        while len(todo):
            value = self(origin[todo] + inside[todo, None] * direction[todo])
            todo, value = todo[value > 0], value[value > 0]
            outside[todo] = inside[todo]
            inside[todo] -= np.maximum(0.5 * value, 2.5)  # the field grows at most twice as fast as the distance
            todo = todo[inside[todo] > 0]
        for _ in range(11):
            middle = 0.5 * (inside + outside)
            negative = self(origin + middle[:, None] * direction) < 0
            inside = np.where(negative, middle, inside)
            outside = np.where(negative, outside, middle)
        return origin + (0.5 * (inside + outside))[:, None] * direction


def neck_coordinates(p: np.ndarray) -> np.ndarray:
    """p: (N, 3) -> (N, 4): 45 sin a, 45 cos a, height (clamped), distance from the neck's axis."""
    height = np.clip(p[:, 1], -165.0, -20.0)
    x, z = p[:, 0], p[:, 2] - np.interp(height, *average.NECK_AXIS)
    distance = np.hypot(x, z)
    inv = 45.0 / np.maximum(distance, 1e-9)
    return np.column_stack([x * inv, z * inv, height, distance])


def build_field(anatomy: Anatomy) -> Field:
    """The field of one person's head."""
    points, smoothing = anatomy.head_points()
    points, smoothing = _mirrored(points, smoothing)
    offset = points - average.CENTRE
    radius = np.linalg.norm(offset, axis=1)
    head = RBFInterpolator(
        offset / radius[:, None], radius, kernel="thin_plate_spline", smoothing=smoothing * average.SMOOTHNESS
    )
    points, smoothing = _mirrored(*anatomy.neck_points())
    along = neck_coordinates(points)
    neck = RBFInterpolator(along[:, :3], along[:, 3], kernel="thin_plate_spline", smoothing=smoothing * 20.0)
    return Field(anatomy, head, neck)


def _mirrored(points: np.ndarray, smoothing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    side = points[:, 0] > 0.5
    return np.vstack([points, points[side] * MIRROR]), np.concatenate([smoothing, smoothing[side]])
