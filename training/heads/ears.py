"""An ear as a disc with relief: helix, antihelix with its two legs, the bowl of the concha, tragus and lobe."""

from __future__ import annotations

import numpy as np

from .anatomy import MIRROR
from .field import Field, polyline_distance
from .parts import Material, Part, grid_faces, turned
from .person import Complexion

CENTRE = np.array([78.5, 18.0, -4.0])  # mm
UP = np.array([0.16, 0.965, -0.20])  # it leans back
OUT = np.array([0.90, -0.10, 0.42])
HEIGHT, WIDTH = 29.0, 16.5  # mm, halves
ROWS = np.array([0.0, 0.14, 0.27, 0.38, 0.48, 0.57, 0.66, 0.74, 0.82, 0.90, 0.96, 1.0, 1.02, 0.98, 0.90, 0.76])
BEHIND = (0, 0.0), (1, 1.6), (2, 3.8), (3, 6.0), (4, 10.0)  # rows past the rim turn to the back, mm
RIM = 11
CLEAR = 1.0  # mm
COLUMNS = 28
# polyline in the ear's plane (forward, up) in mm, millimetres outward, sigma
RELIEF = [
    ([(9, 10), (6, 20), (-2, 25.5), (-10, 22), (-14.5, 11), (-14, -2), (-10.5, -12)], 2.6, 2.3),  # helix
    ([(8, 2), (2.5, 0.5), (-2, 3)], 1.6, 2.4),  # its root
    ([(3, 14), (-4, 18), (-9, 14), (-10, 4), (-8, -6)], -2.8, 2.2),  # the groove inside it
    ([(2, 12), (-3.5, 9), (-6.4, 0), (-4.5, -8), (0, -12)], 2.6, 2.4),  # antihelix
    ([(-3.5, 9), (-6, 15)], 1.6, 2.2),
    ([(1, 4), (-2, -2), (1, -6)], -6.0, 4.4),  # concha
    ([(8.5, -1), (7, -6)], 3.6, 2.4),  # tragus
    ([(1, -11), (-2.5, -10)], 1.6, 2.0),  # antitragus
    ([(4.6, -9.5), (3.4, -7.5)], -2.0, 1.8),  # the notch between them
    ([(0, -19), (3, -21)], 1.4, 5.0),  # lobe
]


def ear(field: Field, side: int, material: Material) -> Part:
    """side: 1 the head's left, -1 its right."""
    anatomy = field.anatomy
    shape, look = anatomy.person.ears, anatomy.person.complexion
    rho, theta = np.meshgrid(ROWS, 2 * np.pi * np.arange(COLUMNS) / COLUMNS, indexing="ij")  # 0 to the front
    c, s = np.cos(theta), np.sin(theta)
    # An egg with its blunt end up and back, drawn in towards the lobe.
    wide = WIDTH * (1 + 0.08 * s - 0.22 * np.maximum(-s, 0) ** 1.6) * np.where(c > 0, 0.80, 1.0)
    high = HEIGHT * (1 - 0.05 * c) * np.where(s < 0, 0.80 + 0.14 * shape.lobe, 1.0)
    u, v = rho * wide * c, rho * high * s
    u = u + 2.6 * np.maximum(-s, 0) ** 1.5 * rho  # the lobe hangs forward
    flat = np.column_stack([u.ravel(), v.ravel(), 0 * u.ravel()])
    h = np.zeros(u.size)
    for line, out, sigma in RELIEF:
        line = np.column_stack([np.array(line, float), np.zeros(len(line))])
        h += out * np.exp(-((polyline_distance(flat, line) / sigma) ** 2))
    h = h.reshape(u.shape)
    h -= 3.4 * np.clip(c, 0.0, 1.0) ** 2 * np.clip((rho - 0.62) / 0.38, 0.0, 1.0) * (s < 0.75)  # sinks into the cheek
    h -= 0.010 * u**2 * (u < 0)  # cupped
    relief = h.copy()
    past = np.interp(np.arange(len(ROWS)) - RIM, *np.array(BEHIND, float).T)
    h = h - past[:, None]
    flare = np.array([-0.40 * shape.flare, 0.04, 0.915])
    points = u[..., None] * flare + v[..., None] * UP + h[..., None] * OUT
    points = turned(points.reshape(-1, 3) * shape.scale, np.zeros(3), -shape.tilt, "x")
    vertices = points + anatomy.place(CENTRE)[0]
    bowl = np.repeat(ROWS < 0.7, COLUMNS) & (np.arange(len(vertices)) < RIM * COLUMNS)
    sunk = np.maximum(CLEAR - field(vertices[bowl]), 0.0)
    vertices[bowl] += sunk[:, None] * OUT  # the head doesn't show through the bowl
    colours = _colours(look, relief, past).reshape(-1, 3)
    faces = grid_faces(len(ROWS), COLUMNS, closed=True)
    if side < 0:
        return Part("ear", material, vertices * MIRROR, faces, colours)
    return Part("ear", material, vertices, faces[:, ::-1], colours)


def _colours(look: Complexion, relief: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Redder than the face, darker in the bowl and behind."""
    depth = np.clip((relief + 5.0) / 8.0, 0.0, 1.0)[..., None]
    base, red, dark = (np.array(c) for c in (look.base, look.blush, look.shade))
    colour = base + (red - base) * np.minimum(0.9, (0.30 + 0.30 * (1 - depth)) * look.flush)
    colour = colour + (dark * 0.72 - colour) * 0.55 * (1 - depth) ** 1.5
    return colour * (1.0 - 0.02 * past[:, None, None])
