"""The skin's colours, sRGB per vertex: blush, lips, lids, nostrils, the shadow under the brows' hairs."""

from __future__ import annotations

import numpy as np

from . import rings
from .brows import BROW_LINE
from .field import polyline_distance
from .hair import BROWN, hairline
from .template import Skin

BASE = np.array([0.845, 0.655, 0.560])
LIP = np.array([0.725, 0.430, 0.405])
INNER_LIP = np.array([0.50, 0.215, 0.21])
BAG = np.array([0.80, 0.42, 0.40])
# (centre, radius, colour, share), mm; the left side, mirrored
TINTS = [
    ((46, 2, 92), 22.0, (0.85, 0.53, 0.46), 0.42),  # cheek
    ((3, 1, 129), 9.0, (0.84, 0.55, 0.48), 0.40),  # tip of the nose
    ((14, -4, 112), 7.0, (0.80, 0.53, 0.46), 0.35),
    ((0, -72, 106), 16.0, (0.83, 0.57, 0.49), 0.25),  # chin
    ((31, 26, 93), 9.0, (0.74, 0.52, 0.47), 0.30),  # under the eye
    ((31, 43, 95), 9.0, (0.76, 0.53, 0.46), 0.35),  # lid
    ((0, 80, 103), 45.0, (0.87, 0.70, 0.60), 0.35),  # forehead, a little lighter
    ((0, -105, 45), 45.0, (0.80, 0.60, 0.51), 0.35),  # neck
]


def skin_colours(skin: Skin, seed: int = 5) -> np.ndarray:
    """(V, 3) sRGB, 0 to 1."""
    v = np.abs(skin.vertices * [1, 0, 0]) + skin.vertices * [0, 1, 1]
    colour = np.tile(BASE, (len(v), 1))
    for centre, radius, tint, share in TINTS:
        colour = _mixed(colour, tint, share * np.exp(-(((v - centre) ** 2).sum(1)) / radius**2))
    line = np.array([(x, y, 0.0) for x, y in BROW_LINE])
    flat = v * [1, 1, 0] - [0, 0.5, 0]
    brow = np.exp(-((polyline_distance(flat, line) / 3.4) ** 2)) * (v[:, 2] > 60)
    colour = _mixed(colour, BROWN * 1.9, 0.13 * brow)
    colour = _mixed(colour, BROWN * 1.1, 0.85 * np.clip(hairline(v) / 9.0, 0.0, 1.0))
    nostril = np.linalg.norm((v - [6.9, -8.6, 117.0]) / [2.9, 2.2, 4.4], axis=1)
    colour = _mixed(colour, (0.20, 0.09, 0.08), 0.92 * np.clip(1.5 - nostril, 0.0, 1.0))
    _lips(skin, colour)
    _lids(skin, colour)
    rng = np.random.default_rng(seed)
    noise = 1 + 0.008 * rng.standard_normal(len(v))
    noise = 0.5 * (noise + noise[skin.mirror])
    return np.clip(colour * noise[:, None], 0.0, 1.0)


def _mixed(colour: np.ndarray, tint: tuple, share: np.ndarray) -> np.ndarray:
    return colour + (np.asarray(tint) - colour) * share[:, None]


def _lips(skin: Skin, colour: np.ndarray) -> None:
    contact, border = rings.MOUTH_CONTACT, rings.MOUTH_BORDER
    for loop in range(skin.mouth.shape[1]):
        ring = skin.mouth[:, loop].ravel()
        if loop < contact - 1:
            colour[ring] = BAG * (0.35 + 0.65 * loop / contact)
        elif loop <= contact:
            colour[ring] = INNER_LIP * 0.72
        elif loop <= border:
            t = rings.VERMILION[loop - contact - 1]
            colour[ring] = _mixed(np.tile(INNER_LIP, (len(ring), 1)), LIP, np.full(len(ring), min(1.0, 0.1 + 2.2 * t)))
            if loop == border:
                colour[ring] = 0.62 * LIP + 0.38 * BASE
        elif loop == border + 1:
            colour[ring] = 0.16 * LIP + 0.84 * colour[ring]
    colour[len(skin.mouth[0].ravel()) + len(skin.eye[0].ravel())] = BAG * 0.35  # the throat


def _lids(skin: Skin, colour: np.ndarray) -> None:
    for loop, (tint, share) in enumerate(
        [((0.45, 0.25, 0.24), 1.0), ((0.55, 0.32, 0.30), 1.0), ((0.74, 0.48, 0.44), 1.0), ((0.66, 0.43, 0.38), 0.75)]
    ):
        ring = skin.eye[:, loop].ravel()
        colour[ring] = _mixed(colour[ring], tint, np.full(len(ring), share))
    lashes = skin.eye[:, rings.EYE_RIM, 2 : rings.EYE_COLUMNS // 2 - 0].ravel()
    colour[lashes] = _mixed(colour[lashes], (0.16, 0.09, 0.07), np.full(len(lashes), 0.75))
