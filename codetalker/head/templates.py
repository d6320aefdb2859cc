"""A head made of a bare mesh: the template of a published model, which has neither shapes nor colours."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ..errors import UserError
from ..motion import ARKIT_NAMES
from .gltf import Material
from .model import Head, Part, find_neck

SKIN = (0.60, 0.33, 0.24, 1.0)  # linear, as the colours below
WHITE, IRIS, PUPIL = (0.80, 0.76, 0.74, 1.0), (0.14, 0.22, 0.26, 1.0), (0.01, 0.01, 0.01, 1.0)
IRIS_ANGLE, PUPIL_ANGLE = 0.50, 0.20  # radians off the eye's axis
ROUND = 0.06  # how far the surface of an eye may leave a sphere, of its radius
EYE_SIZES = (0.02, 0.12)  # radii of the eyes, of the head's height
HOLE = 0.45  # extent of the largest hole that is closed, of the head's width
KEPT = 8  # heads whose preparation is kept


class Ball(NamedTuple):
    """A part of the mesh that is a sphere. vertices: (N,) indices, centre: (3,), radius"""

    vertices: np.ndarray
    centre: np.ndarray
    radius: float


def template_head(name: str, vertices: np.ndarray, faces: np.ndarray) -> Head:
    """vertices: (V, 3) in any unit, y up, the face looking to +z; faces: (F, 3) -> a head without shapes

    The same template gives the same head, which the renderer prepares once.
    Raises UserError for a mesh that shows no surface.
    """
    vertices, faces = np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32)
    span = np.ptp(vertices, axis=0)
    if not len(faces) or not span.min() > 0:
        raise UserError(
            f"the template {name} is no head: {len(faces)} faces, {span[0]:.3g} x {span[1]:.3g} x {span[2]:.3g}"
        )
    return _made(name, vertices.tobytes(), faces.tobytes())


@lru_cache(maxsize=KEPT)
def _made(name: str, vertex_bytes: bytes, face_bytes: bytes) -> Head:
    vertices = np.frombuffer(vertex_bytes, np.float32).reshape(-1, 3)
    faces = _outward(vertices, np.frombuffer(face_bytes, np.int32).reshape(-1, 3))
    colours = np.tile(np.float32(SKIN), (len(vertices), 1))
    eyes = find_eyes(vertices, faces)
    for eye in eyes:
        colours[eye.vertices] = _eye_colours(vertices[eye.vertices], eye)
    ordered, parts = _parts(len(vertices), faces, eyes)
    still = np.zeros_like(vertices)
    return Head(
        name=name,
        vertices=vertices,
        faces=ordered,
        parts=parts,
        shapes=np.broadcast_to(still, (len(ARKIT_NAMES), *still.shape)),
        colours=colours,
        texcoords=np.zeros((len(vertices), 2), np.float32),
        textures=[],
        missing=list(ARKIT_NAMES),
        regions={},
        neck=find_neck(vertices, still),
    )


def _outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces seen from outside, whichever way round the file has them: so that the volume is positive."""
    corners = vertices[faces].astype(np.float64) - vertices.mean(0)
    volume = np.einsum("fc,fc->", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2])
    return faces if volume > 0 else faces[:, ::-1]


def find_eyes(vertices: np.ndarray, faces: np.ndarray) -> list[Ball]:
    """The pair of balls, as FLAME has, that lie apart from the skin in the list of vertices; else none."""
    labels = _pieces(len(vertices), faces)
    sizes = np.bincount(labels)
    balls = []
    for label in np.flatnonzero((sizes >= 32) & (sizes < 0.3 * len(vertices))):
        members = np.flatnonzero(labels == label)
        points = vertices[members]
        centre = 0.5 * (points.min(0) + points.max(0))
        distance = np.linalg.norm(points - centre, axis=1)
        radius = float(distance.mean())
        low, high = EYE_SIZES
        size_fits = low < radius / np.ptp(vertices[:, 1]) < high
        if size_fits and distance.std() < ROUND * radius and np.ptp(members) == len(members) - 1:
            balls.append(Ball(members, centre, radius))
    alike = len(balls) == 2 and abs(balls[0].radius / balls[1].radius - 1.0) < 0.2
    return balls if alike else []


def find_holes(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) faces, seen from both sides, that close small holes: parted lips, say, through which one could look.

    A hole that another piece of the mesh fills, as an eye does, is left; so are a neck's end and the rim of a mask.
    """
    labels = _pieces(len(vertices), faces)
    shown = np.bincount(faces.ravel(), minlength=len(vertices)) > 0
    closing = [np.zeros((0, 3), np.int64)]
    for loop in _rims(faces):
        points = vertices[loop]
        extent = np.ptp(points, axis=0).max()
        others = vertices[shown & (labels != labels[loop[0]])]
        distance = np.linalg.norm(others - points.mean(0), axis=1).min(initial=np.inf)
        if extent < HOLE * np.ptp(vertices[:, 0]) and distance > 0.5 * extent:
            closing.append(_strip(np.roll(loop, -int(points[:, 0].argmin()))))
    plates = np.concatenate(closing)
    return np.concatenate([plates, plates[:, ::-1]])


def _pieces(count: int, faces: np.ndarray) -> np.ndarray:
    """(V,) a number for each connected piece"""
    edges = csr_matrix((np.ones(3 * len(faces)), (faces.ravel(), np.roll(faces, 1, 1).ravel())), (count, count))
    return connected_components(edges, directed=False)[1]


def _rims(faces: np.ndarray) -> list[np.ndarray]:
    """The open edges as closed loops of vertices; what forks is left out."""
    starts, ends = faces.ravel().astype(np.int64), np.roll(faces, -1, 1).ravel().astype(np.int64)
    size = int(faces.max()) + 1
    there, back = starts * size + ends, ends * size + starts
    open_edges = ~np.isin(there, back)
    following: dict[int, int] = dict(zip(starts[open_edges].tolist(), ends[open_edges].tolist()))
    loops = []
    while following:
        first, here = following.popitem()
        loop = [first]
        while here != first and here in following:
            loop.append(here)
            here = following.pop(here)
        if here == first and len(loop) > 2:
            loops.append(np.array(loop))
    return loops


def _strip(loop: np.ndarray) -> np.ndarray:
    """(F, 3) triangles across a loop that starts in one of its corners, from side to side"""
    low, high, faces = 0, len(loop) - 1, []
    while high - low > 1:
        faces.append((loop[low], loop[low + 1], loop[high]))
        low += 1
        if high - low > 1:
            faces.append((loop[low], loop[high - 1], loop[high]))
            high -= 1
    return np.array(faces)


def _eye_colours(points: np.ndarray, eye: Ball) -> np.ndarray:
    """(N, 4) by the angle off the axis, which looks to +z; the borders are as soft as the mesh is coarse"""
    direction = (points - eye.centre) / np.maximum(np.linalg.norm(points - eye.centre, axis=1, keepdims=True), 1e-12)
    angle = np.arccos(np.clip(direction[:, 2], -1.0, 1.0))[:, None]
    colours = np.where(angle < IRIS_ANGLE, np.float32(IRIS), np.float32(WHITE))
    return np.where(angle < PUPIL_ANGLE, np.float32(PUPIL), colours)


def _parts(count: int, faces: np.ndarray, eyes: list[Ball]) -> tuple[np.ndarray, list[Part]]:
    """The faces in the order of the parts, and the parts: eyes first or last as in the file, the rest is skin.

    Where the skin's vertices are no single range, all is skin: colours alone make the eyes then.
    """
    owner = np.zeros(count, np.int64)
    for number, eye in enumerate(eyes, 1):
        owner[eye.vertices] = number
    skin = np.flatnonzero(owner == 0)
    if np.ptp(skin) != len(skin) - 1:
        owner[:] = 0
    owners = owner[faces[:, 0]]
    order = np.argsort(owners, kind="stable")
    parts = []
    for number in np.unique(owner):
        members, used = np.flatnonzero(owner == number), np.flatnonzero(owners[order] == number)
        kind = "eye" if number else "skin"
        material = Material(name=kind, roughness=0.1 if number else 0.55, double_sided=not number)
        span = slice(int(members[0]), int(members[-1]) + 1)
        parts.append(Part(kind, span, slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0), material))
    return faces[order], parts
