"""Eyeballs that turn, with iris, pupil and a bulging cornea, and the pink corner of the eye."""

from __future__ import annotations

import numpy as np

from . import anatomy
from .field import MIRROR
from .parts import Material, Part, grid_faces, turned

IRIS_RADIUS = 5.9  # mm
PUPIL_RADIUS = 2.1
CORNEA_BULGE = 0.45
LOOKS = {"Up": ("x", -22.0), "Down": ("x", 26.0), "In": ("y", -28.0), "Out": ("y", 28.0)}  # of the left eye
EYE = Material("eye", 0.08)


def eyeball(side: int) -> Part:
    """side: 1 the head's left, -1 its right. Rings run from the middle of the pupil backwards."""
    rings = np.array([0.0, 1.2, 1.95, 2.25, 3.0, 3.9, 4.8, 5.5, 5.9, 6.3, 7.4, 9.0, 10.8, 12.2, 12.89])
    columns = 26
    around = 2 * np.pi * np.arange(columns) / columns
    z = np.sqrt(np.maximum(anatomy.EYE_RADIUS**2 - rings**2, 0.0))
    z += CORNEA_BULGE * np.clip(1 - (rings / 6.3) ** 2, 0.0, 1.0)
    rings = np.append(rings, 9.0)  # the back, never seen
    z = np.append(z, -9.0)
    points = np.stack(
        [rings[:, None] * np.cos(around), rings[:, None] * np.sin(around), np.tile(z[:, None], columns)], -1
    )
    vertices = points.reshape(-1, 3) + anatomy.EYE_CENTRE
    colours = _colours(rings, around).reshape(-1, 3)
    faces = grid_faces(len(rings), columns, closed=True)
    shapes = {}
    name = "Left" if side > 0 else "Right"
    for look, (axis, degrees) in LOOKS.items():
        shapes[f"eyeLook{look}{name}"] = turned(vertices, anatomy.EYE_CENTRE, degrees, axis) - vertices
    return _on_side(Part("eye", EYE, vertices, faces, colours, shapes), side)


def _colours(rings: np.ndarray, around: np.ndarray) -> np.ndarray:
    """(rings, columns, 3) sRGB: a dark ring around a grey-blue iris, lighter towards the pupil, with fibres."""
    sclera = np.array([0.93, 0.915, 0.90])
    pink = np.array([0.88, 0.74, 0.70])
    fibres = 0.5 + 0.5 * np.sin(9 * around) * np.sin(5 * around + 1.0)
    out = np.empty((len(rings), len(around), 3))
    for i, r in enumerate(rings):
        if r <= PUPIL_RADIUS:
            out[i] = 0.015
        elif r < IRIS_RADIUS:
            t = (r - PUPIL_RADIUS) / (IRIS_RADIUS - PUPIL_RADIUS)
            inner, outer, rim = np.array([[0.46, 0.42, 0.33], [0.30, 0.42, 0.50], [0.09, 0.14, 0.19]])
            colour = inner + (outer - inner) * min(t * 2.2, 1.0)
            colour = colour + (rim - colour) * max(0.0, (t - 0.62) / 0.38) ** 1.3
            out[i] = colour * (0.86 + 0.28 * fibres[:, None] * (1 - t))
        elif r < IRIS_RADIUS + 0.4:
            out[i] = 0.45 * sclera + 0.10
        else:
            out[i] = sclera + (pink - sclera) * np.clip((r - 8.5) / 4.4, 0.0, 1.0)
    return np.clip(out, 0.0, 1.0)


def caruncle(side: int) -> Part:
    """The small pink cushion in the inner corner."""
    rows, columns = 7, 10
    up = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    around = 2 * np.pi * np.arange(columns) / columns
    unit = np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.tile(np.cos(up), columns)], -1)
    vertices = unit.reshape(-1, 3) * [2.4, 1.7, 2.6] + [19.6, 32.5, 88.2]
    colours = np.tile([0.80, 0.52, 0.48], (len(vertices), 1))
    return _on_side(Part("caruncle", EYE, vertices, grid_faces(rows, columns, closed=True), colours), side)


def _on_side(part: Part, side: int) -> Part:
    if side > 0:
        return part
    return Part(
        part.name,
        part.material,
        part.vertices * MIRROR,
        part.faces[:, ::-1],
        part.colours,
        {k: v * MIRROR for k, v in part.shapes.items()},
    )
