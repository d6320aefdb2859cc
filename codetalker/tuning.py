"""A motion made stronger or weaker, and calmer, where a viewer asks for it: not what the models predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .errors import UserError
from .motion import ARKIT_NAMES, Animation

EXPRESSIVENESS = (0.5, 1.5)  # times; further down lips no longer part, further up faces break
SMOOTHING = (0.0, 0.1)  # s, deviation of the blur; a closure of /b/ lasts 0.08
# A half-closed lid is no weaker blink, and lips that press or seal make closures: these stay as they are.
_KEPT = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith(("eyeBlink", "eyeLook", "mouthPress"))]


def check_tuning(expressiveness: float, smoothing: float) -> None:
    """Raises UserError for what is out of range, and for what is no number."""
    for name, value, (low, high) in (
        ("expressiveness", expressiveness, EXPRESSIVENESS),
        ("smoothing", smoothing, SMOOTHING),
    ):
        if not low <= value <= high:
            raise UserError(f"{name} must be from {low:g} to {high:g}, not {value:g}")


def tune(animation: Animation, expressiveness: float = 1.0, smoothing: float = 0.0) -> Animation:
    """The motion times `expressiveness`, lids and gaze aside, blurred in time by `smoothing` seconds.

    jawOpen and mouthClose grow alike, so that lips which meet go on meeting; smoothing opens the shortest closures.
    """
    if expressiveness != 1.0:
        weights = animation.weights * np.float32(expressiveness)
        weights[:, _KEPT] = animation.weights[:, _KEPT]
        rotation = animation.head_rotation * np.float32(expressiveness)
        animation = replace(animation, weights=weights.clip(0.0, 1.0), head_rotation=rotation)
    if smoothing:
        from scipy.ndimage import gaussian_filter1d  # here, since importing the pipeline must stay quick

        frames = smoothing * animation.fps
        weights, rotation = (
            gaussian_filter1d(values, frames, axis=0, mode="nearest")
            for values in (animation.weights, animation.head_rotation)
        )
        animation = replace(animation, weights=weights, head_rotation=rotation)
    return animation
