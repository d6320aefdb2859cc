"""The framebuffers that the heads are drawn into: smooth edges, a kept backdrop, and only what changes drawn anew."""

from __future__ import annotations

import ctypes

import numpy as np
from OpenGL import GL

from ..surroundings import Colour
from .context import Programs

# On software GL a picture of twice the size, averaged, costs a quarter less than 4x multisampling and looks the same.
FINER = 2

Box = tuple[int, int, int, int]  # left, top, right, bottom in the picture's pixels


class Canvas:
    """Tiles of size x size pixels side by side, drawn FINER times as large on nothing, then laid over the backdrop.

    Colours are weighted by their alpha all the way. All of it lives as long as the GL context.
    """

    def __init__(self, tiles: int, size: int, programs: Programs) -> None:
        self.width, self.height, self.size = tiles * size, size, size
        self._programs = programs
        self._corners = int(GL.glGenVertexArrays(1))
        self._textures = [int(name) for name in GL.glGenTextures(3)]
        self._depth = int(GL.glGenRenderbuffers(1))
        self._buffers = [int(name) for name in GL.glGenFramebuffers(3)]
        self._drawn, self._backdrop, self._picture = zip(self._buffers, self._textures)
        for (buffer, texture), finer in ((self._drawn, FINER), (self._backdrop, 1), (self._picture, 1)):
            _attach_colour(buffer, texture, finer * self.width, finer * self.height)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._drawn[0])
        GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, self._depth)
        GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, GL.GL_DEPTH_COMPONENT24, FINER * self.width, FINER * self.height)
        GL.glFramebufferRenderbuffer(GL.GL_DRAW_FRAMEBUFFER, GL.GL_DEPTH_ATTACHMENT, GL.GL_RENDERBUFFER, self._depth)

    def delete(self) -> None:
        GL.glDeleteFramebuffers(3, self._buffers)
        GL.glDeleteTextures(3, self._textures)
        GL.glDeleteRenderbuffers(1, [self._depth])
        GL.glDeleteVertexArrays(1, [self._corners])

    def fill(self, background: Colour | None) -> None:
        """The backdrop of all later frames: a colour, or the glow."""
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._backdrop[0])
        GL.glClearColor(*(background or (0.0, 0.0, 0.0, 1.0)))
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        if background is None:
            self._programs.use("screen", "backdrop").set_number("size", self.size)
            self._cover((0, 0, self.width, self.height))
        self.begin()
        self._lay_over((0, 0, self.width, self.height))

    def begin(self) -> None:
        """From here on drawing goes here, onto nothing."""
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._drawn[0])
        GL.glClearColor(0.0, 0.0, 0.0, 0.0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)

    def read(self, picture: np.ndarray, boxes: list[Box]) -> None:
        """picture: (H, W, 4) uint8, filled, RGBA, the first row first; boxes: what has changed since the last one"""
        for box in boxes:
            self._lay_over(box)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._picture[0])
        pointer = ctypes.c_void_p(picture.ctypes.data)
        GL.glReadPixels(0, 0, self.width, self.height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, pointer)

    def _lay_over(self, box: Box) -> None:
        """What was drawn, over the backdrop."""
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._picture[0])
        program = self._programs.use("screen", "average")
        program.set_sampler("backdrop", 1, self._backdrop[1])
        program.set_sampler("drawn", 0, self._drawn[1])
        self._cover(box)

    def _cover(self, box: Box) -> None:
        """Runs the program in use for every pixel of the box."""
        left, top, right, bottom = box
        for capability in (GL.GL_DEPTH_TEST, GL.GL_BLEND, GL.GL_CULL_FACE):
            GL.glDisable(capability)
        GL.glViewport(left, top, right - left, bottom - top)
        GL.glBindVertexArray(self._corners)
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)
        GL.glBindVertexArray(0)


def _attach_colour(buffer: int, texture: int, width: int, height: int) -> None:
    GL.glBindTexture(GL.GL_TEXTURE_2D, texture)
    GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, width, height, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, None)
    for side in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
        GL.glTexParameteri(GL.GL_TEXTURE_2D, side, GL.GL_LINEAR)  # meets the corner that four pixels share: their mean
    for axis in (GL.GL_TEXTURE_WRAP_S, GL.GL_TEXTURE_WRAP_T):
        GL.glTexParameteri(GL.GL_TEXTURE_2D, axis, GL.GL_CLAMP_TO_EDGE)
    GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, buffer)
    GL.glFramebufferTexture2D(GL.GL_DRAW_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, texture, 0)
