"""Long speech in overlapping windows, cross-faded: the published models lose their way in long clips."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import UserError
from .temporal import Shortcut

DECODINGS = ("auto", "whole", "windows", "fast")
WHOLE_SECONDS = 20  # the longest speech that "auto" decodes whole
WINDOW_SECONDS = 12
OVERLAP_SECONDS = 2  # at least
TOGETHER = 4  # windows decoded side by side: more would only cost memory
FAST = Shortcut()  # of "fast"; benchmarks/README.md has what it costs


@dataclass(frozen=True)
class Heard:
    """Speech as a model hears it.

    features: (B, S, D), of the whole speech (B = 1), or of each window
    starts: the first frame of each window; frames: of the whole, None: as many as the features give
    shortcut: as in decoding.decode
    """

    features: Tensor
    starts: tuple[int, ...] = (0,)
    frames: int | None = None
    shortcut: Shortcut | None = None

    def told(self) -> str:
        """How it is decoded, in words for a report."""
        words = "whole"
        if len(self.starts) > 1:
            words = f"{len(self.starts)} windows of {WINDOW_SECONDS} s, cross-faded"
        return f"{words}, stage 1 by its shortcut" if self.shortcut else words


def check_decoding(name: str) -> None:
    if name not in DECODINGS:
        raise UserError(f"there is no decoding {name!r}: choose one of {', '.join(DECODINGS)}")


def window_starts(seconds: float) -> list[int]:
    """Whole seconds at which windows of WINDOW_SECONDS begin, spread evenly, so that they cover `seconds`."""
    count = max(1, math.ceil((seconds - OVERLAP_SECONDS) / (WINDOW_SECONDS - OVERLAP_SECONDS)))
    last = max(0, math.ceil(seconds) - WINDOW_SECONDS)
    return [window * last // max(1, count - 1) for window in range(count)]


def cross_fade(parts: Tensor, starts: tuple[int, ...], frames: int) -> Tensor:
    """Windows into one clip: (B, T, R), the first frame of each, and how many are wanted -> (1, frames, R).

    Over two windows' common frames one gives way to the other along a raised cosine, so that a window's first frames,
    in which it comes out of rest, and its last ones are seen least. What is linear in the latents fades as they do.
    """
    made = parts[:1, :frames]
    for part, start in zip(parts[1:], starts[1:]):
        common = made.shape[1] - start
        ramp = torch.linspace(0, math.pi, common + 2, device=parts.device, dtype=parts.dtype)[1:-1]
        share = (0.5 - 0.5 * ramp.cos())[:, None]
        mixed = made[:, start:].lerp(part[None, :common], share)
        made = torch.cat([made[:, :start], mixed, part[None, common:]], 1)
    return made[:, :frames]
