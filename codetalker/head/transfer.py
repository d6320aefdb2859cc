"""Shapes for a head that has none, from one of ours: it is laid onto the other, and what moves there moves here.

A shape is carried over by the warp that lays one head onto the other: where that moves x to W(x), a shape that moves x
by d moves W(x) by W(x + d) - W(x). After Sumner and Popovic 2004, with a smooth warp in the place of their triangles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from ..errors import UserError
from ..motion import ARKIT_NAMES
from .library import list_heads, load_head
from .model import Head, Part
from .profile import Profile
from .registration import Eye, Face, Warp, find_face, has_nose, lay_onto, likeness, search_key
from .surface import Surface, hang_together, smoothing, spread

SOURCE = "alex"  # of our heads the one whose shapes are carried over
MOVING = 2e-5  # metres: what moves less is still
SAMPLES = 60_000  # of the source
NEAREST = 4  # samples of the source that move a vertex
NEAR, FAR = 0.012, 0.030  # metres: what is further from the source than FAR stands still
SMOOTHED = 1  # passes
MISFIT = 0.003  # metres: a face that is laid worse is no face
NO_FACE = "in the head {} no face was found to carry shapes over to: it must be a head by itself, with a nose"
SOFT = 0.1  # of a piece's motion: what is not rigid to that share is soft, as the lining of a mouth
RIGID = (12, 400)  # a piece of so many points at least, of so many pieces, moves as one


@dataclass(frozen=True)
class Transferred:
    """shapes: (52, V, 3) float32; kinds: (V,) index of the source's part that a vertex is most like, or -1;
    colours: (V, 4) of the source there; face: the skin
    places: (S, 3), moved: (52, S, 3) the source's vertices laid onto the face, and its shapes there
    misfit: metres, the median of the face's distances
    """

    shapes: np.ndarray
    kinds: np.ndarray
    colours: np.ndarray
    face: Face
    source: Head
    places: np.ndarray
    moved: np.ndarray
    misfit: float


@dataclass(frozen=True)
class Source:
    head: Head
    face: Face
    like: tuple[Profile, float]  # the profile, and the level of the mouth above the tip of the nose
    eyes: list[Eye]


@lru_cache(maxsize=1)
def our_source() -> Source:
    head = load_head(SOURCE if SOURCE in list_heads() else list_heads()[0])
    part = skin_part(head)
    vertices, faces = head.vertices[part.vertices].astype(np.float64), head.faces[part.faces] - part.vertices.start
    upper = head.vertices[head.regions["inner_lip_upper"]]
    meeting = upper[np.abs(upper[:, 0]).argmin()]
    tip = find_face(vertices, faces, -0.035).profile.tip
    level = float(meeting[1] - tip[1])
    face = find_face(vertices, faces, level)
    return Source(head, face, (face.profile, level), _eyes(head, float(face.mouth[0])))


def _eyes(head: Head, middle: float) -> list[Eye]:
    """The eyeballs, whether they are one part or two"""
    balls = np.concatenate([head.vertices[part.vertices] for part in head.parts if "eye" in part.name])
    eyes = []
    for ball in (balls[balls[:, 0] > middle], balls[balls[:, 0] <= middle]):
        if len(ball):
            low, high = ball.min(0).astype(np.float64), ball.max(0).astype(np.float64)
            eyes.append(Eye(0.5 * (low + high), 0.5 * float(high[1] - low[1])))
    return eyes


def skin_part(head: Head) -> Part:
    """The part that the jaw moves most of"""
    travel = np.linalg.norm(head.shapes[ARKIT_NAMES.index("jawOpen")], axis=1)
    return max(head.parts, key=lambda part: travel[part.vertices].sum())


def transfer_shapes(name: str, vertices: np.ndarray, faces: np.ndarray) -> Transferred:
    """vertices: (V, 3) metres, y up, looking to +z; faces: (F, 3). Raises UserError where no face is found."""
    source = our_source()
    surface = hang_together(vertices, faces)
    of_skin, skin_faces = skin_of(surface)
    try:
        face = find_face(vertices[of_skin].astype(np.float64), skin_faces, source.like)
        warp, misfit = lay_onto(source.face, face, source.eyes)
    except (ValueError, IndexError, np.linalg.LinAlgError) as error:
        raise UserError(NO_FACE.format(name)) from error
    if not misfit < MISFIT:
        raise UserError(NO_FACE.format(name))
    side = np.zeros(len(surface.points))
    if face.parted:
        side[surface.point[of_skin]] = face.lips.side[face.surface.point]
    moved = _carry(source, warp)
    points, kinds, colours = _look_up(source, warp, surface, side, moved)
    return Transferred(
        np.ascontiguousarray(points[:, surface.point]),
        kinds[surface.point],
        colours[surface.point],
        face,
        source.head,
        warp(source.head.vertices.astype(np.float64)),
        moved,
        misfit,
    )


def skin_of(surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """-> (N,) the vertices of the skin, (F, 3) faces that refer to those"""
    chosen = np.flatnonzero(_skin(surface)[surface.point])
    places = np.full(len(surface.vertices), -1)
    places[chosen] = np.arange(len(chosen))
    faces = places[surface.faces]
    return chosen, faces[(faces >= 0).all(1)]


def how_like(vertices: np.ndarray, faces: np.ndarray) -> float:
    """How far a skin is off our face when that is only stretched, metres; infinite where none is seen.

    vertices: (V, 3) metres, y up, looking to +z; faces: (F, 3)
    """
    source = our_source()
    try:
        if not has_nose(vertices, faces):
            return np.inf
        return likeness(source.face, find_face(vertices, faces, source.like))
    except (ValueError, IndexError, np.linalg.LinAlgError):
        return np.inf


def _skin(surface: Surface) -> np.ndarray:
    """(P,) whether a point belongs to the piece of the largest area"""
    corners = surface.vertices[surface.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    piece = surface.piece[surface.point[surface.faces[:, 0]]]
    return surface.piece == np.bincount(piece, areas).argmax()


def _carry(source: Source, warp: Warp) -> np.ndarray:
    """(52, S, 3) float32 what the shapes of the source move its vertices by, where it has been laid onto another"""
    head = source.head
    rest = warp(head.vertices.astype(np.float64))
    shape, vertex = np.nonzero(np.linalg.norm(head.shapes, axis=2) > MOVING)
    there = warp((head.vertices[vertex] + head.shapes[shape, vertex]).astype(np.float64))
    moved = np.zeros_like(head.shapes)
    moved[shape, vertex] = there - rest[vertex]
    return moved


def _look_up(
    source: Source, warp: Warp, surface: Surface, side: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each point of the surface, from the nearest of the source that look the same way: shapes, part, colour."""
    head = source.head
    own = _skin(surface)
    vertices, shares = np.zeros((len(own), 3 * NEAREST), int), np.zeros((len(own), 3 * NEAREST))
    gap = np.zeros(len(own))
    placed, normals = warp(head.vertices.astype(np.float64)), _normals(surface)
    for rows, parts in ((own, [skin_part(head)]), (~own, body_parts(head))):
        if rows.any():
            among = _Laid(source, placed, parts, two_lips=side.any())
            vertices[rows], shares[rows], gap[rows] = among.nearest(surface.points[rows], normals[rows], side[rows])
    fade = np.clip((FAR - gap) / (FAR - NEAR), 0.0, 1.0)[:, None]
    count = len(own)
    rows = np.repeat(np.arange(count), vertices.shape[1])
    blend = csr_matrix(((shares * fade).astype(np.float32).ravel(), (rows, vertices.ravel())), (count, len(placed)))
    blend = smoothing(surface, SMOOTHED) @ blend
    flat = moved.transpose(1, 0, 2).reshape(len(placed), -1)
    result = np.ascontiguousarray((blend @ flat).reshape(count, len(moved), 3).transpose(1, 0, 2))
    _stiffen(result, surface)
    part = np.zeros(len(head.vertices), int)
    for index, one in enumerate(head.parts):
        part[one.vertices] = index
    return result, _of_pieces(part[vertices[:, 0]], surface), np.einsum("pk,pkd->pd", shares, head.colours[vertices])


class _Laid:
    """Parts of the source as they were laid onto another head."""

    def __init__(self, source: Source, placed: np.ndarray, parts: list[Part], two_lips: bool) -> None:
        head, skin = source.head, skin_part(source.head)
        self.faces = np.concatenate([head.faces[part.faces] for part in parts])
        self.samples, self.placed = spread(placed, self.faces, SAMPLES), placed
        lips = np.zeros(len(head.vertices))
        if two_lips:
            lips[skin.vertices] = source.face.lips.side[source.face.surface.point]
        sides = lips[self.faces[self.samples.face]]
        foremost = sides[np.arange(len(sides)), np.abs(sides).argmax(1)]
        self.tree = cKDTree(search_key(self.samples.places, self.samples.normals, foremost))

    def nearest(
        self, points: np.ndarray, normals: np.ndarray, side: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """-> (P, NEAREST * 3) vertices of the source, their shares, which add up to 1, and how far they are (P,)"""
        _, row = self.tree.query(search_key(points, normals, side), k=NEAREST)
        corners = self.faces[self.samples.face[row]]  # (P, NEAREST, 3)
        shares = _barycentric(points[:, None], self.placed[corners])
        there = np.einsum("pkc,pkcd->pkd", shares, self.placed[corners])
        distance = np.linalg.norm(points[:, None] - there, axis=2)
        weights = 1.0 / np.maximum(distance, 1e-5) ** 2
        shares *= (weights / weights.sum(1, keepdims=True))[:, :, None]
        gap = distance.min(1)
        return corners.reshape(len(row), -1), shares.reshape(len(row), -1), gap


def _barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """points: (..., 3), corners: (..., 3, 3) of triangles -> (..., 3) shares of the corners, none below 0"""
    along, other = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    offset = points - corners[..., 0, :]
    aa, ab, bb = ((one * two).sum(-1) for one, two in ((along, along), (along, other), (other, other)))
    pa, pb = (offset * along).sum(-1), (offset * other).sum(-1)
    size = np.maximum(aa * bb - ab * ab, 1e-20)
    second, third = (bb * pa - ab * pb) / size, (aa * pb - ab * pa) / size
    shares = np.clip(np.stack([1.0 - second - third, second, third], -1), 0.0, 1.0)
    return shares / shares.sum(-1, keepdims=True)


def _of_pieces(part: np.ndarray, surface: Surface) -> np.ndarray:
    """(P,) the part that most of a connected piece is like"""
    count = part.max() + 1
    votes = np.bincount(surface.piece * count + part, minlength=(surface.piece.max() + 1) * count)
    return votes.reshape(-1, count).argmax(1)[surface.piece]


def body_parts(head: Head) -> list[Part]:
    """Skin, eyes, teeth and what is in the mouth: not hair and clothes"""
    travel = np.abs(head.shapes).sum((0, 2))
    skin = skin_part(head)
    words = ("eye", "teeth", "mouth", "tongue", "gum")
    return [
        part
        for part in head.parts
        if part is skin or (travel[part.vertices].any() and any(word in part.name for word in words))
    ]


def _stiffen(shapes: np.ndarray, surface: Surface) -> None:
    """Pieces apart from the skin, such as eyes, teeth and brows, move as one: by an affine map for each shape."""
    skin = _skin(surface)
    pieces, sizes = np.unique(surface.piece[~skin], return_counts=True)
    for piece in pieces[np.argsort(-sizes)][: RIGID[1]]:
        members = np.flatnonzero(surface.piece == piece)
        if len(members) < RIGID[0]:
            continue
        place = surface.points[members] - surface.points[members].mean(0)
        basis = np.hstack([place / max(np.abs(place).max(), 1e-9), np.ones((len(members), 1))])
        moved = shapes[:, members].transpose(1, 0, 2).reshape(len(members), -1)
        fitted = basis @ np.linalg.lstsq(basis, moved, rcond=None)[0]
        if np.square(fitted - moved).sum() > SOFT * np.square(moved).sum():
            continue
        shapes[:, members] = fitted.reshape(len(members), len(shapes), 3).transpose(1, 0, 2)


def _normals(surface: Surface) -> np.ndarray:
    corners = surface.vertices[surface.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(surface.points)
    for corner in range(3):
        np.add.at(normals, surface.point[surface.faces[:, corner]], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
