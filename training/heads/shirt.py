"""A plain round-necked shirt, so that the head doesn't end in bare shoulders."""

from __future__ import annotations

import numpy as np

from . import chart
from .field import Field
from .parts import Material, Part, grid_faces, vertex_normals

CLOTH = Material("cloth", 0.9)
COLUMNS = 34
LIFT = [-1.5, 2.2, 3.4, 3.4, 2.4, 2.6, 2.8, 3.0, 3.0, 3.0]  # mm off the skin, from the collar down
DROP = [0.0, 0.0, 0.012, 0.075, 0.10, 0.25, 0.45, 0.65, 0.85, 1.0]  # share of the way from the collar to the edge


def shirt(field: Field) -> Part:
    """Rows run from inside the collar over the shoulders and then straight down."""
    style = field.anatomy.person.shirt
    azimuth = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    edge = np.log(chart.edge_radius(azimuth))
    jaw = edge - chart.NECK_SPAN
    collar = jaw + chart.NECK_SPAN * (0.70 - 0.1 * style.collar + 0.09 * np.cos(azimuth) - 0.03 * np.cos(2 * azimuth))
    rows = []
    for drop in DROP:
        radius = np.exp(collar + (edge - collar) * drop)
        rows.append(field.cast(*chart.rays(np.column_stack([radius * np.sin(azimuth), radius * np.cos(azimuth)]))))
    normals = [field.normals(row) for row in rows]
    rows = [row + normal * lift for row, normal, lift in zip(rows, normals, LIFT, strict=True)]
    middle = np.array([0.0, 0.0, -28.0])
    for width, y in ((1.05, -158.0), (1.08, -172.0), (1.10, -200.0)):
        row = middle + (rows[len(DROP) - 1] - middle) * [width, 0.0, width]
        row[:, 1] = y
        rows.append(row)
    vertices = np.vstack(rows)
    faces = grid_faces(len(rows), COLUMNS, closed=True)
    if (vertex_normals(vertices, faces)[6 * COLUMNS] @ normals[6][0]) < 0:
        faces = faces[:, ::-1]
    colours = np.tile(style.colour, (len(vertices), 1))
    colours[: 4 * COLUMNS] *= style.trim  # the ribbed collar
    return Part("shirt", CLOTH, vertices, faces, colours)
