"""What is to be drawn: heads, and how they move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import ThreadpoolController

from ..head import Head
from ..motion import Animation, VertexAnimation

FRAMES_TOGETHER = 16  # deformed in one product


@dataclass(frozen=True)
class Track:
    """A head, how it moves, and what stands under it. A VertexAnimation's vertices must be those of the head."""

    head: Head
    animation: Animation | VertexAnimation
    caption: str = ""

    def vertices(self, start: int, stop: int) -> np.ndarray:
        """(B, V, 3) float32; beyond the end the last frame is held"""
        rows = np.minimum(np.arange(start, stop), len(self.animation) - 1)
        if isinstance(self.animation, VertexAnimation):
            return self.animation.vertices[rows]
        return self.head.deform(self.animation.weights[rows], self.animation.head_rotation[rows])


def motion(tracks: list[Track], frames: int) -> Iterator[list[np.ndarray]]:
    """(V, 3) float32 of each track, frame by frame

    In one thread: others would spin for most of a frame's time, waiting for the next product of a millisecond.
    """
    threads = ThreadpoolController()
    for start in range(0, frames, FRAMES_TOGETHER):
        stop = min(start + FRAMES_TOGETHER, frames)
        with threads.limit(limits=1, user_api="blas"):
            moved = [track.vertices(start, stop) for track in tracks]
        yield from map(list, zip(*moved))
