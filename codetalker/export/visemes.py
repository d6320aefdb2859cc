"""Visemes over time, by the 15 names of Oculus Lipsync that engines and avatars know.

They follow the speech where its phones are known, else the motion's mouth: lips alone can't tell all of them apart.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..errors import UserError
from ..motion import ARKIT_NAMES, Animation, VertexAnimation
from ..phones import PHONES
from .fitting import fit_weights
from .take import Take

PHONES_OF = {
    "sil": "sil", "PP": "p b m", "FF": "f v", "TH": "th dh", "DD": "t d", "kk": "k g ng hh x", "CH": "ch jh sh zh",
    "SS": "s z", "nn": "n l", "RR": "r er", "aa": "aa ae ah", "E": "eh", "ih": "ih iy y", "oh": "ao",
    "ou": "uw uh ue w",
}  # fmt: skip
VISEMES = tuple(PHONES_OF)

# How the mouth looks: means of the open talker's motion, style `neutral`, over three minutes of 13 recordings, in
# frames where the encoder is sure of the viseme. A pair's sides are alike.
MOUTHS: dict[str, dict[str, float]] = {
    "sil": {"mouthPress": 0.04},
    "PP": {"jawOpen": 0.11, "mouthClose": 0.1, "mouthPucker": 0.05, "mouthStretch": 0.05, "mouthRollLower": 0.09,
           "mouthRollUpper": 0.07, "mouthPress": 0.23, "cheekPuff": 0.1},
    "FF": {"jawOpen": 0.12, "mouthClose": 0.04, "mouthFunnel": 0.11, "mouthPucker": 0.06, "mouthStretch": 0.05,
           "mouthRollLower": 0.31, "mouthShrugLower": 0.1, "mouthUpperUp": 0.14},
    "TH": {"jawOpen": 0.18, "mouthFunnel": 0.13, "mouthPucker": 0.09, "mouthLowerDown": 0.07, "mouthUpperUp": 0.06},
    "DD": {"jawOpen": 0.16, "mouthFunnel": 0.11, "mouthPucker": 0.1, "mouthStretch": 0.04, "mouthLowerDown": 0.07,
           "mouthUpperUp": 0.05},
    "kk": {"jawOpen": 0.2, "mouthFunnel": 0.14, "mouthPucker": 0.14, "mouthLowerDown": 0.05},
    "CH": {"jawOpen": 0.11, "mouthClose": 0.09, "mouthFunnel": 0.59, "mouthPucker": 0.27, "mouthLowerDown": 0.07,
           "mouthUpperUp": 0.05},
    "SS": {"jawOpen": 0.13, "mouthFunnel": 0.09, "mouthStretch": 0.06, "mouthLowerDown": 0.11, "mouthUpperUp": 0.09},
    "nn": {"jawOpen": 0.22, "mouthFunnel": 0.14, "mouthPucker": 0.11, "mouthLowerDown": 0.06, "mouthUpperUp": 0.05},
    "RR": {"jawOpen": 0.17, "mouthFunnel": 0.29, "mouthPucker": 0.22},
    "aa": {"jawOpen": 0.35, "mouthFunnel": 0.09, "mouthPucker": 0.05, "mouthLowerDown": 0.1, "mouthUpperUp": 0.1},
    "E": {"jawOpen": 0.26, "mouthFunnel": 0.06, "mouthSmile": 0.06, "mouthStretch": 0.09, "mouthLowerDown": 0.13,
          "mouthUpperUp": 0.12},
    "ih": {"jawOpen": 0.18, "mouthFunnel": 0.04, "mouthSmile": 0.11, "mouthDimple": 0.07, "mouthStretch": 0.2,
           "mouthLowerDown": 0.15, "mouthUpperUp": 0.12},
    "oh": {"jawOpen": 0.23, "mouthFunnel": 0.42, "mouthPucker": 0.3},
    "ou": {"jawOpen": 0.13, "mouthFunnel": 0.29, "mouthPucker": 0.53},
}  # fmt: skip
# How much a shape varies within a viseme, in the same motion: the unit in which mouths are compared.
VARIES = {
    "jawOpen": 0.065, "mouthClose": 0.024, "mouthFunnel": 0.1, "mouthPucker": 0.11, "mouthPress": 0.028,
    "mouthRollLower": 0.035, "mouthRollUpper": 0.02, "mouthStretch": 0.05, "mouthSmile": 0.05, "mouthLowerDown": 0.036,
    "mouthUpperUp": 0.033, "cheekPuff": 0.02,
}  # fmt: skip

MAX_BYTES = 16 * 2**20
MAX_SECONDS = 3600.0
READ_FPS = 30.0  # frames a second of a motion that is read from visemes
BLEND = 0.04  # s, deviation of the blur from one mouth to the next


class Viseme(NamedTuple):
    """start, end: seconds; viseme: of VISEMES; weight: how sure it is, in [0, 1]"""

    start: float
    end: float
    viseme: str
    weight: float


def write_visemes(take: Take, path: Path) -> dict[str, float]:
    """A JSON list of {start, end, viseme, weight}, without gaps from 0 to the end of the motion."""
    animation, deviation = take.animation, {}
    if take.phones is not None:
        shares = from_phones(take.phones)
    else:
        if isinstance(animation, VertexAnimation):
            animation, off = fit_weights(animation, take.head)
            deviation = {"mean_of_height": off}
        shares = from_mouth(animation)
    rows = [json.dumps(viseme._asdict()) for viseme in timeline(shares, animation.fps)]
    path.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    return deviation


def from_phones(phones: np.ndarray) -> np.ndarray:
    """(T, phones) probabilities -> (T, 15) of VISEMES"""
    belongs = np.zeros((len(PHONES), len(VISEMES)))
    for column, names in enumerate(PHONES_OF.values()):
        belongs[[PHONES.index(phone) for phone in names.split()], column] = 1.0
    return phones @ belongs


def from_mouth(animation: Animation) -> np.ndarray:
    """(T, 15) shares, largest where the mouth looks most like MOUTHS.

    In the open talker's motion the largest is that of the phones in 45 % of frames of people's recordings (style
    `neutral`), 74 % in silence.
    """
    weights = dict(zip(ARKIT_NAMES, animation.weights.T.astype(np.float64)))

    def seen(name: str) -> np.ndarray:
        return weights[name] if name in weights else 0.5 * (weights[f"{name}Left"] + weights[f"{name}Right"])

    mouth = np.stack([seen(name) for name in VARIES], 1)
    known = np.array([[MOUTHS[viseme].get(name, 0.0) for name in VARIES] for viseme in VISEMES])
    away = np.square((mouth[:, None] - known) / list(VARIES.values())).sum(-1)  # (T, 15)
    shares = np.exp(-0.5 * (away - away.min(1, keepdims=True)))
    return shares / shares.sum(1, keepdims=True)


def timeline(shares: np.ndarray, fps: float) -> list[Viseme]:
    """(T, 15) -> the most likely viseme of each moment, a single frame of one only for lips that shut or touch teeth"""
    smooth = gaussian_filter1d(shares, 0.5, axis=0, mode="nearest")
    chosen = smooth.argmax(1)
    edges = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), len(chosen)]
    runs: list[list[int]] = []  # first frame, viseme
    for start, end in pairwise(edges):
        brief = end - start < 2 and VISEMES[chosen[start]] not in ("PP", "FF")
        if not runs or (not brief and runs[-1][1] != chosen[start]):
            runs.append([start, int(chosen[start])])
    visemes = []
    for (first, viseme), (end, _) in pairwise([*runs, [len(chosen), 0]]):
        sure = float(shares[first:end, viseme].mean())
        visemes.append(Viseme(round(first / fps, 4), round(end / fps, 4), VISEMES[viseme], round(sure, 3)))
    return visemes


def read_visemes(path: str | Path) -> list[Viseme]:
    """Raises UserError for anything that is not such a list, in order and without overlap."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path.name} is larger than {MAX_BYTES // 2**20} MB")
        told = json.loads(path.read_text(encoding="utf-8"))
        visemes = [
            Viseme(float(one["start"]), float(one["end"]), str(one["viseme"]), float(one["weight"])) for one in told
        ]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path.name} is no list of {{start, end, viseme, weight}}: {error}") from error
    unknown = sorted({one.viseme for one in visemes} - set(VISEMES))
    if unknown or not visemes:
        raise UserError(f"{path.name} holds {', '.join(unknown) or 'no visemes'}: there is {', '.join(VISEMES)}")
    times = [0.0, *(time for one in visemes for time in (one.start, one.end))]
    if not all(a <= b for a, b in pairwise(times)) or not times[-1] <= MAX_SECONDS:  # NaN is not in order either
        raise UserError(f"{path.name}: visemes must follow each other in time, for at most {MAX_SECONDS:g} s")
    if not all(0.0 <= one.weight <= 1.0 for one in visemes):
        raise UserError(f"{path.name}: weights must be from 0 to 1")
    return visemes


def mouth_motion(visemes: list[Viseme], fps: float = READ_FPS) -> Animation:
    """A plain motion of the mouth alone, from one of MOUTHS to the next."""
    frames = max(1, round(visemes[-1].end * fps))
    weights = np.zeros((frames, len(ARKIT_NAMES)))
    for one in visemes:
        rows = slice(round(one.start * fps), round(one.end * fps))
        for column, name in enumerate(ARKIT_NAMES):
            plain = name.removesuffix("Left").removesuffix("Right")
            weights[rows, column] = one.weight * MOUTHS[one.viseme].get(plain, 0.0)
    weights = gaussian_filter1d(weights, BLEND * fps, axis=0, mode="nearest")
    return Animation(weights.astype(np.float32), np.zeros((frames, 3), np.float32), fps)
