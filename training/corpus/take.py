"""One spoken utterance, as every engine hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soxr

from codetalker.audio import SAMPLE_RATE

from .phone_maps import Phones


@dataclass(frozen=True)
class Line:
    """What to say and how."""

    text: str
    tempo: float = 1.0  # durations are divided by it, where the engine can
    pitch: float = 1.0  # factor on the voice's own pitch, where the engine can


class Take(NamedTuple):
    """Speech (N,) float32 at 16 kHz, and its phones, which fill it from 0 to N without gaps."""

    line: Line
    speech: np.ndarray
    phones: Phones


def make_take(line: Line, speech: np.ndarray, rate: int, phones: Phones, lateness: float) -> Take:
    """Brings an engine's audio (N,) of any rate and its labels into the common form.

    lateness: seconds by which the engine's labels lag behind the sound (measured against forced alignment).
    """
    if rate != SAMPLE_RATE:
        speech = soxr.resample(speech, rate, SAMPLE_RATE)
    seconds = len(speech) / SAMPLE_RATE
    filled: Phones = []
    for phone, start, end in phones:
        start = filled[-1][2] if filled else 0.0
        end = min(max(end - lateness, start), seconds)
        if filled and filled[-1][0] == phone:
            filled[-1] = (phone, filled[-1][1], end)
        elif end > start:
            filled.append((phone, start, end))
    if filled and filled[-1][2] < seconds:
        last, start, end = filled[-1]
        filled = [*filled[:-1], (last, start, seconds)] if last == "sil" else [*filled, ("sil", end, seconds)]
    return Take(line, speech.astype(np.float32), filled)
