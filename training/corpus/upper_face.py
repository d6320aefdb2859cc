"""Brows, lids, gaze and head: partly led by the prosody, partly by chance, as on a real face."""

from __future__ import annotations

import numpy as np

from codetalker.gestures import HEAD_MOST, LOOK_FULL, glances, look_weights, pulses, sway, wander
from codetalker.prosody import Prosody

from .styles import Style

Weights = dict[str, np.ndarray]

# s: a few lengths that all shut the eye fully, in whole frames at 30 fps, so that few codes hold every blink
BLINK_LENGTHS = (4 / 30, 5 / 30, 6 / 30)


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
        length = round(rng.choice(BLINK_LENGTHS) * fps)  # frames that are not fully open
        x = (np.arange(length) + 1) / (length + 1)
        shape = np.where(x < 0.4, x / 0.4, (1 - x) / 0.6)  # closing is faster than opening
        shape = np.sin(0.5 * np.pi * shape / shape.max())
        first = int(max(at, 0))
        lids[first : first + length] = np.maximum(lids[first : first + length], shape[: max(frames - first, 0)])
        again = 0.28 if rng.random() < 0.05 else style.blink_interval * np.exp(rng.normal(0, 0.45))
        at = max(at, first) + max(again * fps, length + 3)
    return lids


def upper_face(
    prosody: Prosody, style: Style, frames: int, fps: float, rng: np.random.Generator
) -> tuple[Weights, np.ndarray]:
    """(T,) weights by ARKit name (a pair by its name without Left and Right); the head's rotation (T, 3), radians."""
    height = brows(prosody, style, frames, fps, rng)
    rotation = sway(prosody, frames, fps, rng, style.nod, style.sway, style.turn, style.tilt)
    pitch = HEAD_MOST * np.arctanh(np.degrees(rotation[:, 0]) / HEAD_MOST * 0.9999)
    rotation[:, 0] = np.radians(HEAD_MOST * np.tanh((pitch + style.bow) / HEAD_MOST))
    look = glances(frames, fps, rng, style.gaze)
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
        "eyeWide": np.minimum(style.wide + 0.3 * raised, 1) * open_eye,
        "eyeSquint": (style.squint + 0.25 * lowered + 0.2 * style.smile) * open_eye,
    } | look_weights(left, up)
    return weights, rotation
