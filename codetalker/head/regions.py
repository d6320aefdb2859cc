"""Regions of a face, for heads that don't bring their own: found from how the shapes move the mesh."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..motion import ARKIT_NAMES

_LIPS = (
    "mouthPucker mouthFunnel mouthClose mouthRollLower mouthRollUpper mouthPressLeft mouthPressRight "
    "mouthUpperUpLeft mouthUpperUpRight mouthLowerDownLeft mouthLowerDownRight"
).split()
_UPPER_FACE = [name for name in ARKIT_NAMES if name.startswith(("brow", "eyeBlink", "eyeSquint", "eyeWide"))]


def find_regions(
    vertices: np.ndarray, shapes: np.ndarray, parts: list[slice], known: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """vertices: (V, 3), shapes: (52, V, 3) -> {"lips", "upper_face", "inner_lip_upper", "inner_lip_lower"}: indices

    parts: the vertices of each mesh; the skin is the one on which brows and lids move most.
    lips and upper_face: what the shapes of the mouth, or of brows and lids, move at least 0.45 of the furthest.
    inner lips: pairs that touch at rest and part when the jaw opens. `known` regions are kept as they are.
    """
    regions = dict(known or {})
    upper_face = _moved(shapes, _UPPER_FACE, 0.3)
    skin = max(parts, key=lambda part: upper_face[part].sum())
    on_skin = np.zeros(len(vertices), bool)
    on_skin[skin] = True
    if "upper_face" not in regions:
        regions["upper_face"] = np.flatnonzero(upper_face & on_skin)
    if "lips" not in regions:
        regions["lips"] = np.flatnonzero(_moved(shapes, _LIPS, 0.45) & on_skin)
    upper, lower = regions.get("inner_lip_upper"), regions.get("inner_lip_lower")
    if upper is None or lower is None or len(upper) != len(lower) or not len(upper):
        regions["inner_lip_upper"], regions["inner_lip_lower"] = _inner_lips(vertices, shapes, regions["lips"])
    return regions


def _moved(shapes: np.ndarray, names: list[str], share: float) -> np.ndarray:
    """(V,) whether any of the named shapes moves a vertex at least `share` of the furthest it moves any"""
    result = np.zeros(shapes.shape[1], bool)
    for name in names:
        travel = np.linalg.norm(shapes[ARKIT_NAMES.index(name)], axis=1)
        if travel.max() > 0:
            result |= travel > share * travel.max()
    return result


def _inner_lips(vertices: np.ndarray, shapes: np.ndarray, lips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs along the mouth's slit, (P,) and (P,); the nearest pair of all where lips don't touch at rest."""
    drop = -shapes[ARKIT_NAMES.index("jawOpen")][lips, 1]
    if not len(lips) or drop.max() <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    upper, lower = lips[drop < 0.3 * drop.max()], lips[drop > 0.45 * drop.max()]
    if not len(upper) or not len(lower):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    distance, nearest = cKDTree(vertices[lower]).query(vertices[upper])
    _, back = cKDTree(vertices[upper]).query(vertices[lower])
    mutual = back[nearest] == np.arange(len(upper))
    width = np.ptp(vertices[lips, 0])
    mutual &= distance <= max(0.04 * width, 1.2 * distance.min())
    # The slit has a front and a wall behind it; lips are its front.
    front = vertices[upper[mutual], 2]
    mutual[mutual] = front > front.max() - 0.3 * width
    return upper[mutual], lower[nearest[mutual]]
