"""Eyeballs that turn, with iris, pupil and a bulging cornea, and the pink corner of the eye."""

from __future__ import annotations

import numpy as np

from . import average
from .anatomy import MIRROR, Anatomy
from .parts import Material, Part, grid_faces, turned
from .person import Eyes

IRIS_RADIUS = 5.9  # mm
PUPIL_RADIUS = 2.1
CORNEA_BULGE = 0.45
RINGS = np.array([0.0, 1.3, 2.0, 2.25, 3.0, 3.9, 4.8, 5.5, 5.9, 6.3, 7.4, 9.0, 10.8, 12.2, 12.89])
COLUMNS = 24
LOOKS = {"Up": ("x", -22.0), "Down": ("x", 26.0), "In": ("y", -28.0), "Out": ("y", 28.0)}  # of the left eye
EYE = Material("eye", 0.08)


def eyeball(anatomy: Anatomy, side: int) -> Part:
    """side: 1 the head's left, -1 its right. Rings run from the middle of the pupil backwards."""
    eyes = anatomy.person.eyes
    rings = np.interp(RINGS, [0.0, IRIS_RADIUS, average.EYE_RADIUS], [0.0, IRIS_RADIUS * eyes.iris, average.EYE_RADIUS])
    around = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    z = np.sqrt(np.maximum(average.EYE_RADIUS**2 - rings**2, 0.0))
    z += CORNEA_BULGE * np.clip(1 - (rings / (6.3 * eyes.iris)) ** 2, 0.0, 1.0)
    rings, z = np.append(rings, 9.0), np.append(z, -9.0)  # the back, never seen
    flat = rings[:, None, None] * np.stack([np.cos(around), np.sin(around)], -1)
    points = np.concatenate([flat, np.broadcast_to(z[:, None, None], (*flat.shape[:2], 1))], -1)
    vertices = points.reshape(-1, 3) * eyes.scale + anatomy.eye_centre
    name = "Left" if side > 0 else "Right"
    shapes = {
        f"eyeLook{look}{name}": turned(vertices, anatomy.eye_centre, degrees, axis) - vertices
        for look, (axis, degrees) in LOOKS.items()
    }
    colours = _colours(eyes, np.append(RINGS, 12.0), around).reshape(-1, 3)
    return _on_side(Part("eye", EYE, vertices, grid_faces(len(rings), COLUMNS, closed=True), colours, shapes), side)


def _colours(eyes: Eyes, rings: np.ndarray, around: np.ndarray) -> np.ndarray:
    """(rings, columns, 3) sRGB: a dark ring around the iris, lighter towards the pupil, with fibres."""
    sclera = np.array([0.905, 0.89, 0.875])
    pink = np.array([0.84, 0.68, 0.64])
    inner, outer, rim = (np.array(c) for c in (eyes.inner, eyes.outer, eyes.rim))
    fibres = 0.5 + 0.5 * np.sin(9 * around) * np.sin(5 * around + 1.0)
    out = np.empty((len(rings), len(around), 3))
    for i, r in enumerate(rings):
        if r <= PUPIL_RADIUS:
            out[i] = 0.015
        elif r < IRIS_RADIUS:
            t = (r - PUPIL_RADIUS) / (IRIS_RADIUS - PUPIL_RADIUS)
            colour = inner + (outer - inner) * min(t * 2.2, 1.0)
            colour = colour + (rim - colour) * max(0.0, (t - 0.62) / 0.38) ** 1.3
            light = 0.86 + 0.28 * fibres[:, None] * (1 - t)
            # the upper lid's shadow above, light gathered by the cornea below
            out[i] = colour * light * (1.0 - 0.26 * np.sin(around)[:, None])
        elif r < IRIS_RADIUS + 0.4:
            out[i] = 0.45 * sclera + 0.10
        else:
            out[i] = sclera + (pink - sclera) * np.clip((r - 8.5) / 4.4, 0.0, 1.0)
            out[i] *= 1.0 - 0.16 * np.clip(np.sin(around), 0.0, 1.0)[:, None] ** 2
    return np.clip(out, 0.0, 1.0)


def caruncle(anatomy: Anatomy, side: int) -> Part:
    """The small pink cushion in the inner corner."""
    rows, columns = 6, 8
    up = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    around = 2 * np.pi * np.arange(columns) / columns
    unit = np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.tile(np.cos(up), columns)], -1)
    scale = anatomy.person.eyes.scale
    middle = anatomy.eye_centre + scale * (np.array(average.CARUNCLE) - average.EYE_CENTRE)
    vertices = unit.reshape(-1, 3) * np.array([2.4, 1.7, 2.6]) * scale + middle
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
