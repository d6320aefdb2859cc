"""Articulatory tracks to the ARKit shapes of jaw, lips, cheeks and tongue."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .coarticulation import COLUMN
from .styles import Style

# How far the middle of the lips parts at weight 1, mm, both sides of a pair together, on an average head; jawOpen and
# mouthClose are such that equal weights nearly cancel. Presses and rolls come on top: they are what seals.
PARTS = {
    "jawOpen": 30.0, "mouthFunnel": 10.0, "mouthLowerDown": 6.0, "mouthUpperUp": 7.0, "mouthPucker": -1.0,
    "mouthDimple": -1.0, "mouthShrugLower": -6.0,
}  # fmt: skip
CLOSES = 32.0  # mm by which mouthClose brings them together
REST_PRESS = 0.16  # in pauses: lips lie on each other, they do not merely meet
LIPS_MOST = 0.42  # weight up to which the lips widen the opening
CORNERS, LIFTS = ("mouthSmile", "mouthStretch", "mouthDimple"), ("mouthLowerDown", "mouthUpperUp")

Weights = dict[str, np.ndarray]


def mouth(tracks: np.ndarray, sealed: np.ndarray, loudness: np.ndarray, style: Style, fps: float) -> Weights:
    """(T,) weights of the mouth's shapes by ARKit name; a pair is given by its name without Left and Right.

    tracks: (T, 8) of `coarticulation`; sealed: (T,) in [0, 1]; loudness: (T,) in [0, 1]
    """
    track = {name: tracks[:, column] for name, column in COLUMN.items()}
    free = 1 - sealed
    opening = style.opening * track["open"] * (1 + style.loudness * (loudness - 0.75)) * free  # mm
    speaking = np.clip(track["open"] / 0.2, 0, 1)
    narrow, wide = np.maximum(track["round"], 0), np.maximum(-track["round"], 0)

    pucker = (style.pucker * style.rounding * narrow + 0.5 * style.flare) * (1 - 0.35 * sealed)
    # A pucker carries the lower lip ahead of the upper; rolled in a little, the two still meet.
    roll = (0.32 * style.press * track["press"] + 0.1 * pucker) * sealed

    weights = {
        "jawOpen": style.jaw_share * style.opening * track["jaw"] * (1 - style.jaw_seals * sealed) / PARTS["jawOpen"],
        "mouthFunnel": (style.rounding * (0.95 * track["funnel"] + 0.1 * narrow) + style.flare * speaking)
        * (1 - 0.75 * sealed),
        "mouthPucker": pucker,
        "mouthRollLower": 0.34 * track["tuck"] + roll + style.thin * (1 - track["tuck"]) * (1 - 0.5 * narrow),
        "mouthRollUpper": 0.3 * style.press * track["press"] * sealed + style.thin * (1 - 0.5 * narrow),
        "mouthPress": style.press * track["press"] * sealed + REST_PRESS * (1 - speaking) * (1 - sealed),
        "mouthLowerDown": 0.24 * style.teeth * track["teeth"] * free * (1 - track["tuck"]),
        "mouthUpperUp": style.teeth * style.upper * (0.15 * track["teeth"] + 0.12 * track["tuck"]) * free,
        "mouthStretch": 0.42 * style.spreading * wide,
        "mouthDimple": 0.16 * style.spreading * wide + 0.12 * style.smile,
        "mouthSmile": 0.2 * style.spreading * wide + style.smile * (1 - 0.5 * narrow),
        "mouthFrown": style.frown * (1 - 0.4 * wide),
        "mouthShrugLower": 0.12 * track["tuck"],
        "mouthShrugUpper": 0.1 * style.rounding * track["funnel"] * narrow,
        "cheekPuff": 0.12 * track["press"] * sealed,
        "cheekSquint": 0.55 * style.smile + 0.1 * style.spreading * wide,
        "noseSneer": 0.05 * style.teeth * track["teeth"],
        "jawForward": 0.05 * style.rounding * narrow,
        "tongueOut": 0.22 * np.maximum(track["tongue"] - 0.15, 0),
    }
    # A spread vowel opens by the lips, an open one by the jaw.
    share = style.jaw_share * np.clip(track["jaw"] / np.maximum(track["open"], 0.05), 0.2, 1)
    return _fit(weights, opening, share, style.jaw_inertia / style.tempo * fps, style.settle * fps)


def _fit(weights: Weights, opening: np.ndarray, jaw_share: np.ndarray, inertia: float, settle: float) -> Weights:
    """Brings the lips to `opening` (T,) mm: jaw and lips share what is missing, by `jaw_share` (T,), the jaw slowly.

    What the jaw is too late for, the lips make up: mouthClose seals a p before the jaw is up.
    inertia: frames of the jaw; settle: frames of LIFTS, and a third of it of CORNERS
    """
    reach = PARTS["mouthLowerDown"] + PARTS["mouthUpperUp"]
    widen = np.maximum(opening - _parted(weights), 0)
    by_lips = np.minimum((1 - jaw_share) * widen, LIPS_MOST * reach)
    weights["jawOpen"] = weights["jawOpen"] + (widen - by_lips) / PARTS["jawOpen"]
    if inertia:
        weights["jawOpen"] = gaussian_filter1d(weights["jawOpen"], inertia)
    missing = opening - _parted(weights)
    lips = LIPS_MOST * np.tanh(np.maximum(missing, 0) / reach / LIPS_MOST)
    weights["mouthLowerDown"] = weights["mouthLowerDown"] + lips
    weights["mouthUpperUp"] = weights["mouthUpperUp"] + lips
    if settle:
        weights |= {name: gaussian_filter1d(weights[name], settle) for name in LIFTS}
        weights |= {name: gaussian_filter1d(weights[name], settle / 3) for name in CORNERS}
        missing = opening - _parted(weights)
    weights["mouthClose"] = np.maximum(-missing, 0) / CLOSES
    return weights


def _parted(weights: Weights) -> np.ndarray:
    """(T,) mm between the lips, before mouthClose."""
    return sum(parts * weights[name] for name, parts in PARTS.items())
