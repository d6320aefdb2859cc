"""Brows, lids, gaze and head: partly led by the prosody, partly by chance, as on a real face."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .prosody import Prosody
from .styles import Style

LOOK_FULL = 35.0  # degrees of eye rotation at an eyeLook weight of 1
HEAD_MOST = 5.0  # degrees, reached softly

Weights = dict[str, np.ndarray]


def pulses(frames: int, fps: float, events: np.ndarray, rise: float, hold: float, fall: float) -> np.ndarray:
    """(frames,) sum of raised-cosine pulses; events: (K, 2) frame of the top's middle and height; times in seconds."""
    total = np.zeros(frames)
    for middle, height in events:
        first = max(int(middle - (rise + hold / 2) * fps), 0)
        last = min(int(middle + (fall + hold / 2) * fps) + 2, frames)
        away = (np.arange(first, last) - middle) / fps
        ramp = np.clip((np.abs(away) - hold / 2) / np.where(away < 0, rise, fall), 0, 1)
        total[first:last] += height * (0.5 + 0.5 * np.cos(np.pi * ramp))
    return total


def wander(frames: int, fps: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """(frames,) smooth noise of deviation 1 that forgets itself in about `seconds`."""
    sigma = seconds * fps
    pad = int(4 * sigma)
    noise = gaussian_filter1d(rng.standard_normal(frames + 2 * pad), sigma)[pad : pad + frames]
    return noise * np.sqrt(2 * sigma * np.sqrt(np.pi))


def brows(prosody: Prosody, style: Style, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames,) height of the brows, negative where they are lowered."""
    accents = prosody.accents
    taken = rng.random(len(accents)) < 0.25 + 0.5 * accents[:, 1]
    marked = np.stack([accents[:, 0], style.brow_accent * accents[:, 1] * rng.uniform(0.6, 1.2, len(accents))], 1)[
        taken
    ]
    count = rng.poisson(style.brow_chance * frames / fps / 60)
    chance = np.stack([rng.uniform(0, frames, count), rng.uniform(0.12, 0.4, count) * (0.5 + style.brow_accent)], 1)
    asked = [
        (end - 0.25 * fps, 1.1 * style.brow_accent) for (_, end), q in zip(prosody.phrases, prosody.questions) if q
    ]
    height = pulses(frames, fps, marked, rise=0.16, hold=0.12, fall=0.32)
    height += pulses(frames, fps, chance, rise=0.2, hold=rng.uniform(0.2, 0.7), fall=0.4)
    height += pulses(frames, fps, np.array(asked).reshape(-1, 2), rise=0.4, hold=0.4, fall=0.5)
    drift = 0.025 * wander(frames, fps, 0.8, rng)
    return style.brow_rest + 0.75 * np.tanh(height / 0.75) + drift


def blinks(prosody: Prosody, style: Style, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames,) lids in [0, 1]. Intervals are log-normal; about half of the blinks are drawn to the end of a phrase."""
    lids = np.zeros(frames)
    ends = np.array([end for _, end in prosody.phrases], float)
    at = rng.uniform(0.2, 1.0) * style.blink_interval * fps
    while at < frames:
        drawn = ends[np.abs(ends - at) < 0.8 * fps]
        if len(drawn) and rng.random() < 0.6:
            at = float(drawn[np.abs(drawn - at).argmin()] + rng.normal(0, 0.08 * fps))
        length = int(np.clip(round(rng.normal(0.17, 0.04) * fps), 3, 8))  # frames that are not fully open
        x = (np.arange(length) + 1) / (length + 1)
        shape = np.where(x < 0.4, x / 0.4, (1 - x) / 0.6)  # closing is faster than opening
        shape = np.sin(0.5 * np.pi * shape / shape.max()) * rng.uniform(0.9, 1.0)
        first = int(max(at, 0))
        lids[first : first + length] = np.maximum(lids[first : first + length], shape[: max(frames - first, 0)])
        again = 0.28 if rng.random() < 0.06 else style.blink_interval * np.exp(rng.normal(0, 0.45))
        at = max(at, first) + max(again * fps, length + 3)
    return lids


def gaze(style: Style, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames, 2) degrees left and up: fixations of 0.3 to 3 s, mostly on the viewer, and jumps of two frames."""
    direction = np.zeros((frames, 2))
    at, away = 0, False
    while at < frames:
        away = not away and rng.random() < 0.55
        length = int(fps * np.clip(rng.lognormal(-0.4 if away else 0.3, 0.5), 0.3, 3.5))
        aim = rng.normal(0, [1.0, 0.6]) * style.gaze if away else rng.normal(0, 0.6, 2)
        direction[at : at + length] = aim
        at += length
    return np.apply_along_axis(np.convolve, 0, np.pad(direction, ((1, 1), (0, 0)), "edge"), [0.3, 0.5, 0.2], "valid")


def head(prosody: Prosody, style: Style, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames, 3) radians, pitch, yaw, roll: nods on accents, a pose in each phrase, slow sway; 5 degrees at most."""
    accents = prosody.accents
    taken = rng.random(len(accents)) < 0.3 + 0.5 * accents[:, 1]
    nods = np.stack([accents[:, 0] + 0.05 * fps, style.nod * accents[:, 1] * rng.uniform(0.5, 1.3, len(accents))], 1)[
        taken
    ]
    speaking, poses = np.zeros(frames), np.zeros((frames, 3))
    before = 0
    for start, end in prosody.phrases:
        speaking[start:end] = 1
        poses[before:] = rng.normal(0, [0.6, 1.0, 0.5]) * style.turn
        before = end
    poses = gaussian_filter1d(poses, 0.22 * fps, axis=0, mode="nearest")
    sway = np.stack([wander(frames, fps, seconds, rng) for seconds in (0.45, 0.6, 0.7)], 1) * [0.8, 1.0, 0.6]
    sway *= style.sway * (0.4 + 0.6 * gaussian_filter1d(speaking, 0.3 * fps, mode="nearest"))[:, None]
    pitch = pulses(frames, fps, nods, rise=0.2, hold=0.04, fall=0.34)
    # A phrase begins with the chin a little raised and ends with it lowered; a question ends raised.
    for (start, end), question in zip(prosody.phrases, prosody.questions):
        height = 0.7 * style.nod * (-1 if question else 1)
        pitch += pulses(frames, fps, np.array([[start, -0.5 * style.nod], [end, height]]), rise=0.4, hold=0.1, fall=0.6)
    degrees = poses + sway + np.stack([pitch, np.zeros(frames), np.full(frames, style.tilt)], 1)
    return np.radians(HEAD_MOST * np.tanh(degrees / HEAD_MOST))


def upper_face(
    prosody: Prosody, style: Style, frames: int, fps: float, rng: np.random.Generator
) -> tuple[Weights, np.ndarray]:
    """(T,) weights by ARKit name (a pair by its name without Left and Right); the head's rotation (T, 3), radians."""
    height = brows(prosody, style, frames, fps, rng)
    rotation = head(prosody, style, frames, fps, rng)
    look = gaze(style, frames, fps, rng)
    # The eyes hold the viewer while the head turns, as far as they follow it at all.
    look = (look - 0.7 * np.degrees(rotation[:, [1, 0]]) * [1, -1]) / LOOK_FULL
    closed = blinks(prosody, style, frames, fps, rng)
    left, up = look.T
    raised, lowered = np.maximum(height, 0), np.maximum(-height, 0)
    hanging = np.clip(style.lids + 0.5 * np.maximum(-up, 0) - 0.1 * raised, 0, 1)
    open_eye = 1 - closed
    weights = {
        "browInnerUp": 0.8 * raised,
        "browOuterUp": 0.75 * raised,
        "browDown": lowered,
        "eyeBlink": np.maximum(closed, hanging),
        "eyeWide": 0.3 * raised * open_eye,
        "eyeSquint": (style.squint + 0.25 * lowered + 0.2 * style.smile) * open_eye,
        "eyeLookUp": np.maximum(up, 0),
        "eyeLookDown": np.maximum(-up, 0),
        "eyeLookOutLeft": np.maximum(left, 0), "eyeLookInRight": np.maximum(left, 0),
        "eyeLookInLeft": np.maximum(-left, 0), "eyeLookOutRight": np.maximum(-left, 0),
    }  # fmt: skip
    return weights, rotation
