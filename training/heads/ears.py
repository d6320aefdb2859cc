"""An ear as a disc with relief: helix, antihelix, the bowl of the concha, tragus and lobe."""

from __future__ import annotations

import numpy as np

from .field import MIRROR
from .parts import Material, Part, grid_faces

CENTRE = np.array([79.0, 17.0, -3.0])  # mm
FORWARD = np.array([-0.42, 0.04, 0.905])  # the ear's back edge stands off the head
UP = np.array([0.10, 0.975, -0.20])  # it leans back
OUT = np.array([0.90, -0.06, 0.43])
HEIGHT, WIDTH = 31.0, 17.5  # mm, halves
ROWS = np.array([0.0, 0.16, 0.32, 0.45, 0.56, 0.66, 0.76, 0.85, 0.93, 1.0, 1.04, 1.02, 0.93, 0.78])
COLUMNS = 24


def ear(side: int, material: Material, colour: np.ndarray) -> Part:
    """side: 1 the head's left, -1 its right; colour: (3,) sRGB of the skin around."""
    angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS  # 0 to the front, a quarter up
    rho, theta = np.meshgrid(ROWS, angle, indexing="ij")
    c, s = np.cos(theta), np.sin(theta)
    # An egg with its blunt end up and back, drawn in towards the lobe.
    wide = WIDTH * (1 + 0.10 * s - 0.26 * np.maximum(-s, 0) ** 2) * np.where(c > 0, 0.88, 1.0)
    high = HEIGHT * (1 - 0.05 * c)
    u, v = rho * wide * c, rho * high * s
    u = u + 2.5 * np.maximum(-s, 0) * rho  # the lobe hangs forward
    h = _relief(rho, theta)
    points = CENTRE + u[..., None] * FORWARD + v[..., None] * UP + h[..., None] * OUT
    vertices = points.reshape(-1, 3)
    shade = np.clip((h + 5.0) / 8.0, 0.0, 1.0)[..., None]
    red = np.array([0.80, 0.52, 0.46])
    tint = colour + (red - colour) * (0.35 + 0.25 * (1 - shade))
    colours = (tint * (0.80 + 0.20 * shade)).reshape(-1, 3)
    faces = grid_faces(len(ROWS), COLUMNS, closed=True)
    if side < 0:
        return Part("ear", material, vertices * MIRROR, faces, colours)
    return Part("ear", material, vertices, faces[:, ::-1], colours)


def _relief(rho: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Millimetres out of the ear's plane."""
    s, c = np.sin(theta), np.cos(theta)

    def ridge(value: np.ndarray, at: float, width: float) -> np.ndarray:
        return np.exp(-(((value - at) / width) ** 2))

    def toward(angle: float, sharp: float) -> np.ndarray:
        return np.exp(sharp * (np.cos(theta - angle) - 1.0))

    upper = np.clip(0.5 + 0.9 * s + 0.45 * -c, 0.0, 1.0)  # where the helix runs: over the top and down the back
    h = 3.4 * ridge(rho, 0.95, 0.10) * upper
    h -= 2.6 * ridge(rho, 0.76, 0.10) * upper  # the groove inside it
    h += 2.8 * ridge(rho, 0.52, 0.12) * np.clip(0.35 - 0.95 * c + 0.1 * s, 0.0, 1.0)  # antihelix
    h -= 6.5 * np.exp(-((rho / 0.38) ** 2))  # concha
    h -= 3.0 * ridge(rho, 0.42, 0.2) * toward(-0.5, 3.0)
    h += 4.6 * ridge(rho, 0.62, 0.16) * toward(-0.25, 9.0)  # tragus
    h += 1.2 * ridge(rho, 0.75, 0.25) * toward(-np.pi / 2, 4.0)  # lobe
    h -= 3.0 * np.clip(c, 0.0, 1.0) * np.clip((rho - 0.7) / 0.3, 0.0, 1.0)  # the front sinks into the head
    behind = np.arange(len(ROWS))[:, None] - 9  # rows past the rim turn to the back
    return h - np.select([behind == 1, behind == 2, behind == 3, behind >= 4], [1.2, 3.6, 6.5, 11.0], 0.0)
