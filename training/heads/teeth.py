"""Two rows of separate teeth: incisors, canines, premolars and a molar on each side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .anatomy import Anatomy
from .mouth import LOWER_ARCH, OVERBITE, UPPER_ARCH, UPPER_EDGE, arch, jaw_motion, seat
from .parts import Material, Part, grid_faces, joined

TEETH = Material("teeth", 0.22)


class Tooth(NamedTuple):
    """mm; point: how far its edge is pointed; short: how far its edge stays back from the row's."""

    width: float
    height: float
    thick: float = 3.4
    point: float = 0.0
    short: float = 0.0


UPPER = [Tooth(8.4, 10.2, 3.0), Tooth(6.7, 9.0, 2.8, 0.2, 0.8), Tooth(7.6, 10.2, 3.6, 1.1, 0.0),
         Tooth(7.0, 8.4, 4.6, 0.7, 0.6), Tooth(7.0, 8.0, 4.8, 0.5, 0.9), Tooth(9.5, 7.6, 5.0, 0.3, 1.2)]  # fmt: skip
LOWER = [Tooth(5.3, 8.4, 2.6), Tooth(5.8, 8.4, 2.7), Tooth(6.8, 9.2, 3.4, 0.9, -0.3),
         Tooth(7.0, 8.2, 4.2, 0.6, 0.2), Tooth(7.2, 7.8, 4.6, 0.4, 0.4), Tooth(10.0, 7.4, 5.0, 0.3, 0.6)]  # fmt: skip
HEIGHTS = np.array([0.0, 0.06, 0.28, 0.72, 1.0])  # of a tooth's rows, from its edge to the gum
OUTLINE = np.array([0.82, 0.95, 1.0, 0.90, 0.76])  # its width there
BULGE = np.array([0.30, 0.46, 0.76, 1.0, 0.8])  # how far forward its face is there
COLUMNS = 8


def _tooth(tooth: Tooth, centre: np.ndarray, normal: np.ndarray, up: float, edge: float, colour: np.ndarray) -> Part:
    """up: 1 if it grows upwards from its edge, at height `edge`."""
    around = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    c, s = np.cos(around), np.sin(around)
    across = np.sign(c) * np.abs(c) ** 0.45 * OUTLINE[:, None] * tooth.width * 0.49
    front = np.clip(s, 0.0, 1.0) ** 0.6 * BULGE[:, None] * 0.75
    out = tooth.thick * (front - np.clip(-s, 0.0, 1.0) ** 0.7 * (0.4 + 0.6 * HEIGHTS[:, None]))
    tangent = np.array([normal[1], -normal[0]])
    point = tooth.point * np.abs(across / (tooth.width * 0.5)) * (1 - HEIGHTS[:, None]) ** 4
    y = edge + up * (HEIGHTS[:, None] * tooth.height + point + tooth.short * (1 - HEIGHTS[:, None]))
    x, z = (centre[i] + tangent[i] * across + normal[i] * out for i in range(2))
    faces = grid_faces(len(HEIGHTS), COLUMNS, closed=True)
    cap = np.column_stack([np.zeros(COLUMNS - 2, int), np.arange(1, COLUMNS - 1), np.arange(2, COLUMNS)])
    faces = np.vstack([faces, cap])
    shade = np.array([[0.93, 0.95, 0.97], [0.98, 0.98, 0.985], [1, 1, 0.995], [0.99, 0.975, 0.945], [0.93, 0.88, 0.83]])
    colours = np.repeat(shade * colour, COLUMNS, axis=0)
    return Part("tooth", TEETH, np.stack([x, y, z], -1).reshape(-1, 3), faces if up > 0 else faces[:, ::-1], colours)


def _row(table: list[Tooth], shape: tuple, edge: float, up: float, colour: np.ndarray) -> Part:
    row = []
    for side in (1.0, -1.0):
        start = 0.0
        for tooth in table:
            (centre,), (normal,) = arch(shape, np.array([side * (start + tooth.width / 2)]))
            row.append(_tooth(tooth, centre, normal, up, edge, colour * (1.0 - 0.002 * start)))
            start += tooth.width
    return joined("teeth", row)


def teeth(anatomy: Anatomy) -> Part:
    """Both rows; the lower one, a little further back, moves with the jaw."""
    colour = np.array(anatomy.person.complexion.teeth)
    upper = _row(UPPER, UPPER_ARCH, UPPER_EDGE, 1.0, colour)
    lower = _row(LOWER, LOWER_ARCH, UPPER_EDGE + OVERBITE, -1.0, colour * 0.97)
    for part in (upper, lower):
        part.vertices = seat(anatomy, part.vertices)
    lower.shapes.update(jaw_motion(lower.vertices))
    return joined("teeth", [upper, lower])
