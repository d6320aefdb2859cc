"""A head: a neutral mesh with ARKit shapes, that weights and a rotation of the head deform."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError
from .gltf import Material, Primitive, read_glb
from .motion import ARKIT_NAMES
from .regions import find_regions

HEADS = Path(__file__).resolve().parent.parent / "assets" / "heads"
MOVES = 1e-6  # of the head's height: what moves less under every shape stands still


@dataclass(frozen=True)
class Part:
    """One primitive of a head: ranges of its vertices and faces, and what they are made of."""

    name: str  # of its mesh and material
    vertices: slice
    faces: slice
    material: Material


@dataclass(frozen=True)
class Neck:
    """Where the head turns. pivot: (3,) metres; share: (V,) how much of the rotation each vertex follows, 0 to 1."""

    pivot: np.ndarray
    share: np.ndarray


@dataclass(frozen=True, eq=False)  # two heads are the same one or not: arrays have no ==
class Head:
    """All arrays are in metres, y up, the face looking to +z.

    vertices: (V, 3) float32, faces: (F, 3) int32, shapes: (52, V, 3) float32 offsets, in the order of ARKIT_NAMES,
    colours: (V, 4) float32 linear with alpha, the material's colour included, texcoords: (V, 2) float32,
    textures: (H, W, 4) uint8 sRGB each, missing: shapes that the file lacks (all zero here),
    regions: vertex indices; "inner_lip_upper" and "inner_lip_lower" are paired
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    parts: list[Part]
    shapes: np.ndarray
    colours: np.ndarray
    texcoords: np.ndarray
    textures: list[np.ndarray]
    missing: list[str]
    regions: dict[str, np.ndarray]
    neck: Neck
    extras: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Most of a head stands still under every shape: the product runs over the vertices that move.
        moving = np.flatnonzero(np.abs(self.shapes).max((0, 2)) > MOVES * np.ptp(self.vertices[:, 1]))
        basis = np.ascontiguousarray(self.shapes[:, moving]).reshape(len(self.shapes), -1)
        object.__setattr__(self, "_moving", moving)
        object.__setattr__(self, "_basis", basis)

    @property
    def has_shapes(self) -> bool:
        """Whether any ARKit shape moves it; a published model's bare template has none."""
        return len(self.missing) < len(ARKIT_NAMES)

    def deform(self, weights: np.ndarray, head_rotation: np.ndarray | None = None) -> np.ndarray:
        """weights: (B, 52), head_rotation: (B, 3) pitch, yaw, roll in radians -> vertices (B, V, 3) float32, metres

        The rotation fades out down the neck, so that shoulders stay put.
        """
        weights = np.asarray(weights, np.float32)
        result = np.repeat(self.vertices[None], len(weights), 0)
        result[:, self._moving] += (weights @ self._basis).reshape(len(weights), -1, 3)
        if head_rotation is None or not np.any(head_rotation):
            return result
        # x' = x + share * (R - 1) (x - pivot); linear in between, which is invisible at the angles of a speaking head
        turn = rotation_matrices(head_rotation) - np.eye(3, dtype=np.float32)  # (B, 3, 3)
        centred = result - self.neck.pivot
        centred *= self.neck.share[:, None]
        result += centred @ turn.transpose(0, 2, 1)
        return result


def rotation_matrices(head_rotation: np.ndarray) -> np.ndarray:
    """(B, 3) pitch about x, yaw about y, roll about z, radians -> (B, 3, 3) float32; roll comes first"""
    angles = np.asarray(head_rotation, np.float64)
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    matrix = np.empty((len(angles), 3, 3))
    matrix[:, 0] = np.stack([cy * cz + sy * sx * sz, -cy * sz + sy * sx * cz, sy * cx], 1)
    matrix[:, 1] = np.stack([cx * sz, cx * cz, -sx], 1)
    matrix[:, 2] = np.stack([-sy * cz + cy * sx * sz, sy * sz + cy * sx * cz, cy * cx], 1)
    return matrix.astype(np.float32)


def list_heads() -> list[str]:
    """Names of the heads that come with the project."""
    return sorted(path.stem for path in HEADS.glob("*.glb"))


def load_head(name_or_path: str | Path) -> Head:
    """One of `list_heads()`, or any GLB file with ARKit shapes.

    Raises UserError for an unknown name, and for a file that is unsound or no speaking face.
    """
    text = str(name_or_path)
    if text in list_heads():
        path = HEADS / f"{text}.glb"
    else:
        path = Path(name_or_path)
        if path.suffix.lower() != ".glb":
            raise UserError(f"there is no head {text!r}: choose {', '.join(list_heads()) or 'one'}, or a .glb file")
        if not path.is_file():
            raise UserError(f"there is no file {text}")
    status = path.stat()
    return _read(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> Head:
    """A head is never changed, so that jobs share it, and with it all that the renderer has found out about it."""
    glb = read_glb(path)
    primitives = [primitive for primitive in glb.primitives if len(primitive.faces)]
    if not primitives:
        raise UserError(f"the head {path.name} holds no surface")
    return _assemble(path.stem, primitives, glb.textures, glb.extras)


def _assemble(name: str, primitives: list[Primitive], textures: list[np.ndarray], extras: dict[str, Any]) -> Head:
    starts = [0, *accumulate(len(primitive.positions) for primitive in primitives)]
    face_starts = [0, *accumulate(len(primitive.faces) for primitive in primitives)]
    vertices = np.concatenate([primitive.positions for primitive in primitives])
    faces = np.concatenate([primitive.faces + start for primitive, start in zip(primitives, starts)]).astype(np.int32)
    shapes = np.zeros((len(ARKIT_NAMES), len(vertices), 3), np.float32)
    colours = np.ones((len(vertices), 4), np.float32)
    texcoords = np.zeros((len(vertices), 2), np.float32)
    found, parts, regions = set(), [], {}
    for index, primitive in enumerate(primitives):
        span = slice(starts[index], starts[index + 1])
        material = primitive.material
        parts.append(
            Part(f"{primitive.name} {material.name}", span, slice(face_starts[index], face_starts[index + 1]), material)
        )
        for spelled, offsets in primitive.targets.items():
            column = _SPELLINGS.get(_plain(spelled))
            if column is not None:
                shapes[column, span] = offsets
                found.add(column)
        colours[span] = material.colour
        if primitive.colours is not None:
            colours[span] *= primitive.colours
        if primitive.texcoords is not None:
            texcoords[span] = primitive.texcoords
        for region, members in (primitive.extras.get("regions") or {}).items():
            regions.setdefault(str(region), []).append(_region(name, region, members, span))
    speaking = {ARKIT_NAMES.index("jawOpen"), ARKIT_NAMES.index("mouthFunnel"), ARKIT_NAMES.index("mouthPucker")}
    if not speaking & found:
        raise UserError(f"the head {name} has no ARKit face shapes (jawOpen, mouthPucker ...), so it can't speak")
    missing = [shape for column, shape in enumerate(ARKIT_NAMES) if column not in found]
    jaw = shapes[ARKIT_NAMES.index("jawOpen")]
    regions = {region: np.concatenate(pieces) for region, pieces in regions.items()}
    regions = find_regions(vertices, shapes, [part.vertices for part in parts], known=regions)
    neck = find_neck(vertices, jaw)
    return Head(
        name, vertices, faces, parts, shapes, colours, texcoords, textures, missing, regions, neck, dict(extras or {})
    )


def _region(head: str, name: str, members: Any, span: slice) -> np.ndarray:
    """Indices into one mesh -> indices into the head."""
    indices = np.asarray(members)
    count = span.stop - span.start
    whole = indices.ndim == 1 and (indices.dtype.kind in "iu" or len(indices) == 0)
    if not whole or (len(indices) and not 0 <= indices.min() <= indices.max() < count):
        raise UserError(f"the head {head} has a region {name!r} that refers to vertices that don't exist")
    return indices.astype(np.int64) + span.start


def find_neck(vertices: np.ndarray, jaw_open: np.ndarray) -> Neck:
    """From the chin (what jawOpen moves most) down to the neck's base the rotation fades out.

    vertices, jaw_open: (V, 3)
    """
    top, bottom = vertices[:, 1].max(), vertices[:, 1].min()
    travel = np.linalg.norm(jaw_open, axis=1)
    chin = vertices[travel > 0.6 * travel.max(), 1].min() if travel.max() > 0 else bottom
    face = top - chin
    upper = chin - 0.03 * face  # just below the chin, so that the face turns as one
    base = max(bottom, chin - 0.42 * face)  # collar height of a head with shoulders
    if upper - base < 0.1 * face:  # a mask or a head cut off at the chin: all of it turns
        base = upper - face
        upper = bottom
    level = np.clip((vertices[:, 1] - base) / (upper - base), 0.0, 1.0)
    share = (level * level * (3.0 - 2.0 * level)).astype(np.float32)
    throat = vertices[(vertices[:, 1] < upper) & (vertices[:, 1] > base)]
    depth = throat[:, 2].mean() if len(throat) else vertices[:, 2].mean()
    return Neck(np.array([vertices[:, 0].mean(), 0.5 * (upper + base), depth], np.float32), share)


def _plain(name: str) -> str:
    """jawOpen, JawOpen, jaw_open -> jawopen; eyeBlink_L, EyeBlinkLeft -> eyeblinkleft"""
    name = name.rsplit(".", 1)[-1]  # some exporters put the mesh's name before the shape's
    name = re.sub(r"[_ ]L$", "Left", re.sub(r"[_ ]R$", "Right", name))
    return re.sub(r"[^a-z]", "", name.lower())


_SPELLINGS = {_plain(name): column for column, name in enumerate(ARKIT_NAMES)}
