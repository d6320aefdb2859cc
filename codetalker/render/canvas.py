"""The framebuffers that the scene is drawn into: smooth edges, a kept backdrop, and only what changes drawn anew."""

from __future__ import annotations

import ctypes

import numpy as np
from OpenGL import GL

# On software GL a picture of twice the size, averaged, costs a quarter less than 4x multisampling and looks the same.
FINER = 2

Box = tuple[int, int, int, int]  # left, top, right, bottom in the picture's pixels


class Canvas:
    """A picture of width x height pixels, drawn FINER times as large. All of it lives as long as the GL context."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._colours = [int(name) for name in GL.glGenRenderbuffers(3)]
        self._depth = int(GL.glGenRenderbuffers(1))
        self._drawn, self._kept, self._plain = self._buffers = [int(name) for name in GL.glGenFramebuffers(3)]
        for buffer, colour in zip(self._buffers, self._colours):
            scale = 1 if buffer == self._plain else FINER
            _attach(buffer, GL.GL_COLOR_ATTACHMENT0, colour, GL.GL_RGBA, scale * width, scale * height)
        _attach(
            self._drawn, GL.GL_DEPTH_ATTACHMENT, self._depth, GL.GL_DEPTH_COMPONENT24, FINER * width, FINER * height
        )

    def delete(self) -> None:
        GL.glDeleteFramebuffers(3, self._buffers)
        GL.glDeleteRenderbuffers(4, [*self._colours, self._depth])

    def fill(self, colour: tuple[float, float, float, float]) -> None:
        """Before anything is drawn."""
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._drawn)
        GL.glClearColor(*colour)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)

    def keep(self) -> None:
        """What has just been drawn is under all later frames: copying it costs a quarter of drawing it."""
        box = 0, 0, self.width, self.height
        _copy(self._drawn, self._kept, _finer(box), _finer(box))
        self._average(box)

    def begin(self, boxes: list[Box]) -> None:
        """From here on drawing goes here. Within the boxes the backdrop is put back and depth is cleared."""
        for box in boxes:
            _copy(self._kept, self._drawn, _finer(box), _finer(box))
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._drawn)
        GL.glClear(GL.GL_DEPTH_BUFFER_BIT)

    def read(self, picture: np.ndarray, boxes: list[Box]) -> None:
        """picture: (H, W, 4) uint8, filled, RGBA, the first row first; boxes: what has changed since the last one"""
        for box in boxes:
            self._average(box)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._plain)
        pointer = ctypes.c_void_p(picture.ctypes.data)
        GL.glReadPixels(0, 0, self.width, self.height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, pointer)

    def _average(self, box: Box) -> None:
        _copy(self._drawn, self._plain, _finer(box), box)


def _attach(buffer: int, place: int, storage: int, kind: int, width: int, height: int) -> None:
    GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, storage)
    GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, kind, width, height)
    GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, buffer)
    GL.glFramebufferRenderbuffer(GL.GL_DRAW_FRAMEBUFFER, place, GL.GL_RENDERBUFFER, storage)


def _finer(box: Box) -> Box:
    return tuple(FINER * edge for edge in box)


def _copy(source: int, target: int, taken: Box, put: Box) -> None:
    """Where sizes differ the filter meets the corner that four pixels share: their mean."""
    GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, source)
    GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, target)
    filtered = GL.GL_NEAREST if taken == put else GL.GL_LINEAR
    GL.glBlitFramebuffer(*taken, *put, GL.GL_COLOR_BUFFER_BIT, filtered)
