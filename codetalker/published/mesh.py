"""The topology of a data set: the faces of one of its meshes, a .ply or .obj, in the mesh's own order of vertices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..head.mesh_files import read_obj, read_ply, triangles


@dataclass(frozen=True)
class Mesh:
    """vertices: (V, 3) float32; faces: (F, 3) int32, without the degenerate ones, which are counted"""

    vertices: np.ndarray
    faces: np.ndarray
    degenerate: int


def read_topology(path: Path, vertices: int) -> Mesh:
    """Polygons are cut into triangles. No other file is opened, whatever materials or textures this one names."""
    kind = path.suffix.lower()
    if kind not in (".ply", ".obj"):
        raise UserError(f"{path}: a topology is a .ply or .obj")
    try:
        points, faces = triangles((read_ply if kind == ".ply" else read_obj)(path.read_bytes()))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except Exception as error:  # trimesh's readers raise almost anything on a broken file
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{path} is not a mesh that can be read: {reason}") from error
    if len(points) != vertices:
        raise UserError(f"{path} has {len(points)} vertices, but the config says {vertices}")
    if not len(faces):
        raise UserError(f"{path} has no faces")
    if faces.min() < 0 or faces.max() >= vertices:
        wrong = faces.min() if faces.min() < 0 else faces.max()
        raise UserError(f"{path}: a face names the vertex {wrong}, but they are numbered 0 to {vertices - 1}")
    a, b, c = faces.T
    degenerate = (a == b) | (b == c) | (a == c)
    if degenerate.all():
        raise UserError(f"{path}: each of its {len(faces)} faces has the same vertex twice")
    with np.errstate(over="ignore"):
        points = points.astype(np.float32)
    if not np.isfinite(points).all():
        raise UserError(f"{path} has vertices that are no numbers")
    return Mesh(points, faces[~degenerate].astype(np.int32), int(degenerate.sum()))
