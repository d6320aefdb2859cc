"""A triangulation that holds given edges: Delaunay's knows nothing of the rims of holes.

Edges that cross a wanted one are flipped until none is left (Sloan 1993, A fast algorithm for generating constrained
Delaunay triangulations).
"""

from __future__ import annotations

import numpy as np


def with_edges(flat: np.ndarray, faces: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """flat: (N, 2), faces: (F, 3), edges: (E, 2) that must be there and don't cross each other -> (F, 3)"""
    faces = faces.copy()
    sides = np.sort(np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    there = set(map(tuple, sides.tolist()))
    for a, b in edges.tolist():
        if (min(a, b), max(a, b)) not in there:
            _recover(flat, faces, a, b)
    return faces


def _recover(flat: np.ndarray, faces: np.ndarray, a: int, b: int) -> None:
    """Brings the edge a b into faces, in place."""
    sides = np.unique(np.sort(np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    waiting = [(c, d) for c, d in sides.tolist() if _cross(flat, a, b, c, d)]
    for _ in range(1000):
        if not waiting:
            return
        c, d = waiting.pop(0)
        pair = np.flatnonzero((faces == c).any(1) & (faces == d).any(1))
        (p,), (q,) = (np.setdiff1d(faces[face], [c, d]) for face in pair)
        if not _cross(flat, int(p), int(q), c, d):  # not convex: others first
            waiting.append((c, d))
            continue
        faces[pair[0]], faces[pair[1]] = (c, p, q), (d, q, p)
        if _cross(flat, a, b, int(p), int(q)):
            waiting.append((int(p), int(q)))
    raise AssertionError(f"the edge {a} {b} can't be brought into the triangulation")


def _cross(flat: np.ndarray, a: int, b: int, c: int, d: int) -> bool:
    """Whether the segments a b and c d cross within both."""
    if len({a, b, c, d}) < 4:
        return False

    def turn(i: int, j: int, k: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = flat[i], flat[j], flat[k]
        return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0
