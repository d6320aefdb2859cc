"""The loops of the template around mouth, eye and nostril, in millimetres; the left half of the head.

Mouth: loops run from the back of the mouth bag over the line where the lips meet and the vermilion's border to the
skin; columns run from the middle of the upper lip over the corner to the middle of the lower lip.
Eye: loops run from behind the lid over its rim to the skin; columns run round the opening, from the inner corner
over the upper lid. Nostril: from deep inside over the rim to the skin; columns run round it.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from . import average
from .field import Field

MOUTH_COLUMNS = 25
MOUTH_CORNER = 12
MOUTH_CONTACT = 7  # the loop in which the lips meet
MOUTH_BORDER = 12  # the loop of the vermilion's border
MOUTH_SKIN = (1.3, 2.9, 4.8, 7.0, 9.4)  # mm outside the border
VERMILION = (0.06, 0.27, 0.51, 0.76, 1.0)  # shares of the way from the contact line to the border
BAG_DEPTH = (52.0, 38.0, 22.0, 11.0, 6.5, 4.5, 2.2)  # mm behind the contact line, from the throat forward
BAG_HEIGHT = (7.0, 16.0, 17.0, 15.0, 11.5, 7.0, 3.0)  # mm above (and below) it
BAG_WIDTH = (0.5, 0.8, 0.98, 1.04, 1.05, 1.03, 1.01)
EYE_COLUMNS = 36
EYE_RIM = 3
EYE_SKIN = (0.8, 1.9, 3.3, 5.0, 7.0, 9.4)  # mm outside the rim
NOSTRIL_COLUMNS = 16
NOSTRIL_RIM = 4  # the loop of its rim
NOSTRIL_DEPTH = (8.0, 5.6, 3.2, 1.2)  # mm up into the nose
NOSTRIL_SIZE = (0.30, 0.72, 0.92, 1.0)


def _resample(points: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points of a smooth curve at the given shares, 0 to 1, of its length."""
    for _ in range(2):
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        points = CubicSpline(length, points)(np.linspace(0.0, length[-1], 60))
    length = np.linspace(0.0, 1.0, len(points))
    return np.column_stack([np.interp(share, length, c) for c in points.T])


def _border(points: list, fullness: float, bow: float) -> np.ndarray:
    """(N, 3) the vermilion's border on the average head, fuller or thinner; bow: depth of the dip in its middle."""
    p = np.array(points, float)
    contact = np.array(average.CONTACT, float)
    base = np.interp(p[:, 0], contact[:, 0], contact[:, 1])
    p[:, 1] = base + (p[:, 1] - base) * fullness
    p[:, 1] -= (bow - 1.0) * 1.3 * np.exp(-((p[:, 0] / 2.6) ** 2))
    return p


def mouth(field: Field) -> np.ndarray:
    """(18 loops, 25 columns, 3); the upper and the lower half of the contact loop share their coordinates."""
    lips, place = field.anatomy.person.lips, field.anatomy.place
    share = 1.0 - (1.0 - np.linspace(0.0, 1.0, MOUTH_CORNER + 1)) ** 1.1
    contact = _resample(place(average.CONTACT), share)
    contact = np.vstack([contact, contact[-2::-1]])
    upper = place(_border(average.UPPER_BORDER, lips.upper, lips.bow))
    lower = place(_border(average.LOWER_BORDER, lips.lower, 1.0))
    border = np.vstack([_resample(upper, share), _resample(lower, share)[-2::-1]])
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
    forward = np.where(side > 0, 2.4, 4.2) * open_ * lips.forward
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


def eye_outline(field: Field, columns: int = EYE_COLUMNS) -> np.ndarray:
    """(columns, 2): x, y of the lids' rims, seen from the front."""
    eyes = field.anatomy.person.eyes
    half = columns // 2
    (x_in, y_in), (x_out, y_out) = average.EYE_CORNERS
    y_out += eyes.tilt

    def lid(t: np.ndarray, arch: float, power: float, lean: np.ndarray) -> np.ndarray:
        bow = 4 * t * (1 - t)
        return np.column_stack([x_in + (x_out - x_in) * t, y_in + (y_out - y_in) * t + arch * bow**power * lean])

    t = 0.5 - 0.5 * np.cos(np.pi * np.arange(half) / half)
    upper = lid(t, eyes.upper, 0.66, 1.06 - 0.12 * t + (eyes.peak - 0.5) * (2 * t - 1))
    t = 1 - t
    lower = lid(t, -eyes.lower, 0.72, 0.9 + 0.2 * t)
    local = (np.vstack([upper, lower]) - average.EYE_CENTRE[:2]) * eyes.scale
    return field.anatomy.eye_centre[:2] + local


def eye(field: Field) -> np.ndarray:
    """(10 loops, 36 columns, 3)."""
    outline = eye_outline(field)
    centre, size = field.anatomy.eye_centre, field.anatomy.person.eyes.scale
    axis = np.column_stack(
        [
            np.clip(outline[:, 0], centre[0] - 7.0 * size, centre[0] + 9.5 * size),
            np.full(len(outline), centre[1] - 0.8 * size),
        ]
    )
    outward = outline - axis
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)

    def on_skin(flat: np.ndarray) -> np.ndarray:
        start = np.column_stack([flat, np.full(len(flat), centre[2] - 22.0)])
        return field.cast(start, np.tile([0.0, 0.0, 1.0], (len(flat), 1)), far=60.0)

    rim = on_skin(outline)

    def behind(flat: np.ndarray, gap: float, sink: float) -> np.ndarray:
        """On a sphere just outside the eyeball, or, past its edge, a little behind the rim."""
        radius = field.anatomy.eye_radius + gap
        reach = radius**2 - ((flat - centre[:2]) ** 2).sum(1)
        z = centre[2] + np.sqrt(np.maximum(reach, 0.0))
        return np.column_stack([flat, np.maximum(z, rim[:, 2] - sink)])

    loops = [
        behind(outline + 4.5 * size * outward, 0.9, 7.0),
        behind(outline + 1.6 * outward, 0.5, 3.6),
        behind(outline + 0.1 * outward, 0.35, 1.8),
        rim,
    ]
    inner = np.clip((centre[0] - 5.0 - outline[:, 0]) / 8.0, 0.0, 1.0)
    for offset in EYE_SKIN:
        loops.append(on_skin(outline + outward * (offset * size * (1 - 0.3 * inner))[:, None]))
    return np.stack(loops)


def nostril(field: Field) -> np.ndarray:
    """(6 loops, 16 columns, 3): four inside, the rim, and one on the skin around it; the last inside first."""
    front, back = field.anatomy.place(average.NOSTRIL[:2])
    up = np.array(average.NOSTRIL[2])
    up /= np.linalg.norm(up)
    along = 0.5 * (back - front)
    across = np.cross(up, along)
    across *= 2.15 / np.linalg.norm(across)
    turn = 2 * np.pi * np.arange(NOSTRIL_COLUMNS) / NOSTRIL_COLUMNS
    c, s = np.cos(turn), np.sin(turn)
    # a drop, rounder behind
    ring = 0.5 * (front + back) + c[:, None] * along + (s * (1.0 + 0.22 * c))[:, None] * across
    rim = field.project(ring, steps=6)
    away = ring - ring.mean(0)
    outer = field.project(ring + 1.1 * away / np.linalg.norm(away, axis=1, keepdims=True), steps=6)
    middle = rim.mean(0)
    inside = [
        middle + (rim - middle) * size + up * depth for depth, size in zip(NOSTRIL_DEPTH, NOSTRIL_SIZE, strict=True)
    ]
    return np.stack([*inside, rim, outer])
