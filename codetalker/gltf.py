"""GLB files, read with distrust: every number that comes from the file is checked before it is used.

glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. Skins and animations are ignored, node transforms
are applied. Nothing outside the file is ever opened.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError

MAX_BYTES = 64 * 2**20  # of a file
MAX_VERTICES = 200_000  # of all meshes together
MAX_FACES = 400_000
MAX_TARGETS = 300  # morph targets of a mesh
MAX_TEXTURE = 4096  # pixels, either side
MAX_NODES = 10_000

_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_TRIANGLES = 4  # primitive.mode


class Malformed(Exception):
    """What is wrong with the file; `read_glb` tells it to the user with the file's name."""


@dataclass(frozen=True)
class Material:
    """The part of a glTF material that the renderer shows."""

    name: str = ""
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # linear, with alpha
    roughness: float = 1.0
    double_sided: bool = False
    blended: bool = False  # alpha counts
    texture: int | None = None  # index into Glb.textures


@dataclass(frozen=True)
class Primitive:
    """One mesh primitive in world space.

    positions: (V, 3) float32, faces: (F, 3) int32, targets: {name: (V, 3) float32 offsets},
    colours: (V, 4) float32 linear or None, texcoords: (V, 2) float32 or None, extras: of its mesh
    """

    name: str
    positions: np.ndarray
    faces: np.ndarray
    material: Material
    targets: dict[str, np.ndarray]
    colours: np.ndarray | None = None
    texcoords: np.ndarray | None = None
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Glb:
    primitives: list[Primitive]
    textures: list[np.ndarray]  # (H, W, 4) uint8, sRGB
    extras: dict[str, Any]  # of the asset


def read_glb(path: str | Path) -> Glb:
    """Raises UserError, one sentence, for anything that is not a sound, self-contained GLB of reasonable size."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Malformed(f"it is larger than {MAX_BYTES // 2**20} MB")
        return _Reader(path.read_bytes()).read()
    except OSError as error:
        raise UserError(f"the head {path.name} can't be read: {error.strerror}") from error
    except Malformed as error:
        raise UserError(f"the head {path.name} is not usable: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"the head {path.name} is not a valid GLB file ({type(error).__name__} while reading it)"
        ) from error


def _chunks(data: bytes) -> tuple[dict, bytes]:
    """-> the JSON and the binary chunk"""
    if len(data) < 20 or data[:4] != b"glTF":
        raise Malformed("it is not a GLB file (binary glTF)")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise Malformed(f"it is glTF {version}, only 2 is read")
    if length > len(data):
        raise Malformed("it is cut off")
    chunks, offset = {}, 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        if offset + 8 + size > length:
            raise Malformed("it is cut off")
        chunks.setdefault(kind, data[offset + 8 : offset + 8 + size])
        offset += 8 + size
    if 0x4E4F534A not in chunks:  # "JSON"
        raise Malformed("it has no description chunk")
    try:
        tree = json.loads(chunks[0x4E4F534A])
    except ValueError as error:
        raise Malformed("its description is no valid JSON") from error
    if not isinstance(tree, dict):
        raise Malformed("its description is no JSON object")
    return tree, chunks.get(0x004E4942, b"")  # "BIN"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.tree, self.binary = _chunks(data)
        for kind in ("buffers", "images"):
            for entry in self.tree.get(kind, []):
                if "uri" in entry:
                    raise Malformed("it refers to data outside itself: export it as one self-contained GLB")
        required = set(self.tree.get("extensionsRequired", []))
        unreadable = required - {"KHR_materials_unlit", "KHR_texture_transform", "KHR_mesh_quantization"}
        if unreadable:
            raise Malformed(f"it needs {', '.join(sorted(unreadable))}: export it without compression")

    def read(self) -> Glb:
        self.vertices = self.faces = 0
        primitives = []
        for mesh, matrix in self._placed_meshes():
            primitives += self._mesh(self.tree["meshes"][mesh], matrix)
        used = {p.material.texture for p in primitives} - {None}
        textures = [
            self._texture(index) if index in used else np.zeros((1, 1, 4), np.uint8)
            for index in range(len(self.tree.get("textures", [])))
        ]
        return Glb(primitives, textures, self.tree.get("asset", {}).get("extras", {}))

    def _placed_meshes(self) -> list[tuple[int, np.ndarray]]:
        """Meshes of the shown scene with their matrices (4, 4)."""
        nodes = self.tree.get("nodes", [])
        if len(nodes) > MAX_NODES:
            raise Malformed(f"it has {len(nodes)} nodes, at most {MAX_NODES} are read")
        scenes = self.tree.get("scenes", [])
        roots = scenes[self.tree.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
        placed, seen = [], set()
        stack = [(index, np.eye(4)) for index in reversed(roots)]
        while stack:
            index, parent = stack.pop()
            if index in seen:
                continue  # a loop, or a node with two parents: neither is valid
            seen.add(index)
            node = nodes[index]
            matrix = parent @ _local_matrix(node)
            if "mesh" in node:
                placed.append((node["mesh"], matrix))
            stack += [(child, matrix) for child in reversed(node.get("children", []))]
        return placed

    def _mesh(self, mesh: dict, matrix: np.ndarray) -> list[Primitive]:
        extras = mesh.get("extras") or {}
        names = [str(name) for name in extras.get("targetNames", [])]
        result = []
        for primitive in mesh["primitives"]:
            if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
                continue  # lines and points are helpers, not skin
            attributes = primitive["attributes"]
            positions = self._accessor(attributes["POSITION"], "VEC3")
            count = len(positions)
            if "indices" in primitive:
                faces = self._accessor(primitive["indices"], "SCALAR", integer=True)
            else:
                faces = np.arange(count)
            if len(faces) % 3 or (len(faces) and faces.max() >= count):
                raise Malformed("its faces refer to vertices that don't exist")
            self.vertices, self.faces = self.vertices + count, self.faces + len(faces) // 3
            if self.vertices > MAX_VERTICES or self.faces > MAX_FACES:
                raise Malformed(f"it has more than {MAX_VERTICES} vertices or {MAX_FACES} faces")
            targets = primitive.get("targets", [])
            if len(targets) > MAX_TARGETS:
                raise Malformed(f"it has {len(targets)} shapes, at most {MAX_TARGETS} are read")
            if targets and names and len(names) != len(targets):
                raise Malformed(f"it names {len(names)} shapes and holds {len(targets)}")
            offsets = {
                name: self._vertex_data(target["POSITION"], "VEC3", count) @ matrix[:3, :3].T.astype(np.float32)
                for name, target in zip(names, targets)
                if "POSITION" in target
            }
            colours = texcoords = None
            if "COLOR_0" in attributes:
                colours = self._vertex_data(attributes["COLOR_0"], ("VEC3", "VEC4"), count)
                colours = np.hstack([colours, np.ones((count, 4 - colours.shape[1]), np.float32)])
            if "TEXCOORD_0" in attributes:
                texcoords = self._vertex_data(attributes["TEXCOORD_0"], "VEC2", count)
            faces = faces.reshape(-1, 3).astype(np.int32)
            if np.linalg.det(matrix[:3, :3]) < 0:
                faces = faces[:, ::-1]  # a mirroring node turns its faces inside out
            result.append(
                Primitive(
                    str(mesh.get("name", "")),
                    (positions @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32),
                    np.ascontiguousarray(faces),
                    self._material(primitive.get("material")),
                    offsets,
                    colours,
                    texcoords,
                    extras,
                )
            )
        return result

    def _vertex_data(self, index: int, kinds: str | tuple[str, ...], count: int) -> np.ndarray:
        values = self._accessor(index, kinds)
        if len(values) != count:
            raise Malformed(f"a shape or attribute has {len(values)} entries for {count} vertices")
        return values

    def _material(self, index: int | None) -> Material:
        if index is None:
            return Material()
        material = self.tree["materials"][index]
        surface = material.get("pbrMetallicRoughness", {})
        colour = tuple(float(value) for value in surface.get("baseColorFactor", (1, 1, 1, 1)))
        if len(colour) != 4 or not np.isfinite(colour).all():
            raise Malformed("a material's colour is not four numbers")
        return Material(
            str(material.get("name", "")),
            colour,
            float(surface.get("roughnessFactor", 1.0)),
            bool(material.get("doubleSided", False)),
            material.get("alphaMode", "OPAQUE") == "BLEND",
            surface["baseColorTexture"]["index"] if "baseColorTexture" in surface else None,
        )

    def _texture(self, index: int) -> np.ndarray:
        from PIL import Image, UnidentifiedImageError

        image = self.tree["images"][self.tree["textures"][index]["source"]]
        data = self._view(image["bufferView"])
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                if max(picture.size) > MAX_TEXTURE:
                    raise Malformed(f"a texture has {picture.size} pixels, at most {MAX_TEXTURE} a side are read")
                return np.asarray(picture.convert("RGBA"))
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise Malformed("a texture is neither a sound PNG nor a sound JPEG") from error

    def _view(self, index: int) -> bytes:
        view = self.tree["bufferViews"][index]
        start, size = view.get("byteOffset", 0), view["byteLength"]
        if view["buffer"] != 0 or start < 0 or size < 0 or start + size > len(self.binary):
            raise Malformed("it is cut off, or its parts lie outside it")
        return self.binary[start : start + size]

    def _accessor(self, index: int, kinds: str | tuple[str, ...], integer: bool = False) -> np.ndarray:
        """-> (count, width) float32, or (count,) int64 where `integer`"""
        if not isinstance(index, int) or index < 0:
            raise Malformed("it refers to data by something that is no index")
        accessor = self.tree["accessors"][index]
        kind = accessor["type"]
        if kind not in ((kinds,) if isinstance(kinds, str) else kinds):
            raise Malformed(f"data of type {kind} stands where {kinds} belongs")
        dtype, width, count = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[kind], accessor["count"]
        if not 0 <= count <= 3 * MAX_FACES:
            raise Malformed(f"it holds {count} entries in one place")
        values = np.zeros((count, width), dtype)
        if "bufferView" in accessor:
            stride = self.tree["bufferViews"][accessor["bufferView"]].get("byteStride", 0) or dtype.itemsize * width
            values = self._strided(accessor["bufferView"], accessor.get("byteOffset", 0), dtype, width, count, stride)
        if "sparse" in accessor:
            values = self._sparse(accessor["sparse"], values)
        if integer:
            if dtype.kind != "u":
                raise Malformed("its faces are not numbered with whole numbers")
            return values[:, 0].astype(np.int64)
        if accessor.get("normalized") and dtype.kind != "f":
            values = np.maximum(values / np.iinfo(dtype).max, -1.0)
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise Malformed("it holds numbers that are not finite")
        return values

    def _strided(self, view: int, offset: int, dtype: np.dtype, width: int, count: int, stride: int) -> np.ndarray:
        data = self._view(view)
        row = dtype.itemsize * width
        if offset < 0 or stride < row or (count and offset + stride * (count - 1) + row > len(data)):
            raise Malformed("it holds less data than it declares")
        if count == 0:
            return np.zeros((0, width), dtype)
        return np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize)).copy()

    def _sparse(self, sparse: dict, values: np.ndarray) -> np.ndarray:
        count, where, what = sparse["count"], sparse["indices"], sparse["values"]
        index_type = np.dtype(_COMPONENTS[where["componentType"]])
        start, size = where.get("byteOffset", 0), index_type.itemsize
        rows = self._strided(where["bufferView"], start, index_type, 1, count, size)[:, 0]
        row_size = values.dtype.itemsize * values.shape[1]
        start = what.get("byteOffset", 0)
        new = self._strided(what["bufferView"], start, values.dtype, values.shape[1], count, row_size)
        if count and not (index_type.kind == "u" and rows.max() < len(values)):
            raise Malformed("a sparse shape refers to vertices that don't exist")
        values = values.copy()
        values[rows] = new
        return values


def _local_matrix(node: dict) -> np.ndarray:
    """(4, 4) of a node, from its matrix or its translation, rotation (quaternion x y z w) and scale"""
    if "matrix" in node:
        matrix = np.asarray(node["matrix"], np.float64).reshape(4, 4).T
    else:
        x, y, z, w = node.get("rotation", (0, 0, 0, 1))
        matrix = np.eye(4)
        matrix[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        matrix[:3, :3] *= np.asarray(node.get("scale", (1, 1, 1)), np.float64)
        matrix[:3, 3] = node.get("translation", (0, 0, 0))
    if not np.isfinite(matrix).all():
        raise Malformed("a node's place is not finite")
    return matrix
