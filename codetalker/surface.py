"""What is connected with what on a mesh, whatever way a file splits its vertices, and points spread over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

SAME = 1e-5  # of the height: vertices nearer than this are one point


@dataclass(frozen=True)
class Surface:
    """A mesh whose faces hang together where they share an edge, at seams of textures and in a soup of triangles too.

    Where four faces meet in an edge, as between lips that touch, none of them hang together there.
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
    grain = SAME * max(float(np.ptp(vertices, axis=0).max()), 1e-12)
    _, place = np.unique(np.round(vertices / grain).astype(np.int64), axis=0, return_inverse=True)
    place = place.ravel()
    corners = np.arange(faces.size).reshape(-1, 3)
    starts, ends = corners.ravel(), np.roll(corners, -1, 1).ravel()
    where = place[faces.ravel()]
    low, high = np.minimum(where[starts], where[ends]), np.maximum(where[starts], where[ends])
    key = low * (place.max() + 1) + high
    order = np.argsort(key, kind="stable")
    first, uses = np.unique(key[order], return_index=True, return_counts=True)[1:]
    first = first[uses == 2]
    one, other = order[first], order[first + 1]
    # the corners of the two faces at the edge's lower end, and at its higher
    flip = where[starts[one]] != where[starts[other]]
    joins = [
        (starts[one], np.where(flip, ends[other], starts[other])),
        (ends[one], np.where(flip, starts[other], ends[other])),
    ]
    by_vertex = np.argsort(faces.ravel(), kind="stable")
    same = faces.ravel()[by_vertex[1:]] == faces.ravel()[by_vertex[:-1]]
    joins.append((by_vertex[1:][same], by_vertex[:-1][same]))
    rows, columns = (np.concatenate(side) for side in zip(*joins))
    links = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (faces.size, faces.size))
    count, corner_point = connected_components(links, directed=False)
    point = np.full(len(vertices), -1, np.int64)
    point[faces.ravel()] = corner_point
    unused = np.flatnonzero(point < 0)
    point[unused] = count + np.arange(len(unused))
    points = np.zeros((count + len(unused), 3))
    points[point] = vertices
    edges = np.unique(np.sort(np.stack([corner_point[starts], corner_point[ends]], 1), axis=1), axis=0)
    links = coo_matrix((np.ones(len(edges), np.int8), tuple(edges.T)), (len(points), len(points)))
    return Surface(vertices, faces, points, point, connected_components(links, directed=False)[1], edges)


def smooth(values: np.ndarray, surface: Surface, passes: int) -> np.ndarray:
    """(P, ...) means of each point and its neighbours, `passes` times"""
    count = len(surface.points)
    start, end = surface.edges.T
    links = csr_matrix((np.ones(len(start), np.float32), (start, end)), (count, count))
    links = links + links.T
    degree = np.maximum(np.asarray(links.sum(1)), 1.0)
    flat = values.reshape(count, -1)
    for _ in range(passes):
        flat = 0.5 * flat + 0.5 * (links @ flat) / degree
    return flat.reshape(values.shape)


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
