"""The one persistent OpenGL scene: one or two figures, drawn by pyrender into one picture.

Only the renderer's own process imports this file: the GL context is bound to its thread and dies with forks. Per frame
nothing but the vertex buffers changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyrender
from OpenGL import GL
from pyrender.constants import ProgramFlags
from pyrender.material import SpecularGlossinessMaterial
from pyrender.renderer import Renderer
from pyrender.shader_program import ShaderProgramCache

from ..surroundings import Colour
from .canvas import FINER, Box, Canvas
from .figure import Batch, Figure, Surface
from .normals import Normals
from .tile import FIELD_OF_VIEW, Tile

BACKDROP = 5.0  # its number among the surfaces, as in shaders/mesh.vert
BACKDROP_CENTRE = (0.235, 0.275, 0.310)  # linear
BACKDROP_EDGE = (0.036, 0.045, 0.058)

INSIDE = (0.09, 0.035, 0.03, 1.0)  # linear: what is seen between the lips of a mesh without a mouth
INSIDE_SURFACE = (Surface.MATTE, 0.35, 0.0, 0.0)  # as a row of Figure.surface


class PortraitScene:
    """Figures side by side, each in a tile of `size` x `size` with a camera of its own."""

    def __init__(self, figures: list[Figure], size: int, background: Colour | None) -> None:
        self.width, self.height = size * len(figures), size
        self.bodies: list[_Body] = []
        self.tiles: dict[pyrender.Primitive, Tile] = {}
        self.scene, self.backdrop = pyrender.Scene(), pyrender.Scene()
        for scene in (self.scene, self.backdrop):
            scene.add(pyrender.PerspectiveCamera(FIELD_OF_VIEW))  # wanted by pyrender; each tile has its own
        for index, figure in enumerate(figures):
            tile = Tile((index * size, 0, size, size), figure.camera)
            body = _Body(figure, tile)
            self.bodies.append(body)
            glow = [] if background else [_backdrop()]
            for scene, primitives in ((self.scene, body.primitives), (self.backdrop, glow)):
                for primitive in primitives:
                    scene.add(pyrender.Mesh([primitive]))
                    self.tiles[primitive] = tile


class _Body:
    """The buffers of one figure, and the pixels that it covers."""

    def __init__(self, figure: Figure, tile: Tile) -> None:
        self.tile, self.box = tile, tile.box
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
                tangents=np.tile(INSIDE_SURFACE, (len(chosen), 1)) if batch.inside else figure.surface[chosen],
                texcoord_0=figure.texcoords[chosen] * (1, -1) + (0, 1) if textured else None,  # pyrender flips pictures
                color_0=_colours(batch, figure),
                indices=batch.faces,
                material=_material(batch, figure.textures),
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

    def prepare(self, vertices: np.ndarray, yaw: float) -> None:
        """Fills the rows of the buffers: the work of a frame that can be done while the last one is drawn."""
        self.tile.turn(yaw)
        self.box = self.tile.covered(vertices)
        moved = np.hstack([vertices, self.normals(vertices)])
        for batch, rows in zip(self.batches, self.rows):
            rows[:, :6] = moved.take(batch.vertices, axis=0)

    def upload(self) -> None:
        for primitive, rows in zip(self.primitives, self.rows):
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, primitive._buffers[0])
            GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, rows.nbytes, rows)


class PortraitRenderer(Renderer):
    """pyrender's renderer with our shader, a canvas of our own, and a camera for each tile.

    Everything is drawn upside down, so that rows are read top first.
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self._program_cache = ShaderProgramCache(shader_dir=str(Path(__file__).parent / "shaders"))
        self.tiles: dict[pyrender.Primitive, Tile] = {}
        self.canvas = Canvas(width, height)
        self.changing: list[Box] = []  # all that the figures cover in this frame, or did in the last one

    def show_tiles(self, tiles: dict[pyrender.Primitive, Tile], width: int, height: int) -> None:
        """An empty canvas of this size, and the tile that each primitive is drawn in."""
        self.canvas.delete()
        self.canvas, self.tiles, self.changing = Canvas(width, height), tiles, []

    def delete(self) -> None:
        super().delete()
        self.canvas.delete()

    def _forward_pass(self, scene: pyrender.Scene, flags: int, seg_node_map: dict | None = None) -> None:
        """Returns while the picture is still being drawn: meanwhile the caller prepares the next frame."""
        self.canvas.begin(self.changing)
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glFrontFace(GL.GL_CW)
        for node in self._sorted_mesh_nodes(scene):  # solid ones first
            for primitive in node.mesh.primitives:
                self._draw(primitive, self.tiles[primitive], flags)
        GL.glUseProgram(0)
        GL.glFlush()

    def _draw(self, primitive: pyrender.Primitive, tile: Tile, flags: int) -> None:
        material = primitive.material
        program = self._get_primitive_program(primitive, flags, ProgramFlags.USE_MATERIAL)
        program._bind()
        program.set_uniform("to_clip", tile.to_clip)
        program.set_uniform("cam_pos", tile.position)
        if material.emissiveTexture is not None:
            self._bind_texture(material.emissiveTexture, "material.emissive_texture", program)
        _switch(GL.GL_BLEND, material.alphaMode == "BLEND")
        GL.glBlendFuncSeparate(GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA, GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        _switch(GL.GL_CULL_FACE, not material.doubleSided)
        GL.glViewport(*(FINER * edge for edge in tile.viewport))
        primitive._bind()
        GL.glDrawElementsInstanced(GL.GL_TRIANGLES, primitive.indices.size, GL.GL_UNSIGNED_INT, None, 1)
        primitive._unbind()
        self._reset_active_textures()


class Stage:
    """The GL context and its renderer: made once, scenes come and go."""

    def __init__(self) -> None:
        self._offscreen = pyrender.OffscreenRenderer(64, 64)
        self._offscreen._renderer.delete()
        self._renderer = self._offscreen._renderer = PortraitRenderer(64, 64)
        self._scene: PortraitScene | None = None
        self._covered: list[Box] = []  # by each figure in the last frame

    def describe(self) -> str:
        return f"{GL.glGetString(GL.GL_RENDERER).decode()}, OpenGL {GL.glGetString(GL.GL_VERSION).decode().split()[0]}"

    def show(self, figures: list[Figure], size: int, background: Colour | None) -> None:
        """From here on these figures are drawn, side by side, each `size` x `size` pixels.

        In front of a background that is transparent, colours are weighted by their alpha.
        """
        self._scene = PortraitScene(figures, size, background)
        self._offscreen.viewport_width, self._offscreen.viewport_height = self._scene.width, self._scene.height
        self._renderer.show_tiles(self._scene.tiles, self._scene.width, self._scene.height)
        self._renderer.canvas.fill(background or (0.0, 0.0, 0.0, 1.0))
        self._offscreen.render(self._scene.backdrop)
        self._renderer.canvas.keep()
        self._covered = [body.box for body in self._scene.bodies]
        self._offscreen.render(self._scene.scene)  # puts the buffers into the context

    def prepare(self, vertices: list[np.ndarray], yaw: float) -> None:
        """vertices: (V, 3) float32 of each figure; yaw: of all cameras, radians from where they are at rest"""
        for body, moved in zip(self._scene.bodies, vertices):
            body.prepare(moved, yaw)

    def draw(self) -> None:
        """Draws what was prepared; returns before the picture is finished."""
        for body in self._scene.bodies:
            body.upload()
        boxes = [body.box for body in self._scene.bodies]
        self._renderer.changing = [_around(now, before) for now, before in zip(boxes, self._covered)]
        self._covered = boxes
        self._offscreen.render(self._scene.scene)

    def read(self, picture: np.ndarray) -> None:
        """picture: (H, W, 4) uint8, filled with what was drawn"""
        self._renderer.canvas.read(picture, self._renderer.changing)


def _switch(capability: int, on: bool) -> None:
    (GL.glEnable if on else GL.glDisable)(capability)


def _around(one: Box, other: Box) -> Box:
    return (*np.minimum(one[:2], other[:2]).tolist(), *np.maximum(one[2:], other[2:]).tolist())


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
        material=_GlossyMaterial(doubleSided=True),
    )


def _colours(batch: Batch, figure: Figure) -> np.ndarray:
    """(N, 4) linear; the alpha counts where it is meant to"""
    if batch.inside:
        return np.tile(INSIDE, (len(batch.vertices), 1))
    colours = figure.colours[batch.vertices]
    if not batch.blended:
        colours[:, 3] = 1.0
    return colours


def _material(batch: Batch, textures: list[np.ndarray]) -> pyrender.Material:
    """Its kind chooses the branch of our shaders; the emissive texture, which both kinds have, is ours."""
    texture = None
    if batch.texture is not None:
        texels = textures[batch.texture]
        if not batch.blended:
            texels = np.concatenate([texels[..., :3], np.full_like(texels[..., 3:], 255)], axis=2)
        texture = pyrender.Texture(source=texels, source_channels="RGBA")
    kind = _GlossyMaterial if batch.glossy else pyrender.MetallicRoughnessMaterial
    return kind(
        alphaMode="BLEND" if batch.blended else "OPAQUE", doubleSided=batch.double_sided, emissiveTexture=texture
    )


class _GlossyMaterial(SpecularGlossinessMaterial):
    glossinessFactor = 1.0  # pyrender's own property calls itself without end
