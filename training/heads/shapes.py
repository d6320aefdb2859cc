"""The 52 ARKit shapes of the skin: measured landmark motion spread by thin plates, then lips and lids set right.

Left shapes are built and mirrored; symmetric ones are built whole.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.sparse import csr_matrix

from codetalker.motion import ARKIT_NAMES

from . import average, lids, rings
from .anatomy import MIRROR, smoothstep
from .average import HINGE
from .mouth import JAW_DEGREES, TONGUE_JAW
from .parts import turned
from .template import Skin, neighbours

UPPER_LIP = [49, 50, 51, 52, 53, 61, 62, 63]
LOWER_LIP = [55, 56, 57, 58, 59, 65, 66, 67]
# Shapes that part the lips; in all others they stay sealed and move together.
OPENING = {"jawOpen", "mouthFunnel", "mouthUpperUpLeft", "mouthLowerDownLeft", "mouthShrugUpper", "noseSneerLeft"}
# y, z in mm by which the line of closed lips sinks under an open jaw: at the corners, in the middle
CLOSED_LINE = (np.array([-1.5, -1.0]), np.array([-4.5, -2.5]))
SHRUG = 0.55  # of the measured lift of both lips when the lower one pushes up

# Bulges where no landmark tells of any: shape -> (centre, motion, radius), mm, on the left side
BULGES = {
    "cheekPuff": [((50, -22, 84), (5.5, 0.0, 2.0), 19.0), ((26, -14, 104), (2.0, 0.0, 3.5), 11.0),
                  ((26, -52, 101), (2.0, 0.0, 3.0), 11.0)],
    "cheekSquintLeft": [((38, 14, 95), (0.5, 4.5, 1.6), 13.0)],
    "mouthSmileLeft": [((42, -2, 94), (1.5, 2.5, 3.0), 13.0)],
    "noseSneerLeft": [((15, 0, 108), (0.5, 3.0, 0.8), 7.0), ((24, 8, 100), (0.0, 3.0, 1.5), 9.0)],
    "mouthDimpleLeft": [((33, -33, 98), (0.0, 0.5, -2.0), 6.0)],
    "eyeSquintLeft": [((33, 20, 95), (0.0, 2.5, 0.8), 10.0)],
    "mouthFrownLeft": [((27, -50, 102), (0.0, -1.5, 0.6), 8.0)],
}  # fmt: skip
# of a measured motion: less where it bulges, more where smoothing takes from it
TABLE_SHARE = {
    "cheekPuff": 0.8,
    "mouthLeft": 0.88,
    "jawForward": 0.95,
    "browDownLeft": 1.12,
    "browInnerUp": 1.1,
    "browOuterUpLeft": 1.12,
}


class Plates:
    """Thin plates through the landmarks, with still points around the face.

    All of it happens on the average head, where everybody's vertices have their places, and so motion is alike.
    """

    def __init__(self, skin: Skin) -> None:
        v = skin.average
        still = (v[:, 1] > 88) | (v[:, 2] < 22) | (v[:, 1] < -108)
        self.still = v[still][::17]

    def spread(self, motion: np.ndarray, left_out: list[int], at: np.ndarray) -> np.ndarray:
        """motion: (68, 3) of the landmarks -> (N, 3) at the points, without the landmarks left out."""
        keep = np.setdiff1d(np.arange(68), left_out)
        points = np.vstack([average.LANDMARKS[keep], self.still])
        values = np.vstack([motion[keep], np.zeros_like(self.still)])
        return RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=1.0)(at)


def lower_share(skin: Skin) -> np.ndarray:
    """(V,) 1 where the lower lip and the chin lead, 0 where the upper lip does, smooth past the corners."""
    v = skin.average
    past = np.maximum(np.abs(v[:, 0]) - 22.0, 0.0)
    drop = -35.0 - v[:, 1]
    share = smoothstep(0.5 + drop / (5.0 + 1.1 * past))
    columns = np.arange(rings.MOUTH_COLUMNS) - rings.MOUTH_CORNER
    for loop in range(skin.mouth.shape[1]):
        width = 0.01 + 0.75 * max(0, loop - rings.MOUTH_BORDER)
        share[skin.mouth[:, loop]] = smoothstep(0.5 + columns / (2 * width))
    return share


def skin_shapes(skin: Skin) -> dict[str, np.ndarray]:
    """ARKit name -> (V, 3) mm, all 52."""
    plates, share = Plates(skin), lower_share(skin)
    means = neighbours(skin.faces, len(skin.vertices))
    built: dict[str, np.ndarray] = {}
    for name, rows in average.TABLE["motion"].items():
        motion = np.zeros((68, 3))
        for landmark, step in rows.items():
            motion[int(landmark)] = step
        motion *= TABLE_SHARE.get(name, 1.0)
        if name.startswith(("eyeBlink", "eyeLook", "eyeWide", "eyeSquint")):
            motion[:] = 0.0  # lids are explicit
        motion[36:48] *= 0.3
        built[name] = _skin_shape(skin, plates, share, means, name, motion)
    _close(skin, built)
    lids.add(skin, built)
    built["tongueOut"] = TONGUE_JAW * built["jawOpen"]
    return {name: _sided(skin, built, name) for name in ARKIT_NAMES}


def _sided(skin: Skin, built: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name in built:
        return built[name]
    return built[name.replace("Right", "Left")][skin.mirror] * MIRROR


def _skin_shape(
    skin: Skin, plates: Plates, share: np.ndarray, means: csr_matrix, name: str, motion: np.ndarray
) -> np.ndarray:
    v = skin.average
    if not motion.any():
        step = np.zeros_like(v)
    else:
        upper = plates.spread(motion, LOWER_LIP, v)
        lower = plates.spread(motion, UPPER_LIP, v)
        step = upper + (lower - upper) * share[:, None]
    for centre, push, radius in BULGES.get(name, []):
        for flip in (1.0, -1.0) if name == "cheekPuff" else (1.0,):
            near = np.exp(-(((v - np.multiply(centre, [flip, 1, 1])) ** 2).sum(1) / radius**2))
            step = step + near[:, None] * np.multiply(push, [flip, 1, 1])
    step *= _fade(v)[:, None]
    lips = np.zeros(len(v), bool)
    lips[skin.mouth[:, : rings.MOUTH_BORDER + 1]] = True
    for _ in range(10):
        step[~lips] += 0.5 * ((means @ step) - step)[~lips]
    _seal(skin, step, name)
    _bag(skin, step, name)
    return step


def _fade(v: np.ndarray) -> np.ndarray:
    """(V,) thin plates never end by themselves: 1 in the face, 0 on the skull, the shoulders and the nape."""
    return smoothstep((v[:, 2] - 5.0) / 35.0) * smoothstep((100.0 - v[:, 1]) / 25.0) * smoothstep((v[:, 1] + 125) / 35)


def _pairs(skin: Skin) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the mouth above the line where the lips meet and, in the same order, below it."""
    above = np.arange(rings.MOUTH_CORNER)
    return above, rings.MOUTH_COLUMNS - 1 - above


def _seal(skin: Skin, step: np.ndarray, name: str) -> None:
    """Sets the two halves of the contact loop: together, or apart but never crossed; the vermilion follows."""
    above, below = _pairs(skin)
    for side in range(2):
        contact = skin.mouth[side, rings.MOUTH_CONTACT]
        before = step[contact].copy()
        up, low = before[above], before[below]
        if name in OPENING:
            gap = up[:, 1] - low[:, 1]
            crossed = np.maximum(-gap, 0.0)
            up[:, 1] += 0.5 * crossed
            low[:, 1] -= 0.5 * crossed
            together = (gap <= 0.02)[:, None]
            middle = 0.5 * (up + low)
            up, low = np.where(together, middle, up), np.where(together, middle, low)
        else:
            up = low = 0.5 * (up + low) * (SHRUG / 0.5 if name == "mouthShrugLower" else 1.0)
        _shift_contact(skin, step, side, above, up - before[above])
        _shift_contact(skin, step, side, below, low - before[below])


def _shift_contact(skin: Skin, step: np.ndarray, side: int, columns: np.ndarray, shift: np.ndarray) -> None:
    """Moves contact vertices by shift, the loops outside them ever less, up to the first skin loop."""
    last = rings.MOUTH_BORDER + 2
    for loop in range(rings.MOUTH_CONTACT, last):
        fall = 1.0 - (loop - rings.MOUTH_CONTACT) / (last - rings.MOUTH_CONTACT)
        step[skin.mouth[side, loop][columns]] += shift * smoothstep(np.array(fall))


def _bag(skin: Skin, step: np.ndarray, name: str) -> None:
    """The mouth bag hangs from the lips in front and from the jaw, if it opens, behind."""
    follow = np.array([0.0, 0.1, 0.35, 0.6, 0.8, 0.9, 0.97])
    for side in range(2):
        for loop, f in enumerate(follow):
            ring = skin.mouth[side, loop]
            led = f * step[skin.mouth[side, rings.MOUTH_CONTACT]]
            if name == "jawOpen":
                p = skin.vertices[ring]
                jaw = turned(p, HINGE, JAW_DEGREES, "x") - p
                low = np.arange(rings.MOUTH_COLUMNS) > rings.MOUTH_CORNER
                led = np.where(low[:, None], f * led + (1 - f) * jaw, led)
            step[ring] = led


def _close(skin: Skin, built: dict[str, np.ndarray]) -> None:
    """mouthClose brings the lips to one line whatever jawOpen did, so that equal weights of both seal at any weight."""
    close, jaw = built["mouthClose"], built["jawOpen"]
    columns = np.arange(rings.MOUTH_COLUMNS)
    from_corner = np.abs(columns - rings.MOUTH_CORNER) / rings.MOUTH_CORNER
    line = np.column_stack([0 * from_corner, *np.outer(CLOSED_LINE[0], 1 - from_corner**1.5)])
    line[:, 1:] += np.outer(from_corner**1.5, CLOSED_LINE[1])
    for side in range(2):
        contact = skin.mouth[side, rings.MOUTH_CONTACT]
        _shift_contact(skin, close, side, columns, line - jaw[contact] - close[contact])
        rim = skin.mouth[side, rings.MOUTH_CONTACT + 1]  # stays beside it, or an upper and a lower lip would cross
        close[rim] = line - jaw[rim]
    _bag(skin, close, "mouthClose")
