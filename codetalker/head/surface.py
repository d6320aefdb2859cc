"""What is connected with what on a mesh, whatever way a file splits its vertices, and points spread over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags_array, eye_array
from scipy.sparse.csgraph import connected_components

MOST_CROWDED = 20_000  # edges of four faces that are looked at
SAME = 1e-5  # of the height: vertices nearer than this are one point


@dataclass(frozen=True)
class Surface:
    """A mesh whose faces hang together where they share an edge, at seams of textures and in a soup of triangles too.

    Where four faces meet in an edge, as between lips that touch, those hang together that have flesh between them.
    vertices: (V, 3), faces: (F, 3) as in the file; points: (P, 3), point: (V,) the point of each vertex,
    piece: (P,) the connected piece of each point
    """

    vertices: np.ndarray
    faces: np.ndarray
    points: np.ndarray
    point: np.ndarray
    piece: np.ndarray
    edges: np.ndarray  # (E, 2) of points, each once

    @property
    def graph(self) -> csr_matrix:
        """(P, P) symmetric, the lengths of the edges"""
        start, end = self.edges.T
        lengths = np.linalg.norm(self.points[start] - self.points[end], axis=1) + 1e-9
        both = np.concatenate([lengths, lengths])
        count = len(self.points)
        return csr_matrix((both, (np.concatenate([start, end]), np.concatenate([end, start]))), (count, count))


def hang_together(vertices: np.ndarray, faces: np.ndarray) -> Surface:
    """vertices: (V, 3), faces: (F, 3)"""
    faces = faces.astype(np.int64)
    starts, ends = _edges(faces)
    joins = [*_across_edges(vertices, faces), _by_vertex(faces)]
    count, corner_point = _groups(faces.size, joins)
    point = np.full(len(vertices), -1, np.int64)
    point[faces.ravel()] = corner_point
    unused = np.flatnonzero(point < 0)
    point[unused] = count + np.arange(len(unused))
    points = np.zeros((count + len(unused), 3))
    points[point] = vertices
    edges = np.unique(np.sort(np.stack([corner_point[starts], corner_point[ends]], 1), axis=1), axis=0)
    return Surface(vertices, faces, points, point, _groups(len(points), [tuple(edges.T)])[1], edges)


def untangle(vertices: np.ndarray, faces: np.ndarray, soup: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """-> (N,) of which vertex each new one is a copy, (F, 3) faces that refer to the new ones

    Lips that were welded to each other, where four faces meet in an edge, become two again. soup: no two faces share
    vertices in the file, so that those at one place become one.
    """
    faces = faces.astype(np.int64)
    joins = _across_edges(vertices, faces)
    if not soup:
        one, other = _by_vertex(faces)
        tangled = np.zeros(len(vertices), bool)
        tangled[_crowded(vertices, faces)] = True
        free = ~tangled[faces.ravel()[one]]
        joins.append((one[free], other[free]))
    count, corner = _groups(faces.size, joins)
    first = np.full(count, len(vertices), np.int64)
    np.minimum.at(first, corner, faces.ravel())
    order = np.argsort(first, kind="stable")
    number = np.empty(count, np.int64)
    number[order] = np.arange(count)
    return first[order], number[corner].reshape(-1, 3)


def _edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3 F,) the corners at which the faces' edges start and end"""
    corners = np.arange(faces.size).reshape(-1, 3)
    return corners.ravel(), np.roll(corners, -1, 1).ravel()


def _uses(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, ...]:
    """-> (3 F,) the place of each corner, the edges in an order in which those at one place follow each other, where
    each place begins there, how many it has
    """
    grain = SAME * max(float(np.ptp(vertices, axis=0).max()), 1e-12)
    _, place = np.unique(np.round(vertices / grain).astype(np.int64), axis=0, return_inverse=True)
    where = place.ravel()[faces.ravel()]
    starts, ends = _edges(faces)
    low, high = np.minimum(where[starts], where[ends]), np.maximum(where[starts], where[ends])
    key = low * (where.max() + 1) + high
    order = np.argsort(key, kind="stable")
    first, uses = np.unique(key[order], return_index=True, return_counts=True)[1:]
    return where, order, first, uses


def _across_edges(vertices: np.ndarray, faces: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pairs of corners that two faces have at the ends of their edge, where both bound the same flesh"""
    where, order, first, uses = _uses(vertices, faces)
    starts, ends = _edges(faces)
    one, other = [order[first[uses == 2]]], [order[first[uses == 2] + 1]]
    for begin, count in list(zip(first[uses == 4], uses[uses == 4]))[:MOST_CROWDED]:
        edges = order[begin : begin + count]
        for pair in _through_flesh(vertices, faces, edges, where[starts[edges]]):
            one.append(edges[pair[:1]])
            other.append(edges[pair[1:]])
    one, other = np.concatenate(one), np.concatenate(other)
    flip = where[starts[one]] != where[starts[other]]
    return [
        (starts[one], np.where(flip, ends[other], starts[other])),
        (ends[one], np.where(flip, starts[other], ends[other])),
    ]


def _through_flesh(vertices: np.ndarray, faces: np.ndarray, edges: np.ndarray, begins: np.ndarray) -> list[np.ndarray]:
    """Pairs of the four faces around an edge, numbered as `edges` (4,), that follow each other on their inner side.

    begins: (4,) the place at which each face's edge starts, which tells the way round.
    """
    corner = vertices[faces[edges // 3]].astype(np.float64)  # (4, 3, 3)
    rows, start = np.arange(4), edges % 3
    there, back, aside = corner[rows, start], corner[rows, (start + 1) % 3], corner[rows, (start + 2) % 3]
    axis = back[0] - there[0]
    axis /= max(np.linalg.norm(axis), 1e-12)
    away = aside - there - ((aside - there) @ axis)[:, None] * axis
    level = away[0] / max(np.linalg.norm(away[0]), 1e-12)
    angle = np.arctan2(away @ np.cross(axis, level), away @ level)
    # a face whose edge runs along the axis has its outer side towards larger angles
    inward = np.where(begins == begins[0], -1, 1)
    around = np.argsort(angle, kind="stable")
    place = np.argsort(around)
    partner = around[(place + inward) % 4]
    return [np.array([i, partner[i]]) for i in range(4) if partner[partner[i]] == i and i < partner[i]]


def _crowded(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The vertices of edges that more than two faces share"""
    _, order, first, uses = _uses(vertices, faces)
    starts, ends = _edges(faces)
    rows = order[np.repeat(first[uses > 2], uses[uses > 2]) + _counted(uses[uses > 2])]
    return np.unique(faces.ravel()[np.concatenate([starts[rows], ends[rows]])])


def _counted(counts: np.ndarray) -> np.ndarray:
    """[2, 3] -> [0, 1, 0, 1, 2]"""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _by_vertex(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of corners that are the same vertex of the file"""
    order = np.argsort(faces.ravel(), kind="stable")
    same = faces.ravel()[order[1:]] == faces.ravel()[order[:-1]]
    return order[1:][same], order[:-1][same]


def _groups(count: int, joins: list[tuple[np.ndarray, np.ndarray]]) -> tuple[int, np.ndarray]:
    """-> how many groups the pairs leave of `count` things, and the group of each"""
    rows, columns = (np.concatenate(side) for side in zip(*joins))
    return connected_components(coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (count, count)), False)


def smoothing(surface: Surface, passes: int) -> csr_matrix:
    """(P, P) that takes each point half the way to the mean of its neighbours, `passes` times"""
    count = len(surface.points)
    start, end = surface.edges.T
    links = csr_matrix((np.ones(len(start), np.float32), (start, end)), (count, count))
    links = links + links.T
    once = (
        0.5 * eye_array(count, dtype=np.float32)
        + diags_array(0.5 / np.maximum(np.asarray(links.sum(1)).ravel(), 1.0)) @ links
    )
    result = eye_array(count, dtype=np.float32)
    for _ in range(passes):
        result = once @ result
    return csr_matrix(result, dtype=np.float32)


@dataclass(frozen=True)
class Samples:
    """Points spread evenly over a surface. places, normals: (N, 3), face: (N,), weights: (N, 3) of its corners"""

    places: np.ndarray
    normals: np.ndarray
    face: np.ndarray
    weights: np.ndarray


def spread(vertices: np.ndarray, faces: np.ndarray, count: int) -> Samples:
    """The same every time for the same mesh."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(across, axis=1)
    reach = np.cumsum(areas, dtype=np.float64)
    random = np.random.default_rng(0)
    face = np.searchsorted(reach, (np.arange(count) + 0.5) / count * reach[-1]).clip(0, len(faces) - 1)
    u, v = np.sqrt(random.random(count)), random.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    normals = across[face] / np.maximum(areas[face], 1e-20)[:, None]
    return Samples(np.einsum("nc,ncd->nd", weights, corners[face]), normals, face, weights)
