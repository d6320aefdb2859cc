"""Where hair grows."""

from __future__ import annotations

import numpy as np

from .person import Hair, Table

# The outline seen from the side: z, and the lowest y of the hair there: nape, behind the ear, over it, the sideburn,
# the temple, the forehead.
OUTLINE = (
    (-120, -36), (-62, -36), (-46, -30), (-30, -8), (-22, 22), (-15, 44), (10, 53), (15, 44), (19, 24), (24, 26),
    (28, 50), (40, 74), (54, 88), (68, 94), (80, 97), (110, 108),
)  # fmt: skip


def hairline(style: Hair, v: np.ndarray) -> np.ndarray:
    """(V,) millimetres inside the hair's outline, negative on bare skin; v: (V, 3) on the average head."""
    inside = v[:, 1] - _at(style.outline or OUTLINE, v[:, 2])
    return np.minimum(inside, _at(style.crown, v[:, 2]) - v[:, 1]) if style.crown else inside


def _at(table: Table, z: np.ndarray) -> np.ndarray:
    return np.interp(z, *np.array(table, float).T)
