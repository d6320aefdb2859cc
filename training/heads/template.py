"""The skin's mesh: loops around mouth and eyes, evenly spread points elsewhere, all on the field; then mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.spatial import Delaunay

from . import chart, rings
from .field import MIRROR, Field


@dataclass(frozen=True)
class Skin:
    """vertices: (V, 3) mm; faces: (F, 3), counter-clockwise from outside; mirror: (V,) the vertex across the middle.

    mouth: (2, 18, 25) and eye: (2, 10, 36) vertex indices of the loops, the head's left first.
    """

    vertices: np.ndarray
    faces: np.ndarray
    mirror: np.ndarray
    mouth: np.ndarray
    eye: np.ndarray


def spacing(points: np.ndarray) -> np.ndarray:
    """Wanted distance between neighbours in millimetres: 1.8 at the nose, 3.5 in the face, 11 on the skull."""
    nose = np.linalg.norm(points - np.array([7.0, -4.0, 114.0]), axis=1)
    face = np.linalg.norm(points - np.array([0.0, 0.0, 105.0]), axis=1)
    skull = np.clip(3.5 + 0.085 * (face - 55.0), 3.5, 11.0)
    return np.minimum(skull, np.clip(1.8 + 0.14 * (nose - 12.0), 1.8, 9.0))


def quads(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Triangles between two rows of vertex indices of the same length."""
    return np.vstack([np.column_stack([a[:-1], b[:-1], b[1:]]), np.column_stack([a[:-1], b[1:], a[1:]])])


def _inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which of the (N, 2) points lie inside the (K, 2) polygon, by counting crossings."""
    x, y = points[:, 0], points[:, 1]
    odd = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1.0))
    return odd


def _along(field: Field, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points spread by `spacing` along a line of the chart, without its ends: chart and space coordinates."""
    solid = field.cast(*chart.rays(flat))
    step = np.linalg.norm(np.diff(solid, axis=0), axis=1)
    wanted = spacing(0.5 * (solid[1:] + solid[:-1]))
    share = np.concatenate([[0.0], np.cumsum(step / wanted)])
    at = np.linspace(0.0, share[-1], max(2, round(share[-1])) + 1)[1:-1]
    flat = np.column_stack([np.interp(at, share, c) for c in flat.T])
    return flat, field.cast(*chart.rays(flat))


def _spread(field: Field, taken: np.ndarray, holes: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Poisson-disc points of the half head outside the holes; taken: (N, 3) points already there -> (M, 2)."""
    n = 18_000
    azimuth = rng.uniform(0.0, np.pi, n)
    # by the logarithm of the radius, more where the face is
    log_low, log_high = np.log(0.02), np.log(chart.edge_radius(azimuth) * 0.97)
    radius = np.exp(log_low + (log_high - log_low) * rng.uniform(0.0, 1.0, n))
    face = rng.uniform(0.0, 1.0, n) < 0.6
    azimuth[face] = rng.uniform(0.0, 1.2, face.sum())
    radius[face] = np.exp(rng.uniform(np.log(0.5), np.log(3.2), face.sum()))
    flat = np.column_stack([radius * np.sin(azimuth), radius * np.cos(azimuth)])
    for hole in holes:
        flat = flat[~_inside(flat, hole)]
    solid = field.cast(*chart.rays(flat))
    wanted = spacing(solid)
    points = np.empty((len(taken) + len(solid), 3))
    points[: len(taken)] = taken
    count, kept = len(taken), []
    for i in range(len(solid)):
        if solid[i, 0] < 0.55 * wanted[i]:
            continue  # the middle has points of its own
        gap = points[:count] - solid[i]
        if (gap * gap).sum(1).min() > (0.90 * wanted[i]) ** 2:
            points[count] = solid[i]
            count += 1
            kept.append(i)
    return flat[kept]


def neighbours(faces: np.ndarray, count: int) -> csr_matrix:
    """(count, count) row-normalised adjacency."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    i, j = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    a = coo_matrix((np.ones(len(i)), (i, j)), shape=(count, count)).tocsr()
    degree = np.asarray(a.sum(1)).ravel()
    return a.multiply(1.0 / np.maximum(degree, 1.0)[:, None]).tocsr()


def build_skin(field: Field, seed: int = 7) -> Skin:
    """The whole skin with mouth bag; both halves mirror each other exactly."""
    mouth, eye = rings.mouth(field), rings.eye(field)
    mouth_flat = chart.to_chart(mouth[-1])
    mouth_flat[[0, -1], 0] = 0.0
    eye_flat = chart.to_chart(eye[-1])
    holes = [mouth_flat, eye_flat]

    line = np.linspace(0.0, 1.0, 400)[:, None]
    crown_end = np.array([0.0, -chart.edge_radius(np.array(np.pi))])
    front_end = np.array([0.0, chart.edge_radius(np.array(0.0))])
    top, _ = _along(field, mouth_flat[0] + line * (crown_end - mouth_flat[0]))
    below, _ = _along(field, mouth_flat[-1] + line * (front_end - mouth_flat[-1]))
    around = np.linspace(0.0, np.pi, 300)
    edge, _ = _along(field, chart.edge_radius(around)[:, None] * np.column_stack([np.sin(around), np.cos(around)]))
    fixed_line = np.vstack([top, below, crown_end, front_end])
    taken_flat = np.vstack([fixed_line, edge])
    # Halves of the outer loops' edges, so that no point comes close enough for Delaunay to cut an edge.
    halves = [0.5 * (mouth[-1, 1:] + mouth[-1, :-1]), 0.5 * (eye[-1] + np.roll(eye[-1], 1, axis=0))]
    taken = np.vstack([mouth[-1], eye[-1], *halves, field.cast(*chart.rays(taken_flat))])
    spread = _spread(field, taken, holes, np.random.default_rng(seed))

    free_flat = np.vstack([taken_flat, spread])
    free = field.cast(*chart.rays(free_flat))
    on_line = np.zeros(len(free), bool)
    on_line[: len(fixed_line)] = True
    on_edge = np.zeros(len(free), bool)
    on_edge[len(fixed_line) - 2 : len(taken_flat)] = True
    free[on_line, 0] = 0.0

    # Vertex order: mouth loops, eye loops, throat, free points.
    m = np.arange(mouth.shape[0] * mouth.shape[1]).reshape(mouth.shape[:2])
    e = m.size + np.arange(eye.shape[0] * eye.shape[1]).reshape(eye.shape[:2])
    throat = m.size + e.size
    start = throat + 1
    vertices = np.vstack([mouth.reshape(-1, 3), eye.reshape(-1, 3), [[0.0, -33.8, 64.0]], free])
    faces = [quads(m[k + 1], m[k]) for k in range(len(m) - 1)]
    closed = np.column_stack([e, e[:, 0]])
    faces += [quads(closed[k + 1], closed[k]) for k in range(len(e) - 1)]
    back = m[0]
    faces.append(np.column_stack([back[1:], back[:-1], np.full(len(back) - 1, throat)]))
    faces.append(_fill(np.vstack([mouth_flat, eye_flat, free_flat]), holes, np.concatenate(
        [m[-1], e[-1], start + np.arange(len(free))])))  # fmt: skip
    faces = np.vstack(faces)

    middle = np.zeros(len(vertices), bool)
    middle[m[:, [0, -1]]] = True
    middle[throat] = True
    middle[start:][on_line] = True
    movable = np.zeros(len(vertices), bool)
    movable[start:] = ~on_edge
    return _mirror(_relax(field, vertices, faces, middle, movable), faces, middle, m, e)


def _fill(flat: np.ndarray, holes: list[np.ndarray], index: np.ndarray) -> np.ndarray:
    faces = Delaunay(flat).simplices
    a, b, c = flat[faces[:, 0]], flat[faces[:, 1]], flat[faces[:, 2]]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    faces[area > 0] = faces[area > 0][:, ::-1]  # x left, y forward: the chart is seen from inside
    keep = np.abs(area) > 1e-7
    for hole in holes:
        keep &= ~_inside((a + b + c) / 3, hole)
    return index[faces[keep]]


def _relax(
    field: Field, vertices: np.ndarray, faces: np.ndarray, middle: np.ndarray, movable: np.ndarray
) -> np.ndarray:
    """Spreads the free points evenly and puts them back onto the field."""
    whole = _mirror(vertices, faces, middle, np.zeros((1, 1), int), np.zeros((1, 1), int))
    average = neighbours(whole.faces, len(whole.vertices))
    for _ in range(6):
        both = np.vstack([vertices, vertices[~middle] * MIRROR])
        pulled = (average @ both)[: len(vertices)]
        vertices = vertices.copy()
        vertices[movable] += 0.6 * (pulled - vertices)[movable]
        vertices[movable] = field.project(vertices[movable], steps=2)
        vertices[middle, 0] = 0.0
    return vertices


def _mirror(vertices: np.ndarray, faces: np.ndarray, middle: np.ndarray, m: np.ndarray, e: np.ndarray) -> Skin:
    count = len(vertices)
    other = np.arange(count)
    other[~middle] = count + np.arange((~middle).sum())
    whole = np.vstack([vertices, vertices[~middle] * MIRROR])
    mirror = np.concatenate([other, np.flatnonzero(~middle)])
    return Skin(
        whole, np.vstack([faces, other[faces][:, ::-1]]), mirror, np.stack([m, other[m]]), np.stack([e, other[e]])
    )
