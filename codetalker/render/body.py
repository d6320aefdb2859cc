"""The buffers of one figure: what moves is sent anew for each frame, the rest once."""

from __future__ import annotations

import ctypes

import numpy as np
from OpenGL import GL

from .canvas import FINER
from .context import Programs
from .figure import Batch, Figure, Surface
from .normals import Normals
from .tile import Tile

MOVING = (3, 3)  # numbers of each vertex: position, normal
STILL = (4, 1, 2, 4)  # surface, gloss, texcoord, colour
INSIDE = (np.array([Surface.MATTE, 0.35, 0.0, 0.0]), 0.0, np.zeros(2), np.array([0.09, 0.035, 0.03, 1.0]))  # as STILL:
# what is seen between the lips of a mesh without a mouth, in linear colours


class Body:
    """A figure in its tile, and the pixels that it covers."""

    def __init__(self, figure: Figure, tile: Tile) -> None:
        self.tile, self.box = tile, tile.box
        self._normals = Normals(figure.faces, figure.welds)
        self._moving = np.empty((len(figure.vertices), sum(MOVING)), np.float32)
        self._batches = figure.batches
        still = np.hstack([figure.surface, figure.gloss[:, None], figure.texcoords, figure.colours]).astype(np.float32)
        faces = [batch.faces.astype(np.uint32).ravel() for batch in figure.batches]
        self._starts = np.cumsum([0, *map(len, faces)])
        self._buffers = [int(name) for name in GL.glGenBuffers(3)]
        self._sent, kept, indices = self._buffers
        _fill(GL.GL_ARRAY_BUFFER, self._sent, self._moving, GL.GL_STREAM_DRAW)
        _fill(GL.GL_ARRAY_BUFFER, kept, still, GL.GL_STATIC_DRAW)
        self._arrays = [int(name) for name in GL.glGenVertexArrays(2)]
        for array in self._arrays:
            GL.glBindVertexArray(array)
            _describe(self._sent, MOVING, 0)
            if array == self._arrays[0]:
                _describe(kept, STILL, len(MOVING))
            _fill(GL.GL_ELEMENT_ARRAY_BUFFER, indices, np.concatenate(faces), GL.GL_STATIC_DRAW)
        GL.glBindVertexArray(0)
        for place, value in enumerate(INSIDE, len(MOVING)):  # for the array without what is kept
            GL.glVertexAttrib4f(place, *np.resize(np.append(value, np.zeros(4)), 4))
        self._textures = {
            batch.texture: _send_texture(figure.textures[batch.texture], batch.blended)
            for batch in figure.batches
            if batch.texture is not None
        }

    def delete(self) -> None:
        GL.glDeleteBuffers(len(self._buffers), self._buffers)
        GL.glDeleteVertexArrays(len(self._arrays), self._arrays)
        if self._textures:
            GL.glDeleteTextures(len(self._textures), list(self._textures.values()))

    def prepare(self, vertices: np.ndarray, yaw: float) -> None:
        """The work of a frame that can be done while the last one is drawn. vertices: (V, 3), yaw: of the camera"""
        self.tile.turn(yaw)
        self.box = self.tile.covered(vertices)
        self._moving[:, :3] = vertices
        self._moving[:, 3:] = self._normals(vertices)

    def upload(self) -> None:
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._sent)
        GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, self._moving.nbytes, self._moving)

    def draw(self, programs: Programs) -> None:
        GL.glViewport(*(FINER * edge for edge in self.tile.viewport))
        for batch, start, stop in zip(self._batches, self._starts, self._starts[1:]):
            program = programs.use("mesh", "mesh", *defined(batch))
            program.set_matrix("to_clip", self.tile.to_clip)
            program.set_vector("camera", self.tile.position)
            if batch.texture is not None:
                program.set_sampler("picture", 0, self._textures[batch.texture])
            _switch(GL.GL_BLEND, batch.blended)
            _switch(GL.GL_CULL_FACE, not batch.double_sided)
            GL.glBindVertexArray(self._arrays[int(batch.inside)])
            GL.glDrawElements(GL.GL_TRIANGLES, int(stop - start), GL.GL_UNSIGNED_INT, ctypes.c_void_p(4 * int(start)))
        GL.glBindVertexArray(0)


def defined(batch: Batch) -> tuple[str, ...]:
    """What is defined in the shaders of a batch."""
    named = {"TEXTURED": batch.texture is not None, "GLOSSY": batch.glossy, "BLENDED": batch.blended}
    return tuple(name for name, needed in named.items() if needed)


def _fill(kind: int, buffer: int, numbers: np.ndarray, use: int) -> None:
    GL.glBindBuffer(kind, buffer)
    GL.glBufferData(kind, numbers.nbytes, numbers, use)


def _describe(buffer: int, sizes: tuple[int, ...], first: int) -> None:
    """The buffer's rows hold as many floats for each attribute, the first of them at the place `first`."""
    GL.glBindBuffer(GL.GL_ARRAY_BUFFER, buffer)
    for place, size in enumerate(sizes):
        offset = ctypes.c_void_p(4 * sum(sizes[:place]))
        GL.glVertexAttribPointer(first + place, size, GL.GL_FLOAT, GL.GL_FALSE, 4 * sum(sizes), offset)
        GL.glEnableVertexAttribArray(first + place)


def _send_texture(texels: np.ndarray, blended: bool) -> int:
    """texels: (H, W, 4) uint8; where nothing blends, their alpha is for other programs"""
    texels = np.array(texels)
    if not blended:
        texels[..., 3] = 255
    texture = int(GL.glGenTextures(1))
    GL.glBindTexture(GL.GL_TEXTURE_2D, texture)
    height, width = texels.shape[:2]
    GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, width, height, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, texels)
    GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR)
    return texture


def _switch(capability: int, on: bool) -> None:
    (GL.glEnable if on else GL.glDisable)(capability)
