"""The one persistent OpenGL scene: one or two figures, drawn by pyrender into one picture.

Only the renderer's own process imports this file: the GL context is bound to its thread and dies with forks. Per frame
nothing but the vertex buffers changes.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyrender
from OpenGL import GL
from pyrender.constants import RenderFlags
from pyrender.renderer import Renderer
from pyrender.shader_program import ShaderProgramCache

from .figure import Camera, Figure
from .normals import Normals

FIELD_OF_VIEW = np.radians(17.0)  # that of a portrait lens
BACKDROP = 5.0  # its number among the surfaces, as in shaders/mesh.vert
BACKDROP_CENTRE = (0.235, 0.275, 0.310)  # linear
BACKDROP_EDGE = (0.036, 0.045, 0.058)


class PortraitScene:
    """Figures side by side, each in a tile of `size` x `size` with a camera of its own."""

    def __init__(self, figures: list[Figure], size: int) -> None:
        self.width, self.height = size * len(figures), size
        self.bodies = [_Body(figure) for figure in figures]
        self.tiles: dict[pyrender.Primitive, _Tile] = {}
        self.scene = pyrender.Scene()
        self.scene.add(pyrender.PerspectiveCamera(FIELD_OF_VIEW, aspectRatio=1.0))  # wanted by pyrender, used by nobody
        for index, (figure, body) in enumerate(zip(figures, self.bodies)):
            view, position = _look(figure.camera)
            tile = _Tile((index * size, 0, size, size), view, _projection(figure.camera), position)
            for primitive in body.primitives:
                self._add(primitive, tile, turn=0)
            self._add(_backdrop(), tile, turn=1)  # after the figures: what they cover is never shaded

    def _add(self, primitive: pyrender.Primitive, tile: _Tile, turn: int) -> None:
        """pyrender draws the nodes furthest from its camera first, and blended ones after all others."""
        pose = np.eye(4)
        pose[2, 3] = -2.0 + turn
        self.scene.add(pyrender.Mesh([primitive]), pose=pose)
        self.tiles[primitive] = tile


class _Tile(NamedTuple):
    """A part of the picture. viewport: x, y, width, height in pixels; view, projection: (4, 4), position: (3,)"""

    viewport: tuple[int, int, int, int]
    view: np.ndarray
    projection: np.ndarray
    position: np.ndarray


class _Body:
    """The buffers of one figure."""

    def __init__(self, figure: Figure) -> None:
        self.normals = Normals(figure.faces, figure.welds)
        normals = self.normals(figure.vertices)
        self.batches = figure.batches
        self.primitives, self.rows = [], []
        for batch in figure.batches:
            chosen = batch.vertices
            textured = batch.texture is not None
            primitive = pyrender.Primitive(
                figure.vertices[chosen],
                normals[chosen],
                tangents=figure.surface[chosen],
                texcoord_0=figure.texcoords[chosen] * (1, -1) + (0, 1) if textured else None,  # pyrender flips pictures
                color_0=figure.colours[chosen],
                indices=batch.faces,
                material=pyrender.MetallicRoughnessMaterial(
                    alphaMode="BLEND" if batch.blended else "OPAQUE",
                    doubleSided=batch.double_sided,
                    baseColorTexture=_texture(figure.textures[batch.texture]) if textured else None,
                ),
            )
            self.primitives.append(primitive)
            columns = [
                primitive.positions,
                primitive.normals,
                primitive.tangents,
                primitive.texcoord_0,
                primitive.color_0,
            ]
            self.rows.append(np.hstack([column for column in columns if column is not None]).astype(np.float32))

    def prepare(self, vertices: np.ndarray) -> None:
        """Fills the rows of the buffers: the work of a frame that can be done while the last one is drawn."""
        normals = self.normals(vertices)
        for batch, rows in zip(self.batches, self.rows):
            rows[:, :3] = vertices[batch.vertices]
            rows[:, 3:6] = normals[batch.vertices]

    def upload(self) -> None:
        for primitive, rows in zip(self.primitives, self.rows):
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, primitive._buffers[0])
            GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, rows.nbytes, rows)


class PortraitRenderer(Renderer):
    """pyrender's renderer with our shader, a camera for each tile, and reading that the caller asks for."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self._program_cache = ShaderProgramCache(shader_dir=str(Path(__file__).parent / "shaders"))
        self.tiles: dict[pyrender.Primitive, _Tile] = {}

    def _bind_and_draw_primitive(self, primitive, pose, program, flags) -> None:
        tile = self.tiles[primitive]
        GL.glViewport(*tile.viewport)
        GL.glFrontFace(GL.GL_CW)  # the picture is drawn upside down, so that its rows are read top first
        program.set_uniform("V", tile.view)
        program.set_uniform("P", tile.projection)
        program.set_uniform("cam_pos", tile.position)
        super()._bind_and_draw_primitive(primitive, pose, program, flags)

    def _bind_lighting(self, *_) -> None:
        """The studio's lights are in the shader."""

    def _read_main_framebuffer(self, scene, flags) -> None:
        """Drawing goes on while the caller prepares the next frame; `read` fetches the picture."""

    def read(self, picture: np.ndarray) -> None:
        """picture: (H, W, 4) uint8, filled with the last frame, RGBA, top row first"""
        height, width = picture.shape[:2]
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb_ms)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._main_fb)
        GL.glBlitFramebuffer(0, 0, width, height, 0, 0, width, height, GL.GL_COLOR_BUFFER_BIT, GL.GL_NEAREST)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb)
        pointer = ctypes.c_void_p(picture.ctypes.data)
        GL.glReadPixels(0, 0, width, height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, pointer)


class Stage:
    """The GL context and its renderer: made once, scenes come and go."""

    def __init__(self) -> None:
        self._offscreen = pyrender.OffscreenRenderer(64, 64)
        self._offscreen._renderer.delete()
        self._renderer = self._offscreen._renderer = PortraitRenderer(64, 64)
        self._scene: PortraitScene | None = None

    def describe(self) -> str:
        return f"{GL.glGetString(GL.GL_RENDERER).decode()}, OpenGL {GL.glGetString(GL.GL_VERSION).decode().split()[0]}"

    def show(self, figures: list[Figure], size: int) -> None:
        self._scene = PortraitScene(figures, size)
        self._renderer.tiles = self._scene.tiles
        self._offscreen.viewport_width, self._offscreen.viewport_height = self._scene.width, self._scene.height
        self._draw()  # puts the buffers into the context

    def prepare(self, vertices: list[np.ndarray]) -> None:
        for body, moved in zip(self._scene.bodies, vertices):
            body.prepare(moved)

    def draw(self) -> None:
        """Draws what was prepared; returns before the picture is finished."""
        for body in self._scene.bodies:
            body.upload()
        self._draw()

    def read(self, picture: np.ndarray) -> None:
        self._renderer.read(picture)

    def _draw(self) -> None:
        self._offscreen.render(self._scene.scene, RenderFlags.NONE)
        GL.glFlush()


def _look(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """-> view matrix (4, 4) and the camera's position (3,)"""
    distance = 0.5 * camera.height / np.tan(0.5 * FIELD_OF_VIEW)
    sine, cosine = np.sin(camera.yaw), np.cos(camera.yaw)
    position = camera.target + distance * np.array([sine, 0.0, cosine])
    view = np.eye(4)
    view[:3, :3] = [[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]]
    view[:3, 3] = -view[:3, :3] @ position
    return view, position


def _projection(camera: Camera) -> np.ndarray:
    distance = 0.5 * camera.height / np.tan(0.5 * FIELD_OF_VIEW)
    near, far = distance - 2.0 * camera.height, distance + 2.0 * camera.height
    scale = 1.0 / np.tan(0.5 * FIELD_OF_VIEW)
    depth = [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)]
    return np.array([[scale, 0, 0, 0], [0, scale, 0, 0], depth, [0, 0, -1, 0]])


def _backdrop(steps: int = 24) -> pyrender.Primitive:
    """A glow behind the head that fades towards the edges, in clip coordinates."""
    axis = np.linspace(-1.0, 1.0, steps + 1)
    x, y = (grid.ravel() for grid in np.meshgrid(axis, axis))
    glow = np.exp(-((x / 0.95) ** 2 + ((y - 0.10) / 1.0) ** 2))[:, None]
    colours = glow * BACKDROP_CENTRE + (1.0 - glow) * BACKDROP_EDGE
    corner = (np.arange(steps)[:, None] * (steps + 1) + np.arange(steps)).ravel()
    faces = np.stack([corner, corner + 1, corner + steps + 2, corner, corner + steps + 2, corner + steps + 1], 1)
    positions = np.stack([x, y, np.zeros_like(x)], 1)
    return pyrender.Primitive(
        positions,
        np.tile([0.0, 0.0, 1.0], (len(x), 1)),
        tangents=np.tile([BACKDROP, 1.0, 1.0, 0.0], (len(x), 1)),
        color_0=np.hstack([colours, np.ones((len(x), 1))]),
        indices=faces.reshape(-1, 3),
        material=pyrender.MetallicRoughnessMaterial(doubleSided=True),
    )


def _texture(picture: np.ndarray) -> pyrender.Texture:
    return pyrender.Texture(source=picture, source_channels="RGBA")
