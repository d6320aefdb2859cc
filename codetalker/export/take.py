"""What is exported: a performance, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..head import Head
from ..motion import Animation, VertexAnimation


@dataclass(frozen=True)
class Take:
    """A motion and the head that plays it.

    speech: (N,) float32 at 16 kHz; phones: (T, phones.PHONES) probabilities in each frame, where an encoder told them
    size: pixels of each picture; progress: hears the fraction done, and may raise to stop
    """

    animation: Animation | VertexAnimation
    head: Head
    speech: np.ndarray | None = None
    phones: np.ndarray | None = None
    size: int = 512
    progress: Callable[[float], None] | None = None
