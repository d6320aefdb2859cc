"""The one persistent OpenGL scene: figures side by side in one picture.

Only the renderer's own process imports this file: the GL context is bound to its thread and dies with forks. Per frame
nothing but the vertices that move is sent to it.
"""

from __future__ import annotations

import numpy as np
from OpenGL import GL

from ..surroundings import Colour
from .body import Body
from .canvas import Box, Canvas
from .context import Programs, describe_context, open_context
from .figure import Figure
from .tile import Tile


class Stage:
    """The GL context and what is drawn with it. The context is made once, figures come and go."""

    def __init__(self) -> None:
        self._context = open_context()
        self._canvas: Canvas | None = None
        self._bodies: list[Body] = []
        self._programs = Programs()
        self._covered: list[Box] = []  # by each figure in the last frame
        self._changing: list[Box] = []  # all that the figures cover in this frame, or did in the last one

    def describe(self) -> str:
        return describe_context()

    def show(self, figures: list[Figure], size: int, background: Colour | None) -> None:
        """From here on these figures are drawn, side by side, each `size` x `size` pixels.

        In front of a background that is transparent, colours are weighted by their alpha.
        """
        for body in self._bodies:
            body.delete()
        width = size * len(figures)
        if self._canvas is None or (self._canvas.width, self._canvas.size) != (width, size):
            if self._canvas is not None:
                self._canvas.delete()
            self._canvas = Canvas(len(figures), size, self._programs)
        self._canvas.fill(background)
        tiles = [Tile((index * size, 0, size, size), figure.camera) for index, figure in enumerate(figures)]
        self._bodies = [Body(figure, tile) for figure, tile in zip(figures, tiles)]
        self._covered = [body.box for body in self._bodies]

    def prepare(self, vertices: list[np.ndarray], yaw: float) -> None:
        """vertices: (V, 3) float32 of each figure; yaw: of all cameras, radians from where they are at rest"""
        for body, moved in zip(self._bodies, vertices):
            body.prepare(moved, yaw)

    def draw(self) -> None:
        """Draws what was prepared; returns before the picture is finished: meanwhile the next can be prepared.

        Everything is drawn upside down, so that rows are read top first.
        """
        boxes = [body.box for body in self._bodies]
        self._changing = [_around(now, before) for now, before in zip(boxes, self._covered)]
        self._covered = boxes
        self._canvas.begin()
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glFrontFace(GL.GL_CW)
        # What is drawn keeps its colours weighted by alpha, and its alpha true, for the backdrop to come through.
        GL.glBlendFuncSeparate(GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA, GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        for body in self._bodies:
            body.upload()
            body.draw(self._programs)
        GL.glFlush()

    def read(self, picture: np.ndarray) -> None:
        """picture: (H, W, 4) uint8, filled with what was drawn"""
        self._canvas.read(picture, self._changing)


def _around(one: Box, other: Box) -> Box:
    return (*np.minimum(one[:2], other[:2]).tolist(), *np.maximum(one[2:], other[2:]).tolist())
