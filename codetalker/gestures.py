"""Movements of a living head, partly led by the prosody, partly by chance: what the corpus is animated with, and what
`life` adds to a motion that lacks them.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .prosody import Prosody

LOOK_FULL = 35.0  # degrees of eye rotation at an eyeLook weight of 1
HEAD_MOST = 5.0  # degrees, reached softly


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


def glances(frames: int, fps: float, rng: np.random.Generator, reach: float) -> np.ndarray:
    """(frames, 2) degrees left and up: fixations of 0.3 to 3 s, mostly on the viewer, and jumps of two frames.

    reach: degrees, a typical glance away
    """
    direction = np.zeros((frames, 2))
    at, away = 0, False
    while at < frames:
        away = not away and rng.random() < 0.55
        length = int(fps * np.clip(rng.lognormal(-0.4 if away else 0.3, 0.5), 0.3, 3.5))
        aim = rng.normal(0, [1.0, 0.6]) * reach if away else rng.normal(0, 0.6, 2)
        direction[at : at + length] = aim
        at += length
    return np.apply_along_axis(np.convolve, 0, np.pad(direction, ((1, 1), (0, 0)), "edge"), [0.3, 0.5, 0.2], "valid")


def sway(
    prosody: Prosody, frames: int, fps: float, rng: np.random.Generator, nod: float, drift: float, turn: float,
    tilt: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """(frames, 3) radians, pitch, yaw, roll: nods on accents, a pose in each phrase, slow sway; 5 degrees at most.

    In degrees, nod: on an accent; drift: of the slow sway; turn: a new pose in every phrase; tilt: of roll, throughout
    """
    accents = prosody.accents
    taken = rng.random(len(accents)) < 0.3 + 0.5 * accents[:, 1]
    nods = np.stack([accents[:, 0] + 0.05 * fps, nod * accents[:, 1] * rng.uniform(0.5, 1.3, len(accents))], 1)[taken]
    speaking, poses = np.zeros(frames), np.zeros((frames, 3))
    before = 0
    for start, end in prosody.phrases:
        speaking[start:end] = 1
        poses[before:] = rng.normal(0, [0.6, 1.0, 0.5]) * turn
        before = end
    poses = gaussian_filter1d(poses, 0.22 * fps, axis=0, mode="nearest")
    slow = np.stack([wander(frames, fps, seconds, rng) for seconds in (0.45, 0.6, 0.7)], 1) * [0.8, 1.0, 0.6]
    slow *= drift * (0.4 + 0.6 * gaussian_filter1d(speaking, 0.3 * fps, mode="nearest"))[:, None]
    pitch = pulses(frames, fps, nods, rise=0.2, hold=0.04, fall=0.34)
    # A phrase begins with the chin a little raised and ends with it lowered; a question ends raised.
    for (start, end), question in zip(prosody.phrases, prosody.questions):
        height = 0.7 * nod * (-1 if question else 1)
        pitch += pulses(frames, fps, np.array([[start, -0.5 * nod], [end, height]]), rise=0.4, hold=0.1, fall=0.6)
    degrees = poses + slow + np.stack([pitch, np.zeros(frames), np.full(frames, tilt)], 1)
    return np.radians(HEAD_MOST * np.tanh(degrees / HEAD_MOST))


def look_weights(left: np.ndarray, up: np.ndarray) -> dict[str, np.ndarray]:
    """(T,) directions of both eyes, as shares of LOOK_FULL -> eyeLook weights by ARKit name, of both eyes alike"""
    return {
        "eyeLookUpLeft": np.maximum(up, 0), "eyeLookUpRight": np.maximum(up, 0),
        "eyeLookDownLeft": np.maximum(-up, 0), "eyeLookDownRight": np.maximum(-up, 0),
        "eyeLookOutLeft": np.maximum(left, 0), "eyeLookInRight": np.maximum(left, 0),
        "eyeLookInLeft": np.maximum(-left, 0), "eyeLookOutRight": np.maximum(-left, 0),
    }  # fmt: skip
