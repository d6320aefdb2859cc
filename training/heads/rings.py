"""The loops of the template around the mouth and the eye, in millimetres; the left half of the head.

Mouth: loops run from the back of the mouth bag over the line where the lips meet and the vermilion's border to the
skin; columns run from the middle of the upper lip over the corner to the middle of the lower lip.
Eye: loops run from behind the lid over its rim to the skin; columns run round the opening, from the inner corner
over the upper lid.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from . import anatomy
from .field import Field

MOUTH_COLUMNS = 25
MOUTH_CORNER = 12
MOUTH_CONTACT = 7  # the loop in which the lips meet
MOUTH_BORDER = 12  # the loop of the vermilion's border
MOUTH_SKIN = (1.3, 2.9, 4.8, 7.0, 9.4)  # mm outside the border
VERMILION = (0.06, 0.27, 0.51, 0.76, 1.0)  # shares of the way from the contact line to the border
BAG_DEPTH = (44.0, 34.0, 20.0, 10.0, 5.0, 3.5, 2.0)  # mm behind the contact line, from the throat forward
BAG_HEIGHT = (4.0, 12.0, 15.0, 14.0, 11.0, 7.0, 3.0)  # mm above (and below) it
BAG_WIDTH = (0.4, 0.7, 0.85, 0.95, 1.02, 1.02, 1.01)
EYE_COLUMNS = 36
EYE_RIM = 3
EYE_SKIN = (0.8, 1.9, 3.3, 5.0, 7.0, 9.4)  # mm outside the rim

CONTACT = [(0, -33.9, 112.6), (5, -33.6, 112.2), (10, -33.9, 110.6), (15, -34.4, 107.8), (20, -34.7, 104.6),
           (24.8, -34.5, 101.2)]  # fmt: skip
UPPER_BORDER = [(0, -25.6, 118.2), (4, -24.3, 118.0), (8, -24.8, 116.8), (13, -26.9, 114.2), (18, -29.6, 110.4),
                (22.5, -32.5, 105.0), (25.9, -34.4, 101.6)]  # fmt: skip
LOWER_BORDER = [(0, -43.9, 115.2), (5, -43.7, 114.8), (10, -42.8, 113.2), (15, -41.0, 110.6), (20, -38.3, 106.8),
                (23.5, -36.1, 103.4), (25.9, -34.4, 101.6)]  # fmt: skip


def _resample(points: list, share: np.ndarray) -> np.ndarray:
    """Points of a smooth curve at the given shares, 0 to 1, of its length."""
    points = np.asarray(points, float)
    for _ in range(2):
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        points = CubicSpline(length, points)(np.linspace(0.0, length[-1], 60))
    length = np.linspace(0.0, 1.0, len(points))
    return np.column_stack([np.interp(share, length, c) for c in points.T])


def mouth(field: Field) -> np.ndarray:
    """(18 loops, 25 columns, 3); the upper and the lower half of the contact loop share their coordinates."""
    share = 1.0 - (1.0 - np.linspace(0.0, 1.0, MOUTH_CORNER + 1)) ** 1.1
    contact = _resample(CONTACT, share)
    contact = np.vstack([contact, contact[-2::-1]])
    border = np.vstack([_resample(UPPER_BORDER, share), _resample(LOWER_BORDER, share)[-2::-1]])
    side = np.where(np.arange(MOUTH_COLUMNS) <= MOUTH_CORNER, 1.0, -1.0)
    from_corner = np.abs(np.arange(MOUTH_COLUMNS) - MOUTH_CORNER) / MOUTH_CORNER
    open_ = np.sqrt(np.clip(from_corner * 1.6, 0.0, 1.0))  # the bag's lips close towards the corner

    loops = []
    for depth, height, width in zip(BAG_DEPTH, BAG_HEIGHT, BAG_WIDTH, strict=True):
        loop = contact.copy()
        loop[:, 0] *= width
        loop[:, 1] += side * height * open_
        loop[:, 2] -= depth
        loops.append(loop)
    loops.append(contact)
    border = field.project(border, steps=3)
    border[[0, -1], 0] = 0.0
    forward = np.where(side > 0, 2.4, 4.2) * open_
    control = 0.5 * (contact + border) + np.column_stack([0 * forward, -0.4 * side * open_, forward])
    for step in VERMILION:
        loops.append((1 - step) ** 2 * contact + 2 * step * (1 - step) * control + step**2 * border)

    angle = np.pi / 2 - np.pi * np.linspace(0.0, 1.0, MOUTH_COLUMNS)
    fan = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(MOUTH_COLUMNS)])
    scale = np.where(side > 0, 0.78 + 0.22 * (1 - from_corner), 1.0)
    for offset in MOUTH_SKIN:
        loop = border + fan * (offset * scale)[:, None]
        loop[:, 2] -= 0.35 * offset * np.abs(np.cos(angle)) ** 2
        loop = field.project(loop, steps=4)
        loop[[0, -1], 0] = 0.0
        loops.append(loop)
    return np.stack(loops)


def eye_outline(columns: int = EYE_COLUMNS) -> np.ndarray:
    """(columns, 2): x, y of the lids' rims, seen from the front."""
    half = columns // 2
    t = 0.5 - 0.5 * np.cos(np.pi * np.arange(half) / half)
    bow = 4 * t * (1 - t)
    x_in, y_in, x_out, y_out = 18.0, 32.3, 45.0, 34.4
    upper = np.column_stack(
        [x_in + (x_out - x_in) * t, y_in + (y_out - y_in) * t + 5.9 * bow**0.66 * (1.06 - 0.12 * t)]
    )
    t = 1 - t
    lower = np.column_stack([x_in + (x_out - x_in) * t, y_in + (y_out - y_in) * t - 3.5 * bow**0.72 * (0.9 + 0.2 * t)])
    return np.vstack([upper, lower])


def eye(field: Field) -> np.ndarray:
    """(10 loops, 36 columns, 3)."""
    outline = eye_outline()
    axis = np.column_stack([np.clip(outline[:, 0], 24.0, 40.5), np.full(len(outline), 34.2)])
    outward = outline - axis
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)

    def on_skin(flat: np.ndarray) -> np.ndarray:
        start = np.column_stack([flat, np.full(len(flat), 60.0)])
        return field.cast(start, np.tile([0.0, 0.0, 1.0], (len(flat), 1)), far=60.0)

    rim = on_skin(outline)

    def behind(flat: np.ndarray, gap: float, sink: float) -> np.ndarray:
        """On a sphere just outside the eyeball, or, past its edge, a little behind the rim."""
        radius = anatomy.EYE_RADIUS + gap
        reach = radius**2 - ((flat - anatomy.EYE_CENTRE[:2]) ** 2).sum(1)
        z = anatomy.EYE_CENTRE[2] + np.sqrt(np.maximum(reach, 0.0))
        return np.column_stack([flat, np.maximum(z, rim[:, 2] - sink)])

    loops = [
        behind(outline + 4.5 * outward, 0.9, 7.0),
        behind(outline + 1.6 * outward, 0.5, 3.6),
        behind(outline + 0.1 * outward, 0.35, 1.8),
        rim,
    ]
    inner = np.clip((26.0 - outline[:, 0]) / 8.0, 0.0, 1.0)
    for offset in EYE_SKIN:
        loops.append(on_skin(outline + outward * (offset * (1 - 0.3 * inner))[:, None]))
    return np.stack(loops)
