"""Phones to articulatory tracks by dominance functions.

Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993): each segment pulls every articulatory
dimension towards its target, with a dominance  D(t) = alpha * exp(-(tau / reach) ** c)  that is flat over the segment's
core and falls off on both sides, and the track is the average of all targets weighted by dominance. A segment that
insists (large alpha) reaches its target; one that does not takes over what stands around it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

DIMENSIONS = ("open", "jaw", "round", "funnel", "teeth", "tuck", "press", "tongue")
COLUMN = {name: index for index, name in enumerate(DIMENSIONS)}
Phone = tuple[str, float, float]  # phone, start, end in seconds


class Gesture(NamedTuple):
    """What a phone asks of the mouth, in [0, 1] (`round` in [-1, 1]), and how much it insists."""

    open: float  # distance of the lips
    jaw: float  # lowering of the jaw
    round: float = 0.0  # corners: -1 wide, 1 narrow and forward
    funnel: float = 0.0  # lips flared outwards
    teeth: float = 0.0  # lips drawn off the teeth
    tuck: float = 0.0  # lower lip under the upper teeth
    press: float = 0.0  # lips pressed on each other
    tongue: float = 0.0  # tip between the teeth
    insist_open: float = 1.0  # alpha of `open`, and of `jaw` at 0.7 of it
    insist_round: float = 0.5  # alpha of `round` and `funnel`
    insist_rest: float = 1.0  # alpha of the others


_PB = Gesture(0, 0.12, press=1, insist_open=6, insist_round=0.3, insist_rest=5)
_FV = Gesture(0.2, 0.12, teeth=0.3, tuck=1, insist_open=3, insist_round=0.4, insist_rest=4)
_TH = Gesture(0.38, 0.25, teeth=0.3, tongue=1, insist_round=0.3, insist_rest=1.6)
_TD = Gesture(0.36, 0.25, -0.1, teeth=0.3, tongue=0.1, insist_open=0.8, insist_round=0.3)
_SZ = Gesture(0.32, 0.1, -0.22, teeth=0.7, insist_round=0.5, insist_rest=1.2)
_SH = Gesture(0.37, 0.12, 0.55, 0.8, teeth=0.5, insist_open=1.4, insist_round=1.5, insist_rest=1.2)
_KG = Gesture(0.44, 0.35, teeth=0.1, insist_open=0.5, insist_round=0.2, insist_rest=0.5)

GESTURES: dict[str, Gesture] = {
    "sil": Gesture(0, 0.03, insist_open=0.7, insist_round=0.3),
    "p": _PB, "b": _PB, "m": _PB._replace(press=0.8), "f": _FV, "v": _FV._replace(tuck=0.85),
    "th": _TH, "dh": _TH._replace(tongue=0.8),
    "t": _TD, "d": _TD, "n": _TD._replace(open=0.38, jaw=0.28), "l": _TD._replace(open=0.43, jaw=0.36, tongue=0.35),
    "s": _SZ, "z": _SZ, "sh": _SH, "zh": _SH, "ch": _SH, "jh": _SH, "k": _KG, "g": _KG, "ng": _KG, "x": _KG,
    "hh": Gesture(0.45, 0.4, insist_open=0.3, insist_round=0.1, insist_rest=0.2),
    "r": Gesture(0.38, 0.28, 0.4, 0.45, insist_open=1.0, insist_round=1.0),
    "er": Gesture(0.4, 0.32, 0.35, 0.35, insist_open=1.0, insist_round=1.0),
    "w": Gesture(0.25, 0.18, 1.0, 0.25, insist_open=2.5, insist_round=3.0),
    "uw": Gesture(0.27, 0.22, 0.9, 0.25, insist_open=1.5, insist_round=2.0),
    "uh": Gesture(0.34, 0.32, 0.6, 0.3, insist_open=1.2, insist_round=1.2),
    "ue": Gesture(0.28, 0.22, 0.9, 0.45, insist_open=1.5, insist_round=2.0),
    "ao": Gesture(0.62, 0.62, 0.5, 0.6, insist_open=1.2, insist_round=1.2),
    "aa": Gesture(0.97, 1.0, insist_open=1.5, insist_round=0.6),
    "ae": Gesture(0.9, 0.85, -0.4, teeth=0.35, insist_open=1.5, insist_round=0.8),
    "ah": Gesture(0.6, 0.6, insist_open=0.9, insist_round=0.4),
    "eh": Gesture(0.65, 0.6, -0.4, teeth=0.35, insist_open=1.2, insist_round=0.8),
    "iy": Gesture(0.4, 0.22, -1.0, teeth=0.6, insist_open=1.2, insist_round=1.5),
    "ih": Gesture(0.45, 0.35, -0.6, teeth=0.4, insist_open=1.0, insist_round=1.0),
    "y": Gesture(0.38, 0.22, -0.7, teeth=0.4, insist_open=1.2, insist_round=1.0),
}  # fmt: skip

RELEASE = {"p": 0.75, "b": 0.85}  # share of a plosive's span after which its lips part: then comes the burst
# Reach of each dimension ahead of a segment and behind it, s. Rounding looks further ahead than anything else does, the
# jaw is slow, a lip that must touch something comes and goes at once.
AHEAD = np.array([0.052, 0.06, 0.085, 0.075, 0.055, 0.035, 0.04, 0.045])
BEHIND = np.array([0.05, 0.065, 0.06, 0.06, 0.055, 0.03, 0.03, 0.045])
TOUCHING = 0.6  # reach of p b m f v in `open`, as a share
SHARPNESS = 1.2  # the exponent c: 1 in most of the paper's fits; a little more takes the cusp off
NEIGHBOURS = 6  # segments looked at on each side; at 12 phones a second that is half a second, ten times the reach
AJAR = 0.2  # `open` of a pause too short to close the lips for, and of what sounds like one: the hold of a t or k
PASSED_OVER, RESTED = 0.2, 0.3  # s: pauses up to the first are ajar, from the second on the lips lie on each other
SURER = 1.0  # how much more than a short pause a long one insists on its rest, as a share
BEYOND = 0.1  # s by which a pause at either end of the recording is taken to be longer than what is heard of it
WAKING = 0.12  # s before a phrase begins at which the lips may leave their rest
CLOSING, PARTING = 0.045, 0.04  # s that the lips take to meet before p b m, and to part after


def _table() -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    names = {phone: row for row, phone in enumerate(GESTURES)}
    targets = np.array([gesture[: len(DIMENSIONS)] for gesture in GESTURES.values()], float)
    insist = np.array(
        [
            [g.insist_open, 0.7 * min(g.insist_open, 2), g.insist_round, g.insist_round, *[g.insist_rest] * 4]
            for g in GESTURES.values()
        ]
    )
    return names, targets, insist


def articulatory_tracks(phones: list[Phone], frames: int, fps: float, tempo: float = 1.0) -> np.ndarray:
    """(frames, 8): DIMENSIONS at the middle of every frame.

    phones: without gaps, in order. tempo > 1 shortens the reach of every gesture, < 1 blurs them into one another.
    """
    rows, targets, insist = _table()
    kind = np.array([rows[phone] for phone, _, _ in phones])
    start = np.array([start for _, start, _ in phones])
    length = np.array([end for _, _, end in phones]) - start
    held = length * np.array([RELEASE.get(phone, 1.0) for phone, _, _ in phones])
    silent = kind == rows["sil"]
    alpha = insist[kind]  # (P, D)
    # The longer a pause, the surer the lips come to rest in it; in a short one they stay parted.
    beyond = np.where(np.isin(np.arange(len(phones)), (0, len(phones) - 1)), BEYOND, 0)
    rest = np.clip(((length + beyond)[silent] - PASSED_OVER) / (RESTED - PASSED_OVER), 0, 1)
    alpha[silent] *= (1 + SURER * rest)[:, None]
    aims = targets[kind]  # (P, D)
    aims[silent, COLUMN["open"]] = AJAR * (1 - rest)
    aims[silent, COLUMN["jaw"]] += 0.5 * AJAR * (1 - rest)
    core = np.where(silent, np.maximum(0.5 * held - WAKING, 0.25 * held), 0.3 * held)  # half of the flat part
    touching = np.array([phone in ("p", "b", "m", "f", "v") for phone, _, _ in phones])

    time = (np.arange(frames) + 0.5) / fps
    current = np.clip(np.searchsorted(start, time, side="right") - 1, 0, len(phones) - 1)
    near = current[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1)  # (T, K)
    exists = (near >= 0) & (near < len(phones))
    near = np.clip(near, 0, len(phones) - 1)
    signed = time[:, None] - (start + held / 2)[near]
    away = np.maximum(np.abs(signed) - core[near], 0)[..., None]
    reach = np.where(signed[..., None] < 0, AHEAD, BEHIND) / tempo  # (T, K, D)
    reach[..., COLUMN["open"]] *= np.where(touching[near], TOUCHING, 1.0)
    dominance = alpha[near] * np.exp(-((away / reach) ** SHARPNESS)) * exists[..., None]
    return (dominance * aims[near]).sum(1) / np.maximum(dominance.sum(1), 1e-9)


def seal(phones: list[Phone], frames: int, fps: float) -> np.ndarray:
    """(frames,) in [0, 1]: 1 where the lips of p, b, m touch, in at least one frame of each, however short it is."""
    time = (np.arange(frames) + 0.5) / fps
    sealed = np.zeros(frames)
    for phone, start, end in phones:
        if phone not in ("p", "b", "m"):
            continue
        end = start + RELEASE.get(phone, 0.9) * (end - start)
        middle, half = (start + end) / 2, max((end - start) / 2 - 0.01, 0.5 / fps + 1e-6)
        first, last = np.searchsorted(time, [middle - half - CLOSING, middle + half + PARTING])
        offset = time[first:last] - middle
        slope = np.where(offset < 0, CLOSING, PARTING)
        ramp = np.clip((np.abs(offset) - half) / slope, 0, 1)
        sealed[first:last] = np.maximum(sealed[first:last], 0.5 + 0.5 * np.cos(np.pi * ramp))
    return sealed
