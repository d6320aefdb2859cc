"""A part of a head: a mesh with its material, colours and morph targets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Material:
    """colour: sRGB factors 0 to 1 that multiply the vertex colours; roughness as in glTF."""

    name: str
    roughness: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    double_sided: bool = False
    blended: bool = False  # the parts' opacity counts


@dataclass
class Part:
    """vertices: (V, 3) mm; faces: (F, 3); colours: (V, 3) sRGB, or (V, 4) with opacity;
    shapes: ARKit name -> (V, 3) mm; regions: indices.
    """

    name: str
    material: Material
    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    shapes: dict[str, np.ndarray] = field(default_factory=dict)
    regions: dict[str, np.ndarray] = field(default_factory=dict)


def joined(name: str, parts: list[Part]) -> Part:
    """Parts of one material as one; a shape that one of them lacks leaves it still."""
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    shapes = {}
    for shape in sorted({s for p in parts for s in p.shapes}):
        shapes[shape] = np.vstack([p.shapes.get(shape, np.zeros_like(p.vertices)) for p in parts])
    return Part(
        name,
        parts[0].material,
        np.vstack([p.vertices for p in parts]),
        np.vstack([p.faces + s for p, s in zip(parts, starts[:-1], strict=True)]),
        np.vstack([p.colours for p in parts]),
        shapes,
        {k: v + s for p, s in zip(parts, starts[:-1], strict=True) for k, v in p.regions.items()},
    )


def grid_faces(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles of a rows x columns grid of vertices, row by row; closed joins the last column to the first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.column_stack([index, index[:, 0]])
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.vstack([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def turned(vertices: np.ndarray, centre: np.ndarray, degrees: float, axis: str) -> np.ndarray:
    """Vertices turned about the centre; positive about x looks down, about y to the head's left."""
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    matrix = (
        np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) if axis == "x" else np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    )
    return (vertices - centre) @ matrix.T + centre


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, weighted by the faces' areas."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(total, faces[:, i], normal)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
