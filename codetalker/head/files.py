"""Heads from files, of any unit and whichever way up: GLB, VRM and .gltf; OBJ, PLY and STL, which have no shapes."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..motion import ARKIT_NAMES
from . import mesh_files
from .gltf import Glb, Primitive, read_glb
from .model import Head, Part, find_neck
from .named_shapes import SPEAKING, Shapes, keep_side, name_shapes
from .regions import find_regions
from .spellings import is_known
from .upright import Stance, find_stance

BUST = 2.6  # of a body as much is shown below the mouth, in distances from the eyes to the mouth
BODY = 5.5  # what reaches further down than this is a body
SHOULDERS = 4.5  # half the width that is shown of it


def read_head(path: Path) -> Head:
    """Raises UserError, one sentence, for a file that is unsound or no face."""
    if path.suffix.lower() in mesh_files.SUFFIXES:
        return _without_shapes(path.stem, [mesh_files.read_mesh(path)], Glb([], [], {}))
    glb = read_glb(path, is_known)
    primitives = [primitive for primitive in glb.primitives if len(primitive.faces)]
    if not primitives:
        raise UserError(f"the head {path.name} holds no surface")
    shapes = name_shapes(primitives)
    if not set(SPEAKING) <= set(shapes.missing):
        return _with_shapes(path.stem, primitives, shapes, glb)
    if glb.shaped:
        raise UserError(
            f"the head {path.name} has no ARKit face shapes (jawOpen, mouthPucker ...) nor visemes, so it can't speak"
        )
    return _without_shapes(path.stem, primitives, glb)


def _without_shapes(name: str, primitives: list[Primitive], glb: Glb) -> Head:
    from .bare import give_shapes  # which takes the shapes from a head that is read here

    made = give_shapes(name, primitives)
    return assemble(name, made.primitives, made.shapes, made.missing, glb.textures, {"transferred": True}, made.notes)


def _with_shapes(name: str, primitives: list[Primitive], shapes: Shapes, glb: Glb) -> Head:
    stacked = shapes.stacked([len(primitive.positions) for primitive in primitives])
    stance = find_stance(np.concatenate([primitive.positions for primitive in primitives]), stacked)
    if stance is None:
        raise UserError(f"the head {name} has shapes for speech, but none of them moves a face")
    primitives = [replace(one, positions=stance.points(one.positions)) for one in primitives]
    shapes.offsets = [{key: stance.offsets(values) for key, values in one.items()} for one in shapes.offsets]
    notes = [*stance.notes, *shapes.notes()]
    primitives, cropped = crop_to_bust(primitives, shapes, stance)
    if cropped:
        notes.append("of its body head and shoulders are shown")
    if glb.skinned:
        notes.append("its skeleton is not used")
    stacked = shapes.stacked([len(primitive.positions) for primitive in primitives])
    for column in shapes.whole:
        keep_side(stacked, column, np.concatenate([one.positions for one in primitives])[:, 0], stance)
    return assemble(name, primitives, stacked, shapes.missing, glb.textures, dict(glb.extras or {}), notes)


def crop_to_bust(primitives: list[Primitive], shapes: Shapes, stance: Stance) -> tuple[list[Primitive], bool]:
    """-> the faces about the head, of an avatar with a body, and whether anything was cut off; shapes follow suit"""
    size, mouth = stance.eyes_to_mouth, stance.mouth
    if min(primitive.positions[:, 1].min() for primitive in primitives) > mouth[1] - BODY * size:
        return primitives, False
    kept, offsets = [], []
    for primitive, moved in zip(primitives, shapes.offsets):
        away = np.abs(primitive.positions - mouth)
        inside = (primitive.positions[:, 1] > mouth[1] - BUST * size) & (away.max(1) < SHOULDERS * size)
        faces = primitive.faces[inside[primitive.faces].all(1)]
        if not len(faces):
            continue
        used, faces = np.unique(faces, return_inverse=True)
        kept.append(_chosen(primitive, used, faces.reshape(-1, 3).astype(np.int32)))
        offsets.append({column: values[used] for column, values in moved.items()})
    shapes.offsets = offsets
    return kept, True


def _chosen(primitive: Primitive, used: np.ndarray, faces: np.ndarray) -> Primitive:
    """The vertices `used` of a primitive, with faces that refer to those; stored regions are lost."""

    def pick(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[used]

    return replace(
        primitive,
        positions=primitive.positions[used],
        faces=faces,
        colours=pick(primitive.colours),
        texcoords=pick(primitive.texcoords),
        extras={},
    )


def assemble(
    name: str,
    primitives: list[Primitive],
    shapes: np.ndarray,
    missing: list[str],
    textures: list[np.ndarray],
    extras: dict[str, Any],
    notes: list[str],
) -> Head:
    """shapes: (52, V, 3) of the primitives' vertices one after another"""
    starts = [0, *accumulate(len(primitive.positions) for primitive in primitives)]
    face_starts = [0, *accumulate(len(primitive.faces) for primitive in primitives)]
    vertices = np.concatenate([primitive.positions for primitive in primitives])
    faces = np.concatenate([primitive.faces + start for primitive, start in zip(primitives, starts)]).astype(np.int32)
    colours = np.ones((len(vertices), 4), np.float32)
    texcoords = np.zeros((len(vertices), 2), np.float32)
    parts, regions = [], {}
    for index, primitive in enumerate(primitives):
        span = slice(starts[index], starts[index + 1])
        material = primitive.material
        parts.append(
            Part(f"{primitive.name} {material.name}", span, slice(face_starts[index], face_starts[index + 1]), material)
        )
        colours[span] = material.colour
        if primitive.colours is not None:
            colours[span] *= primitive.colours
        if primitive.texcoords is not None:
            texcoords[span] = primitive.texcoords
        for region, members in (primitive.extras.get("regions") or {}).items():
            regions.setdefault(str(region), []).append(_region(name, region, members, span))
    regions = {region: np.concatenate(pieces) for region, pieces in regions.items()}
    regions = find_regions(vertices, shapes, [part.vertices for part in parts], known=regions)
    neck = find_neck(vertices, shapes[ARKIT_NAMES.index("jawOpen")])
    return Head(
        name, vertices, faces, parts, shapes, colours, texcoords, textures, missing, regions, neck, extras, notes
    )


def _region(head: str, name: str, members: Any, span: slice) -> np.ndarray:
    """Indices into one mesh -> indices into the head."""
    indices = np.asarray(members)
    count = span.stop - span.start
    whole = indices.ndim == 1 and (indices.dtype.kind in "iu" or len(indices) == 0)
    if not whole or (len(indices) and not 0 <= indices.min() <= indices.max() < count):
        raise UserError(f"the head {head} has a region {name!r} that refers to vertices that don't exist")
    return indices.astype(np.int64) + span.start
