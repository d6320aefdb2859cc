"""GLB, VRM and self-contained .gltf files as meshes in world space. Skins and animations are ignored.

glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. Nothing outside the file is ever opened.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .gltf_data import Data, Malformed, decode_uri, split_glb
from .vrm import Expressions, find_expressions

MAX_BYTES = 64 * 2**20  # of a file
MAX_VERTICES = 200_000  # of all meshes together
MAX_FACES = 400_000
MAX_TARGETS = 1_000  # morph targets of a mesh
MAX_NODES = 10_000
MAX_TEXTURE = 4096  # pixels, either side, as stored
MAX_TEXTURES = 64
KEPT_PIXELS = 2048  # either side, of up to four textures; of more, less each, so that all take 64 MB together

_TRIANGLES = 4  # primitive.mode
_COMPRESSED = {"KHR_draco_mesh_compression": "Draco", "EXT_meshopt_compression": "meshopt"}
_IGNORED = ("KHR_materials_", "KHR_lights_", "VRM", "KHR_texture_transform", "KHR_mesh_quantization")  # or understood


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
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    colours: np.ndarray | None = None
    texcoords: np.ndarray | None = None
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Glb:
    primitives: list[Primitive]
    textures: list[np.ndarray]  # (H, W, 4) uint8, sRGB
    extras: dict[str, Any]  # of the asset
    skinned: bool = False  # its meshes hang on a skeleton
    shaped: bool = False  # some of them have morph targets, wanted or not


def read_glb(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> Glb:
    """wanted: whether a morph target of that name is read; expressions of a VRM are called "vrm.NAME"

    Raises UserError, one sentence, for anything that is not a sound, self-contained file of reasonable size.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Malformed(f"it is larger than {MAX_BYTES // 2**20} MB")
        return _Reader(path.read_bytes(), wanted).read()
    except OSError as error:
        raise UserError(f"the head {path.name} can't be read: {error.strerror}") from error
    except Malformed as error:
        raise UserError(f"the head {path.name} is not usable: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"the head {path.name} is not a valid GLB file ({type(error).__name__} while reading it)"
        ) from error


class _Reader:
    def __init__(self, content: bytes, wanted: Callable[[str], bool]) -> None:
        self.tree, binary = split_glb(content)
        self.data, self.wanted = Data(self.tree, binary), wanted
        self.expressions: Expressions = find_expressions(self.tree)
        for image in self.tree.get("images", []):
            if "uri" in image:
                decode_uri(image["uri"])  # raises for one that leads outside
        self._check_extensions()

    def _check_extensions(self) -> None:
        required = {str(name) for name in self.tree.get("extensionsRequired", [])}
        packed = sorted(required & set(_COMPRESSED))
        if packed:
            names = " and ".join(_COMPRESSED[name] for name in packed)
            raise Malformed(f"its meshes are compressed with {names}: export it again without compression")
        unreadable = sorted(name for name in required if not name.startswith(_IGNORED))
        if unreadable:
            raise Malformed(f"it needs {', '.join(unreadable)[:200]}: export it without, with textures as PNG or JPEG")

    def read(self) -> Glb:
        self.vertices = self.faces = 0
        self.shaped = False
        primitives = []
        placed = self._placed_meshes()
        for mesh, matrix, _ in placed:
            primitives += self._mesh(mesh, matrix)
        used = sorted({p.material.texture for p in primitives} - {None})
        textures = [np.zeros((1, 1, 4), np.uint8)] * len(self.tree.get("textures", []))
        if len(used) > MAX_TEXTURES:
            raise Malformed(f"it shows {len(used)} textures, at most {MAX_TEXTURES} are read")
        for index in used:
            textures[index] = self._texture(index, kept=KEPT_PIXELS // math.ceil(math.sqrt(len(used) / 4)))
        extras = self.tree.get("asset", {}).get("extras", {})
        return Glb(primitives, textures, extras, any(skinned for _, _, skinned in placed), self.shaped)

    def _placed_meshes(self) -> list[tuple[int, np.ndarray, bool]]:
        """Meshes of the shown scene with their matrices (4, 4), and whether they have a skin."""
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
                placed.append((node["mesh"], matrix, "skin" in node))
            stack += [(child, matrix) for child in reversed(node.get("children", []))]
        return placed

    def _mesh(self, index: int, matrix: np.ndarray) -> list[Primitive]:
        mesh = self.tree["meshes"][index]
        extras = mesh.get("extras") or {}
        result = []
        for primitive in mesh["primitives"]:
            if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
                continue  # lines and points are helpers, not skin
            names = extras.get("targetNames") or (primitive.get("extras") or {}).get("targetNames") or []
            shapes = self._shapes([str(name) for name in names], primitive, self.expressions.get(index, {}))
            result.append(self._primitive(mesh, primitive, matrix, shapes, extras))
        return result

    def _primitive(self, mesh: dict, primitive: dict, matrix: np.ndarray, shapes: dict, extras: dict) -> Primitive:
        attributes = primitive["attributes"]
        positions = self.data.accessor(attributes["POSITION"], "VEC3")
        count = len(positions)
        faces, used = self._faces(primitive, count, keep_all="regions" in extras)
        self.vertices, self.faces = self.vertices + len(used), self.faces + len(faces)
        if self.vertices > MAX_VERTICES or self.faces > MAX_FACES:
            raise Malformed(f"it has more than {MAX_VERTICES} vertices or {MAX_FACES} faces")
        linear = matrix[:3, :3].T.astype(np.float32)
        targets = {
            name: sum(weight * self._of_vertices(accessor, "VEC3", count)[used] for accessor, weight in parts) @ linear
            for name, parts in shapes.items()
        }
        if linear.size and np.linalg.det(linear) < 0:
            faces = faces[:, ::-1]  # a mirroring node turns its faces inside out
        colours = None
        if "COLOR_0" in attributes:
            colours = self._of_vertices(attributes["COLOR_0"], ("VEC3", "VEC4"), count)[used]
            colours = np.hstack([colours, np.ones((len(used), 4 - colours.shape[1]), np.float32)])
        material, texture = self._material(primitive.get("material"))
        texcoords = None
        if (channel := f"TEXCOORD_{texture.get('texCoord', 0)}") in attributes:
            texcoords = _transformed(self._of_vertices(attributes[channel], "VEC2", count)[used], texture)
        placed = (positions[used] @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
        if not np.isfinite(placed).all():
            raise Malformed("its numbers are too large")
        faces = np.ascontiguousarray(faces)
        return Primitive(str(mesh.get("name", "")), placed, faces, material, targets, colours, texcoords, extras)

    def _faces(self, primitive: dict, count: int, keep_all: bool) -> tuple[np.ndarray, np.ndarray]:
        """-> (F, 3) int32 into the used vertices, (U,) which these are: primitives often share one list of vertices"""
        if "indices" in primitive:
            corners = self.data.accessor(primitive["indices"], "SCALAR", integer=True)
        else:
            corners = np.arange(count)
        if len(corners) % 3 or (len(corners) and corners.max() >= count):
            raise Malformed("its faces refer to vertices that don't exist")
        used = np.arange(count) if keep_all else np.unique(corners)
        places = np.zeros(count, np.int32)
        places[used] = np.arange(len(used))
        return places[corners].reshape(-1, 3), used

    def _shapes(self, names: list[str], primitive: dict, expressions: dict) -> dict[str, list[tuple[int, float]]]:
        """{name: [(accessor of offsets, weight), ...]} of the wanted morph targets and expressions"""
        targets = primitive.get("targets", [])
        self.shaped |= bool(targets)
        if len(targets) > MAX_TARGETS:
            raise Malformed(f"it has {len(targets)} shapes, at most {MAX_TARGETS} are read")
        if targets and names and len(names) != len(targets):
            raise Malformed(f"it names {len(names)} shapes and holds {len(targets)}")
        shapes = {
            name: [(target["POSITION"], 1.0)]
            for name, target in zip(names, targets)
            if "POSITION" in target and self.wanted(name)
        }
        for name, binds in expressions.items():
            parts = [
                (targets[index]["POSITION"], weight)
                for index, weight in binds
                if 0 <= index < len(targets) and "POSITION" in targets[index]
            ]
            if parts and self.wanted(name):
                shapes[name] = parts
        return shapes

    def _of_vertices(self, index: int, kinds: str | tuple[str, ...], count: int) -> np.ndarray:
        values = self.data.accessor(index, kinds)
        if len(values) != count:
            raise Malformed(f"a shape or attribute has {len(values)} entries for {count} vertices")
        return values

    def _material(self, index: int | None) -> tuple[Material, dict]:
        """-> the material, and how it refers to its texture"""
        if index is None:
            return Material(), {}
        material = self.tree["materials"][index]
        surface = material.get("pbrMetallicRoughness", {})
        colour = tuple(float(value) for value in surface.get("baseColorFactor", (1, 1, 1, 1)))
        if len(colour) != 4 or not np.isfinite(colour).all():
            raise Malformed("a material's colour is not four numbers")
        texture = surface.get("baseColorTexture", {})
        made = Material(
            str(material.get("name", "")),
            colour,
            float(surface.get("roughnessFactor", 1.0)),
            bool(material.get("doubleSided", False)),
            material.get("alphaMode", "OPAQUE") in ("BLEND", "MASK"),
            texture.get("index"),
        )
        return made, texture

    def _texture(self, index: int, kept: int) -> np.ndarray:
        from PIL import Image, UnidentifiedImageError

        image = self.tree["images"][self.tree["textures"][index]["source"]]
        data = decode_uri(image["uri"]) if "uri" in image else self.data.view(image["bufferView"])
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                if max(picture.size) > MAX_TEXTURE:
                    raise Malformed(f"a texture has {picture.size} pixels, at most {MAX_TEXTURE} a side are read")
                picture.draft("RGB", (kept, kept))
                whole = picture.convert("RGBA")
                whole.thumbnail((kept, kept))
                return np.asarray(whole)
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise Malformed("a texture is neither a sound PNG nor a sound JPEG") from error


def _transformed(texcoords: np.ndarray, texture: dict) -> np.ndarray:
    """(V, 2) after the texture's KHR_texture_transform"""
    change = texture.get("extensions", {}).get("KHR_texture_transform", {})
    if not change:
        return texcoords
    angle, scale = float(change.get("rotation", 0.0)), np.float32(change.get("scale", (1.0, 1.0)))
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = (texcoords * scale) @ np.float32([[cosine, -sine], [sine, cosine]])
    return turned + np.float32(change.get("offset", (0.0, 0.0)))


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
