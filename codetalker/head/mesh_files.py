"""Bare meshes: OBJ, PLY and STL files, read with distrust. No material, texture or other file is ever opened."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from ..errors import UserError
from .gltf import MAX_BYTES, MAX_FACES, MAX_VERTICES, Material, Primitive
from .surface import untangle

SUFFIXES = (".obj", ".ply", ".stl")
SRGB = 2.2  # exponent of the colours that such files hold

_VERTEX_OR_FACE = re.compile(rb"^[ \t]*[vf][ \t].*", re.MULTILINE)
_CORNER = re.compile(rb"(-?\d+)/\S*")  # index/texture/normal


def read_mesh(path: Path) -> Primitive:
    """Raises UserError, one sentence, for a file that is no sound mesh of reasonable size."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"the head {path.name} is not usable: it is larger than {MAX_BYTES // 2**20} MB")
        content = path.read_bytes()
        made = {".obj": read_obj, ".ply": read_ply, ".stl": _stl}[path.suffix.lower()](content)
        vertices, faces, colours = _arrays(made)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"the head {path.name} can't be read: {error.strerror}") from error
    except Exception as error:  # trimesh's readers raise almost anything on a broken file
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"the head {path.name} is not a mesh that can be read: {reason}") from error
    _check(path.name, vertices, faces)
    return Primitive(path.stem, vertices, faces, Material(), colours=colours)


def read_obj(content: bytes) -> dict:
    """Positions, colours and faces alone: texture coordinates, normals and groups would reorder them."""
    from trimesh.exchange.obj import load_obj

    kept = _CORNER.sub(rb"\1", b"\n".join(_VERTEX_OR_FACE.findall(content)))
    made = load_obj(io.BytesIO(kept), resolver=None, skip_materials=True, maintain_order=True)
    return next(iter(made.get("geometry", {}).values()), made)


def read_ply(content: bytes) -> dict:
    """Texture coordinates would split vertices, so they stay unread."""
    from trimesh.exchange.ply import load_ply

    declared = sum(int(count) for count in re.findall(rb"^element\s+\w+\s+(\d{1,18})", content[:65536], re.MULTILINE))
    if declared > len(content):
        raise ValueError("it is cut off")
    return load_ply(io.BytesIO(content), resolver=None, fix_texture=False, skip_materials=True)


def _stl(content: bytes) -> dict:
    from trimesh.exchange.stl import load_stl

    made = load_stl(io.BytesIO(content))
    made = next(iter(made.get("geometry", {}).values()), made)
    return {"vertices": made["vertices"], "faces": made["faces"], "soup": True}


def triangles(made: dict) -> tuple[np.ndarray, np.ndarray]:
    """Of what was read: vertices (V, 3), faces (F, 3) int64, polygons cut up."""
    from trimesh.geometry import triangulate_quads

    faces = np.asarray(triangulate_quads(made["faces"])) if "faces" in made else np.zeros((0, 3))
    return np.asarray(made.get("vertices", np.zeros((0, 3))), np.float64).reshape(-1, 3), faces.astype(np.int64)


def _arrays(made: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    vertices, faces = triangles(made)
    with np.errstate(over="ignore"):
        vertices = vertices.astype(np.float32)
    colours = made.get("vertex_colors")
    colours = None if colours is None or len(colours) != len(vertices) else _linear(np.asarray(colours))
    if 0 < len(faces) <= MAX_FACES and 0 <= faces.min() <= faces.max() < len(vertices) and np.isfinite(vertices).all():
        copied, faces = untangle(vertices, faces, made.get("soup", False))
        vertices, colours = vertices[copied], None if colours is None else colours[copied]
    return vertices, faces.astype(np.int32), colours


def _linear(colours: np.ndarray) -> np.ndarray:
    """(V, 3 or 4) of 0 to 255 or 0 to 1, sRGB -> (V, 4) float32 linear"""
    whole = colours.dtype.kind in "ui" or colours.max(initial=0.0) > 1.0
    shares = np.clip(colours[:, :3].astype(np.float32) / (255.0 if whole else 1.0), 0.0, 1.0)
    return np.hstack([shares**SRGB, np.ones((len(shares), 1), np.float32)])


def _check(name: str, vertices: np.ndarray, faces: np.ndarray) -> None:
    told = None
    if not len(faces):
        told = "it has no faces"
    elif len(vertices) > MAX_VERTICES or len(faces) > MAX_FACES:
        told = f"it has more than {MAX_VERTICES} vertices or {MAX_FACES} faces"
    elif faces.min() < 0 or faces.max() >= len(vertices):
        told = "its faces refer to vertices that don't exist"
    elif not np.isfinite(vertices).all():
        told = "it holds numbers that are not finite"
    elif not np.ptp(vertices, axis=0).min() > 0:
        told = "it is flat"
    if told:
        raise UserError(f"the head {name} is not usable: {told}")
