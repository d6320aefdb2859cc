"""A knitted cap with a turned-up band."""

from __future__ import annotations

import numpy as np

from . import average
from .anatomy import smoothstep
from .field import Field
from .parts import Material, Part, grid_faces, vertex_normals

KNIT = Material("cap cloth", 0.95)
COLUMNS = 72
BAND = 26.0  # mm high
# rows: share of the way from the top to the band, then down the band's outside and up its inside
CROWN = np.array([0.0, 0.12, 0.26, 0.42, 0.58, 0.74, 0.88, 1.0])
ROLL = [(0.02, 1.8), (0.10, 4.2), (0.5, 4.8), (0.88, 4.4), (1.0, 2.4), (0.97, -2.5), (0.6, -4.0)]  # share, mm outward


def cap(field: Field) -> list[Part]:
    """One part, or none."""
    style = field.anatomy.person.cap
    if style is None:
        return []
    around = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    top = np.array([0.0, 1.0, -0.16])
    top /= np.linalg.norm(top)
    ahead = np.array([0.0, -top[2], top[1]])
    flat = np.cos(around)[:, None] * ahead + np.sin(around)[:, None] * [1.0, 0.0, 0.0]

    def on_head(share: np.ndarray) -> np.ndarray:
        direction = np.cos(share)[:, None] * top + np.sin(share)[:, None] * flat
        return field.cast(np.tile(average.CENTRE, (COLUMNS, 1)), direction)

    def above_rim(p: np.ndarray) -> np.ndarray:
        p = field.anatomy.unplace(p)
        return p[:, 1] - (style.back + (style.front - style.back) * smoothstep((p[:, 2] + 95.0) / 205.0))

    low, high = np.full(COLUMNS, 0.3), np.full(COLUMNS, 2.4)
    for _ in range(9):
        middle = 0.5 * (low + high)
        inside = above_rim(on_head(middle)) > 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    rim = 0.5 * (low + high)
    band = rim - BAND / 95.0
    rib = np.cos(np.pi * np.arange(COLUMNS))
    rows, colours = [], []
    for s in CROWN:
        p = on_head(np.maximum(band * s, 0.004))
        out = p - average.CENTRE
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        lift = style.thickness + style.peak * (1.0 - s**2) + 0.25 * rib * min(1.0, 2 * s)
        rows.append(p + out * lift[:, None] - [0.0, 0.0, 0.6 * style.peak * (1.0 - s**2)])
        colours.append(np.array(style.colour) * (1.0 + 0.07 * rib * min(1.0, 2 * s))[:, None])
    for s, outward in ROLL:
        p = on_head(band + (rim - band) * s)
        lift = style.thickness + outward + 0.5 * rib * (outward > 0)
        rows.append(p + field.normals(p) * np.maximum(lift, 0.8)[:, None])
        colours.append(np.array(style.band) * (1.0 + 0.09 * rib)[:, None] * (1.0 if outward > 0 else 0.6))
    vertices = np.vstack(rows)
    faces = grid_faces(len(rows), COLUMNS, closed=True)
    if vertex_normals(vertices, faces)[4 * COLUMNS] @ (rows[4][0] - average.CENTRE) < 0:
        faces = faces[:, ::-1]
    return [Part("cap", KNIT, vertices, faces, np.clip(np.vstack(colours), 0.0, 1.0))]
