"""Phones and speech to facial motion: the truth that the open models learn from."""

from __future__ import annotations

import numpy as np

from codetalker.audio import SAMPLE_RATE
from codetalker.motion import ARKIT_NAMES, MOTION_DIM
from codetalker.prosody import PAUSE, measure

from .coarticulation import Phone, articulatory_tracks, seal
from .mouth import mouth
from .styles import STYLES, Style
from .upper_face import upper_face

__all__ = ["STYLES", "Style", "articulate"]

ONE_SIDED = (
    "mouthSmile",
    "mouthStretch",
    "mouthDimple",
    "mouthUpperUp",
    "mouthLowerDown",
    "noseSneer",
    "cheekSquint",
    "browOuterUp",
)


def articulate(
    phones: list[Phone], speech: np.ndarray, style: Style = STYLES["neutral"], seed: int = 0, fps: float = 30.0
) -> np.ndarray:
    """(T, 55) float32: 52 ARKit weights in [0, 1] and three head angles in radians, T = round(N / 16000 * fps).

    phones: [phone, start s, end s] in order; gaps are taken as silence
    speech: (N,) float32 at 16 kHz, read for loudness and pitch alone
    seed: decides brows, blinks, gaze and head; the mouth follows from phones, speech and style
    """
    frames = round(len(speech) / SAMPLE_RATE * fps)
    phones = without_gaps(phones, len(speech) / SAMPLE_RATE)
    prosody = measure(speech, frames, fps, phrases(phones, frames, fps))
    weights = mouth(
        articulatory_tracks(phones, frames, fps, style.tempo), seal(phones, frames, fps), prosody.loudness, style, fps
    )
    above, rotation = upper_face(prosody, style, frames, fps, np.random.default_rng(seed))
    weights |= above
    lean = abs(style.asymmetry) * np.clip(weights["jawOpen"] * 4, 0, 1)
    weights["mouthLeft" if style.asymmetry > 0 else "mouthRight"] = 0.12 * lean
    weights["jawLeft" if style.asymmetry > 0 else "jawRight"] = 0.05 * lean

    motion = np.zeros((frames, MOTION_DIM), np.float32)
    column = {name: index for index, name in enumerate(ARKIT_NAMES)}
    for name, values in weights.items():
        if name in column:
            motion[:, column[name]] = values
        else:
            share = style.asymmetry if name in ONE_SIDED else 0.0
            motion[:, column[name + "Left"]] = (1 + share) * values
            motion[:, column[name + "Right"]] = (1 - share) * values
    motion[:, : len(ARKIT_NAMES)] = motion[:, : len(ARKIT_NAMES)].clip(0, 1)
    motion[:, len(ARKIT_NAMES) :] = rotation
    return motion


def phrases(phones: list[Phone], frames: int, fps: float) -> list[tuple[int, int]]:
    """First and end frame of the stretches between pauses."""
    found: list[tuple[int, int]] = []
    begin = None
    for phone, start, end in phones:
        if phone == "sil" and end - start >= PAUSE:
            if begin is not None:
                found.append((round(begin * fps), min(round(start * fps), frames)))
            begin = None
        elif begin is None and phone != "sil":
            begin = start
    if begin is not None:
        found.append((round(begin * fps), frames))
    return [(start, end) for start, end in found if end - start > 2]


def without_gaps(phones: list[Phone], seconds: float) -> list[Phone]:
    """Fills what no phone covers, the end included, with silence, and joins neighbouring silences."""
    whole: list[Phone] = []
    now = 0.0
    for phone, start, end in [*phones, ("sil", seconds, seconds)]:
        if start - now > 1e-3:
            whole.append(("sil", now, start))
        if end > start:
            whole.append((phone, start, end))
        now = max(now, end)
    joined: list[Phone] = []
    for phone, start, end in whole:
        if joined and phone == joined[-1][0] == "sil":
            joined[-1] = ("sil", joined[-1][1], end)
        else:
            joined.append((phone, start, end))
    return joined or [("sil", 0.0, seconds)]
