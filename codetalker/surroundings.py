"""What is around the heads: the background, and a camera that need not stand still."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, repeat

import numpy as np

from .errors import UserError

Colour = tuple[float, float, float, float]  # sRGB and alpha, 0 to 1 each

TRANSPARENT = "transparent"
DRIFT = np.radians(3.5)  # to either side, of the camera around the head
DRIFT_SECONDS = 11.0  # there and back


def read_background(text: str | None) -> Colour | None:
    """None: the glow behind the head; '#rrggbb' or 'transparent'. Raises UserError for anything else."""
    if text is None:
        return None
    if text == TRANSPARENT:
        return 0.0, 0.0, 0.0, 0.0
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise UserError(f"the background {text[:40]!r} is no colour: give #rrggbb, such as #20262b, or {TRANSPARENT}")
    red, green, blue = bytes.fromhex(text[1:])
    return red / 255, green / 255, blue / 255, 1.0


def check_video_background(text: str | None) -> None:
    """Raises UserError for what an mp4 can't show."""
    colour = read_background(text)
    if colour is not None and colour[3] < 1.0:
        raise UserError("an mp4 can't be transparent: give a colour such as #20262b, or export PNGs with --export png")


def camera_yaws(fps: float, drift: bool) -> Iterator[float]:
    """Radians to the head's left of where the camera is at rest, for each frame, without end."""
    if not drift:
        return repeat(0.0)
    return (DRIFT * float(np.sin(2.0 * np.pi * frame / (fps * DRIFT_SECONDS))) for frame in count())
