"""The openings between the lids of a skin, as it is seen from the front: where lids must meet when an eye blinks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import label, maximum_filter

from .surface import spread

# Metres
CELL = 0.0007
HALF = (0.026, 0.018)  # half the width and height of what is looked at about an eye
BEHIND = 0.004  # skin that is further behind the eyeball's surface than this does not cover it
SIZES = (0.010, 0.045)  # the width of an opening
SAMPLES = 30_000
COLUMNS = 9  # landmarks of each lid


class Opening(NamedTuple):
    """(COLUMNS, 3) the edges of the upper and lower lid, from right to left"""

    upper: np.ndarray
    lower: np.ndarray


def find_opening(vertices: np.ndarray, faces: np.ndarray, eye: np.ndarray, radius: float) -> Opening | None:
    """vertices: (V, 3), faces: (F, 3) of a skin, eye: (3,) about the middle of an eyeball; None where lids are shut"""
    offset = vertices[faces].mean(1) - eye
    near = (np.abs(offset[:, 0]) < 1.2 * HALF[0]) & (np.abs(offset[:, 1]) < 1.2 * HALF[1]) & (offset[:, 2] > -radius)
    if near.sum() < 8:
        return None
    places = spread(vertices, faces[near], SAMPLES).places - eye
    shape = [int(2 * half / CELL) + 1 for half in HALF]
    cells = np.round((places[:, :2] + HALF) / CELL).astype(int)
    inside = ((cells >= 0) & (cells < shape)).all(1)
    depth = np.full(shape, -0.05)
    np.maximum.at(depth, tuple(cells[inside].T), places[inside, 2])
    depth = maximum_filter(depth, 3)  # a cell that no sample fell into is no hole
    across, up = np.meshgrid(*(np.arange(count) * CELL - half for count, half in zip(shape, HALF)), indexing="ij")
    ball = np.sqrt(np.maximum(radius**2 - across**2 - up**2, 0.0))
    pieces, _ = label(depth < ball - BEHIND)
    centre = pieces[shape[0] // 2 - 8 : shape[0] // 2 + 9, shape[1] // 2 - 6 : shape[1] // 2 + 7]
    votes = np.bincount(centre.ravel())[1:]
    if not votes.any():
        return None
    hole = pieces == votes.argmax() + 1
    heights = hole.sum(1)
    columns = np.flatnonzero(heights > 1)
    if not len(columns) or not SIZES[0] < len(columns) * CELL < SIZES[1]:
        return None
    chosen = np.round(np.linspace(columns[0], columns[-1], COLUMNS)).astype(int)
    if not hole[chosen].any(1).all():
        return None
    rims = []
    for step in (1, -1):
        rows = [np.flatnonzero(hole[column])[-1 if step > 0 else 0] + step for column in chosen]
        rows = np.clip(rows, 0, shape[1] - 1)
        rim = np.stack([chosen * CELL - HALF[0], rows * CELL - HALF[1], depth[chosen, rows]], 1)
        rims.append(rim + eye)
    if min(rim[:, 2].min() for rim in rims) < eye[2] - 0.01:
        return None
    return Opening(*rims)
