"""How open each vertex is to the light: soft shadows and occlusion, found once per head and drawn at no cost.

Light comes from many directions; along each, a picture of the depths of points on the surface says what it reaches.
They are found at rest and with lids closed and jaw open, and the lighter of the two is kept, so that a lid is no darker
when it closes and the inside of a mouth is as dark as an open mouth's.
"""

from __future__ import annotations

import numpy as np

from ..head import Head
from ..motion import ARKIT_NAMES

KEY = np.array([-0.4751, 0.5700, 0.6703])  # as in shaders/mesh.vert
RIM = np.array([0.6337, 0.4225, -0.6480])
SKY_DIRECTIONS = 48
LIGHT_DIRECTIONS = 8
LIGHT_RADIUS = 0.22  # radians, half the width of a light seen from the head: the softness of its shadows
POINTS = 90_000  # on the surface
CELLS = 150  # along the head's height; about 2 mm
BIAS = 2.2  # cells: a surface casts no shadow on itself


def openness(head: Head) -> np.ndarray:
    """-> (V, 3) float32 in [0, 1]: to the whole sky, weighted by the cosine, to the key light and to the rim light"""
    poses = np.zeros((2, len(ARKIT_NAMES)), np.float32)
    for name, weight in (("eyeBlinkLeft", 1.0), ("eyeBlinkRight", 1.0), ("jawOpen", 0.9)):
        poses[1, ARKIT_NAMES.index(name)] = weight
    rest, other = (_openness(vertices, head.faces) for vertices in head.deform(poses))
    return np.maximum(rest, other)


def _openness(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    points = _surface_points(vertices, faces)
    normals = _normals(vertices, faces)
    cell = np.ptp(vertices[:, 1]) / CELLS
    lifted = vertices + normals * cell

    sky, total = np.zeros(len(vertices)), np.full(len(vertices), 1e-6)
    for direction in _sphere(SKY_DIRECTIONS):
        cosine = np.maximum(normals @ direction, 0.0)
        sky += cosine * _reached(lifted, points, direction, cell)
        total += cosine
    key, rim = (
        np.mean([_reached(lifted, points, direction, cell) for direction in _around(light)], axis=0)
        for light in (KEY, RIM)
    )
    return _smooth(np.stack([sky / total, key, rim], 1), faces).astype(np.float32)


def _reached(vertices: np.ndarray, points: np.ndarray, direction: np.ndarray, cell: float) -> np.ndarray:
    """(V,) whether light from `direction` (3,) meets each vertex before any of the surface's points"""
    across = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(direction, across), direction], 1).astype(np.float32)
    seen, asked = points @ axes / cell, vertices @ axes / cell
    low = np.minimum(seen[:, :2].min(0), asked[:, :2].min(0))
    width = int(max(seen[:, 0].max(), asked[:, 0].max()) - low[0]) + 2
    rows = ((seen[:, 1] - low[1]).astype(np.int32) * width + (seen[:, 0] - low[0]).astype(np.int32)).astype(np.int64)
    asked_rows = (asked[:, 1] - low[1]).astype(np.int32) * width + (asked[:, 0] - low[0]).astype(np.int32)
    nearest = np.full(max(rows.max(), asked_rows.max()) + 1, -np.inf, np.float32)
    np.maximum.at(nearest, rows, seen[:, 2])
    return nearest[asked_rows] < asked[:, 2] + BIAS


def _surface_points(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(POINTS, 3) spread evenly over the surface, the same every time"""
    corners = vertices[faces]  # (F, 3, 3)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    random = np.random.default_rng(0)
    reach = np.cumsum(areas, dtype=np.float64)
    chosen = corners[np.searchsorted(reach, (np.arange(POINTS) + 0.5) / POINTS * reach[-1])]
    u, v = np.sqrt(random.random(POINTS)), random.random(POINTS)
    return np.einsum("pc,pcd->pd", np.stack([1 - u, u * (1 - v), u * v], 1), chosen).astype(np.float32)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _smooth(values: np.ndarray, faces: np.ndarray, passes: int = 2) -> np.ndarray:
    """Means over the faces around each vertex, to take the grain out."""
    count = np.maximum(np.bincount(faces.ravel(), minlength=len(values)), 1)[:, None]
    for _ in range(passes):
        summed = np.zeros_like(values)
        means = values[faces].mean(1)
        for corner in range(3):
            np.add.at(summed, faces[:, corner], means)
        values = np.where(count > 1, summed / count, values)
    return values


def _sphere(count: int) -> np.ndarray:
    """(count, 3) directions, evenly over the sphere (Fibonacci lattice)"""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], 1)


def _around(direction: np.ndarray, radius: float = LIGHT_RADIUS, count: int = LIGHT_DIRECTIONS) -> np.ndarray:
    """(count, 3) directions in a disc of `radius` radians around `direction`"""
    across = np.cross(direction, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    index = np.arange(count) + 0.5
    reach, angle = radius * np.sqrt(index / count), np.pi * (1 + 5**0.5) * index
    offsets = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * np.cross(direction, across)
    around = direction + reach[:, None] * offsets
    return around / np.linalg.norm(around, axis=1, keepdims=True)
