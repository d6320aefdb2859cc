"""Where a mesh's lips part, and which of its points belong to the upper and the lower lip, by what is connected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from .surface import Surface

# Metres, of a human face
AROUND = (0.045, 0.035, 0.060)  # half the width and height, and the depth of what is looked at about a mouth
SEEDS = (0.008, 0.017)  # above and below the slit the skin belongs to one lip for sure
SEED_WIDTH, BRIDGE_WIDTH = 0.020, 0.012  # half the widths of that skin, and of where nothing may join the lips
TOUCHING = 0.004  # lips are this near to each other at most
GROWN = 4  # times that the lips are followed further towards their corners
NARROW = 0.015  # a slit that is less wide is no mouth
SEALED = 0.022  # half the width of a mouth whose lips are one surface
SEARCHED = (0.0, -0.004, 0.004, -0.008, 0.008, -0.012, 0.012)
DEEP = 0.005  # what connects the lips further in than this is the mouth's inside
FADE, CORNER = 0.025, 0.002  # over which the sides of the lips fade into one, around the slit and at its corners
HIDDEN = 0.0025  # by which the slit goes on beyond its last pair, which is not yet joined


@dataclass(frozen=True)
class Lips:
    """upper, lower: (M,) points of the surface that face each other across the slit, from right to left;
    line: (M, 3) between them; parted: whether the mesh is open there, so that the mouth can open
    side: (P,) 1 at the upper lip, -1 at the lower, fading to 0 around the mouth
    """

    upper: np.ndarray
    lower: np.ndarray
    line: np.ndarray
    parted: bool
    side: np.ndarray


def find_lips(surface: Surface, mouth: np.ndarray, middle: float) -> Lips | None:
    """mouth: (3,) where the lips should meet on the midline x = middle; above and below it a slit is looked for.

    None where no face is seen there.
    """
    found = []
    for shift in SEARCHED:
        lips = _lips_at(surface, mouth + np.array([0.0, shift, 0.0]), middle)
        if lips is not None and lips.parted:
            return lips
        found.append(lips)
    return found[0]


def _lips_at(surface: Surface, mouth: np.ndarray, middle: float) -> Lips | None:
    points = surface.points
    offset = points - mouth
    offset[:, 0] = points[:, 0] - middle
    near = np.flatnonzero(
        (np.abs(offset[:, 0]) < AROUND[0]) & (np.abs(offset[:, 1]) < AROUND[1]) & (offset[:, 2] > -AROUND[2])
    )
    if len(near) < 12:
        return None
    graph = surface.graph[near][:, near]
    places, offset = points[near], offset[near]
    front = _in_front(offset)
    level = np.where(front & (np.abs(offset[:, 0]) < SEED_WIDTH), offset[:, 1], np.nan)
    seeds = [np.flatnonzero((sign * level > SEEDS[0]) & (sign * level < SEEDS[1])) for sign in (1, -1)]
    if not len(seeds[0]) or not len(seeds[1]):
        return None
    for _ in range(GROWN):
        reach = [dijkstra(graph, indices=rows, min_only=True) for rows in seeds]
        shown, upper = np.isfinite(np.minimum(*reach)), reach[0] < reach[1]
        if min((upper & shown).sum(), (~upper & shown).sum()) < 4:
            return None
        pairs, nearest = _facing(places, upper, shown)
        parted = nearest < 2 * TOUCHING and _is_parted(graph, offset, front, upper, shown)
        pairs = pairs[_apart(graph, places, pairs) if parted else np.abs(offset[pairs[:, 0], 0]) < SEALED]
        if not parted:
            break
        # What lies beside a pair belongs to its lip: towards a corner both ways around are about as long.
        seeds = [np.union1d(rows, own) for rows, own in zip(seeds, pairs.T)]
    line = 0.5 * (places[pairs[:, 0]] + places[pairs[:, 1]])
    gap = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    fitting = gap <= 0.001 + 3.0 * np.median(gap) if len(gap) else np.zeros(0, bool)
    pairs, line = pairs[fitting], line[fitting]
    chosen = _foremost_pairs(line - [middle, 0.0, 0.0])
    if len(chosen) < 3 or (parted and np.ptp(line[chosen, 0]) < NARROW):
        return None
    pairs, line = pairs[chosen], line[chosen]
    side = np.zeros(len(points))
    side[near] = np.where(upper, 1.0, -1.0) * _fading(places, line) * shown
    return Lips(near[pairs[:, 0]], near[pairs[:, 1]], line, parted, side)


def _facing(places: np.ndarray, upper: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, float]:
    """-> (M, 2) points of the upper and the lower lip that are each other's nearest, the least distance of any two"""
    above, below = np.flatnonzero(upper & shown), np.flatnonzero(~upper & shown)
    distance, nearest = cKDTree(places[below]).query(places[above])
    back = cKDTree(places[above]).query(places[below])[1]
    mutual = (back[nearest] == np.arange(len(above))) & (distance < max(TOUCHING, 1.5 * distance.min()))
    return np.stack([above[mutual], below[nearest[mutual]]], 1), float(distance.min())


def _is_parted(graph: csr_matrix, offset: np.ndarray, front: np.ndarray, upper: np.ndarray, shown: np.ndarray) -> bool:
    """Whether no edge joins the lips in the middle of the mouth but deep inside"""
    middle = np.abs(offset[:, 0]) < BRIDGE_WIDTH
    start, end = graph.nonzero()
    across = (upper[start] != upper[end]) & middle[start] & shown[start] & shown[end]
    bridge = offset[start[across], 2].max(initial=-np.inf)
    return bool(bridge < offset[front & middle, 2].max() - 0.006 - DEEP)


def _apart(graph: csr_matrix, places: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(M,) whether the way over the mesh between two points is much longer than through the air"""
    if not len(pairs):
        return np.zeros(0, bool)
    straight = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    enough = np.maximum(np.maximum(0.004, 3.0 * straight), 2.2 * np.median(graph.data))
    way = dijkstra(graph, indices=pairs[:, 0], limit=float(enough.max()))  # infinite beyond
    return way[np.arange(len(pairs)), pairs[:, 1]] > enough


def _in_front(offset: np.ndarray) -> np.ndarray:
    """(N,) whether a point is among the foremost of its place on the face"""
    cells = np.floor(offset[:, :2] / 0.006).astype(int)
    _, cell = np.unique(cells, axis=0, return_inverse=True)
    cell = cell.ravel()
    foremost = np.full(cell.max() + 1, -np.inf)
    np.maximum.at(foremost, cell, offset[:, 2])
    return offset[:, 2] > foremost[cell] - 0.008


def _foremost_pairs(line: np.ndarray) -> np.ndarray:
    """The pairs, from right to left, furthest forward among their neighbours: the slit and not the mouth's walls"""
    order = np.argsort(line[:, 0])
    kept = []
    for index in order:
        rivals = np.abs(line[:, 0] - line[index, 0]) < 0.0025
        if line[index, 2] > line[rivals, 2].max() - 0.0015:
            kept.append(index)
    return np.array(kept, int)


def _fading(places: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(N,) 1 at the slit, 0 around the mouth and at its corners"""
    distance = cKDTree(line).query(places)[0]
    low, high = line[:, 0].min(), line[:, 0].max()
    inside = np.minimum(places[:, 0] - low, high - places[:, 0]) + HIDDEN
    return np.clip(1.0 - distance / FADE, 0.0, 1.0) * np.clip(inside / CORNER, 0.0, 1.0)
