"""Memory that both processes see: a ring of slots, each with the vertices of a frame and the picture drawn of them."""

from __future__ import annotations

import mmap

import numpy as np

ALIGNMENT = 64  # bytes


class Slots:
    """counts: vertices of each figure, size: pixels of each figure's picture, slots: how many frames at once"""

    def __init__(self, counts: list[int], size: int, slots: int) -> None:
        self.counts, self.shape, self.slots = counts, (size, size * len(counts), 4), slots
        self._picture_bytes = -(-int(np.prod(self.shape)) // ALIGNMENT) * ALIGNMENT
        self._slot_bytes = self._picture_bytes + -(-12 * sum(counts) // ALIGNMENT) * ALIGNMENT
        self.bytes = self._slot_bytes * slots
        self._memory: mmap.mmap | None = None

    def attach(self, memory: mmap.mmap) -> None:
        """memory: at least `bytes` long"""
        self._memory = memory

    def picture(self, slot: int) -> np.ndarray:
        """(size, size * figures, 4) uint8 RGBA, a view"""
        flat = np.frombuffer(self._memory, np.uint8, int(np.prod(self.shape)), slot * self._slot_bytes)
        return flat.reshape(self.shape)

    def vertices(self, slot: int) -> list[np.ndarray]:
        """(V, 3) float32 of each figure, views"""
        start = slot * self._slot_bytes + self._picture_bytes
        flat = np.frombuffer(self._memory, np.float32, 3 * sum(self.counts), start).reshape(-1, 3)
        return np.split(flat, np.cumsum(self.counts)[:-1])
