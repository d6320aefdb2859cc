"""The skin's mesh: loops around mouth and eyes, evenly spread points elsewhere, all on the field; then mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.spatial import Delaunay

from . import chart, rings
from .anatomy import MIRROR, Anatomy
from .constrain import with_edges
from .field import Field


@dataclass(frozen=True)
class Skin:
    """vertices: (V, 3) mm; faces: (F, 3), counter-clockwise from outside; mirror: (V,) the vertex across the middle.

    mouth: (2, 18, 25), eye: (2, 10, 36) and nostril: (2, 6, 16) vertex indices of the loops, the head's left first;
    throat: the vertex that closes the mouth bag. average: (V, 3) mm, where the average head has the same points.
    """

    anatomy: Anatomy
    vertices: np.ndarray
    average: np.ndarray
    faces: np.ndarray
    mirror: np.ndarray
    mouth: np.ndarray
    eye: np.ndarray
    nostril: np.ndarray
    throat: int


def spacing(anatomy: Anatomy, points: np.ndarray) -> np.ndarray:
    """Wanted distance between neighbours in millimetres: 1.7 at the nose, some 3.2 in the face, 11 on the skull."""
    nose = np.linalg.norm(points - anatomy.nose_centre - [7.0, -9.0, -1.0], axis=1)
    face = np.linalg.norm(points - anatomy.face_centre, axis=1)
    dense = anatomy.person.spacing
    skull = np.clip(dense + 0.075 * (face - 60.0), dense, 11.0)
    return np.minimum(skull, np.clip(1.7 + 0.12 * (nose - 13.0), 1.7, 9.0))


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
    wanted = spacing(field.anatomy, 0.5 * (solid[1:] + solid[:-1]))
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
    wanted = spacing(field.anatomy, solid)
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
    mouth, eye, nostril = rings.mouth(field), rings.eye(field), rings.nostril(field)
    mouth_flat = chart.to_chart(mouth[-1])
    mouth_flat[[0, -1], 0] = 0.0
    holes = [mouth_flat, chart.to_chart(eye[-1]), chart.to_chart(nostril[-1])]
    # Halves of the outer loops' edges, so that no point comes close enough for Delaunay to cut an edge.
    halves = [0.5 * (loop + np.roll(loop, 1, axis=0)) for loop in (eye[-1], nostril[-1])]
    rims = [mouth[-1], eye[-1], nostril[-1], 0.5 * (mouth[-1, 1:] + mouth[-1, :-1]), *halves]
    free_flat, on_line, on_edge = _free_points(field, mouth_flat, holes, np.vstack(rims), seed)
    free = field.cast(*chart.rays(free_flat))
    free[on_line, 0] = 0.0

    # Vertex order: mouth loops, eye loops, nostril loops, throat, free points.
    starts = np.cumsum([0, *(loops.shape[0] * loops.shape[1] for loops in (mouth, eye, nostril))])
    m, e, n = (
        start + np.arange(loops.shape[0] * loops.shape[1]).reshape(loops.shape[:2])
        for start, loops in zip(starts, (mouth, eye, nostril), strict=False)
    )
    throat, start = int(starts[-1]), int(starts[-1]) + 1
    end = mouth[0].mean(0) * [0.0, 1.0, 1.0] - [0.0, 0.0, 3.0]
    vertices = np.vstack([mouth.reshape(-1, 3), eye.reshape(-1, 3), nostril.reshape(-1, 3), end, free])
    faces = [quads(m[k + 1], m[k]) for k in range(len(m) - 1)]
    for loops in (e, n):
        closed = np.column_stack([loops, loops[:, 0]])
        faces += [quads(closed[k + 1], closed[k]) for k in range(len(closed) - 1)]
    faces.append(np.column_stack([m[0, 1:], m[0, :-1], np.full(m.shape[1] - 1, throat)]))
    faces.append(np.column_stack([np.full(n.shape[1] - 2, n[0, 0]), n[0, 1:-1], n[0, 2:]]))
    outer = np.concatenate([m[-1], e[-1], n[-1], start + np.arange(len(free))])
    faces.append(_fill(np.vstack([*holes, free_flat]), holes, outer))
    faces = np.vstack(faces)

    middle = np.zeros(len(vertices), bool)
    middle[m[:, [0, -1]]] = True
    middle[throat] = True
    middle[start:][on_line] = True
    movable = np.zeros(len(vertices), bool)
    movable[start:] = ~on_edge
    vertices = _relax(field, vertices, faces, middle, movable)
    whole, other, mirror, faces = _mirror(vertices, faces, middle)
    loops = [np.stack([loop, other[loop]]) for loop in (m, e, n)]
    return Skin(field.anatomy, whole, field.anatomy.unplace(whole), faces, mirror, *loops, throat)


def _free_points(
    field: Field, mouth_flat: np.ndarray, holes: list[np.ndarray], rims: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 2) chart points outside the loops; (N,) each, whether they lie on the middle line and on the last ring."""
    line = np.linspace(0.0, 1.0, 400)[:, None]
    crown_end = np.array([0.0, -chart.edge_radius(np.array(np.pi))])
    front_end = np.array([0.0, chart.edge_radius(np.array(0.0))])
    top, _ = _along(field, mouth_flat[0] + line * (crown_end - mouth_flat[0]))
    below, _ = _along(field, mouth_flat[-1] + line * (front_end - mouth_flat[-1]))
    around = np.linspace(0.0, np.pi, 300)
    edge, _ = _along(field, chart.edge_radius(around)[:, None] * np.column_stack([np.sin(around), np.cos(around)]))
    lines = np.vstack([top, below, crown_end, front_end])
    taken = np.vstack([lines, edge])
    near = np.vstack([rims, field.cast(*chart.rays(taken))])
    spread = _spread(field, near, holes, np.random.default_rng(seed))
    on_line = np.zeros(len(taken) + len(spread), bool)
    on_line[: len(lines)] = True
    on_edge = np.zeros(len(on_line), bool)
    on_edge[len(lines) - 2 : len(taken)] = True
    return np.vstack([taken, spread]), on_line, on_edge


def _fill(flat: np.ndarray, holes: list[np.ndarray], index: np.ndarray) -> np.ndarray:
    """Triangles between all of flat (N, 2), which begins with the holes' corners, outside the holes."""
    rims, start = [], 0
    for hole in holes:
        corners = start + np.arange(len(hole))
        rims.append(np.column_stack([corners, np.roll(corners, -1)]))
        start += len(hole)
    faces = with_edges(flat, Delaunay(flat).simplices, np.vstack(rims))
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
    whole, _, _, both_faces = _mirror(vertices, faces, middle)
    average = neighbours(both_faces, len(whole))
    for _ in range(6):
        both = np.vstack([vertices, vertices[~middle] * MIRROR])
        pulled = (average @ both)[: len(vertices)]
        vertices = vertices.copy()
        vertices[movable] += 0.6 * (pulled - vertices)[movable]
        vertices[movable] = field.project(vertices[movable], steps=2)
        vertices[middle, 0] = 0.0
    return vertices


def _mirror(
    vertices: np.ndarray, faces: np.ndarray, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The left half -> the whole: vertices, which of them mirrors each of the left half and each of all, and faces."""
    count = len(vertices)
    other = np.arange(count)
    other[~middle] = count + np.arange((~middle).sum())
    whole = np.vstack([vertices, vertices[~middle] * MIRROR])
    mirror = np.concatenate([other, np.flatnonzero(~middle)])
    return whole, other, mirror, np.vstack([faces, other[faces][:, ::-1]])
