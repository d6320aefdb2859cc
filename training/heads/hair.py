"""Hair, brows and lashes: meshes of their own that sit on the skin and follow it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from . import rings
from .parts import Material, Part
from .template import Skin, neighbours

HAIR = Material("hair", 0.55, double_sided=True)
BROWN = np.array([0.235, 0.150, 0.095])
BROW_LINE = [(12.5, 52.5), (17.0, 54.6), (24.0, 56.8), (33.0, 58.4), (42.0, 57.6), (49.5, 54.0), (54.5, 49.6)]
BROW_HALF_WIDTH = [2.6, 3.0, 3.0, 2.7, 2.1, 1.5, 0.7]


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(total, faces[:, i], normal)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)


def hairline(v: np.ndarray) -> np.ndarray:
    """(V,) millimetres inside the hair's outline, negative on bare skin; v: (V, 3)."""
    x, y, z = np.abs(v[:, 0]), v[:, 1], v[:, 2]
    # Seen from the side: the forehead's line, the temple, the sideburn before the ear, over the ear, down to the nape.
    front_z = [-120.0, -70.0, -40.0, -18.0, -12.0, 6.0, 12.0, 22.0, 26.0, 34.0, 48.0, 62.0, 74.0, 84.0, 110.0]
    lowest = [-34.0, -34.0, -28.0, -5.0, 30.0, 45.0, 8.0, 8.0, 20.0, 46.0, 62.0, 76.0, 88.0, 95.0, 108.0]
    return y - np.interp(z, front_z, lowest) + 0.05 * np.maximum(30.0 - x, 0.0)


def cap(skin: Skin, shapes: dict[str, np.ndarray]) -> Part:
    """The scalp's faces, lifted off by the hair's thickness."""
    v = skin.vertices
    inside = hairline(v)
    chosen = (inside[skin.faces] > 0).all(1)
    used = np.unique(skin.faces[chosen])
    new = np.full(len(v), -1)
    new[used] = np.arange(len(used))
    faces = new[skin.faces[chosen]]
    normal = vertex_normals(v, skin.faces)[used]
    depth = 8.5 * (1 - np.exp(-np.maximum(inside[used], 0.0) / 9.0))
    azimuth = np.arctan2(v[used, 0], v[used, 2] - 10.0)
    strands = np.sin(23 * azimuth) + 0.6 * np.sin(41 * azimuth + 1.3)
    lifted = v[used] + normal * (depth * (1 + 0.06 * strands))[:, None]
    average = neighbours(faces, len(used))
    for _ in range(2):
        lifted = 0.5 * lifted + 0.5 * (average @ lifted)
    colours = BROWN * (1 + 0.16 * strands)[:, None]
    moved = {k: s[used] for k, s in shapes.items() if np.abs(s[used]).max() > 0.05}
    return Part("hair", HAIR, lifted, faces, np.clip(colours, 0, 1), moved)


def brows(skin: Skin, shapes: dict[str, np.ndarray], seed: int = 3) -> Part:
    """Short tapered hairs along both brows."""
    rng = np.random.default_rng(seed)
    line = np.asarray(BROW_LINE)
    roots, tips, widths = [], [], []
    for i in range(150):
        t = rng.uniform(0.0, 1.0)
        at = t * (len(line) - 1)
        x, y = (np.interp(at, np.arange(len(line)), line[:, k]) for k in (0, 1))
        half = np.interp(at, np.arange(len(line)), BROW_HALF_WIDTH)
        across = rng.uniform(-1.0, 1.0)
        angle = np.radians(75.0 - 70.0 * min(1.0, t * 2.2) - 22.0 * t - 18.0 * across * t)
        length = (5.2 - 1.8 * t) * rng.uniform(0.8, 1.1)
        roots.append((x - 1.5 * np.cos(angle), y + across * half))
        tips.append((x - 1.5 * np.cos(angle) + length * np.cos(angle), y + across * half + length * np.sin(angle)))
        widths.append(rng.uniform(0.45, 0.7))
    roots, tips = np.array(roots), np.array(tips)
    side = np.column_stack([-(tips - roots)[:, 1], (tips - roots)[:, 0]])
    side = side / np.linalg.norm(side, axis=1, keepdims=True) * np.array(widths)[:, None]
    flat = np.stack([roots + 0.5 * side, roots - 0.5 * side, 0.55 * (roots + tips) - 0.45 * side, tips,
                     0.55 * (roots + tips) + 0.45 * side], axis=1).reshape(-1, 2)  # fmt: skip
    flat[:, 0] = np.maximum(flat[:, 0], 4.0)
    faces = []
    for h in range(len(roots)):
        o = 5 * h
        faces += [(o, o + 1, o + 2), (o, o + 2, o + 4), (o + 4, o + 2, o + 3)]
    return _worn(skin, shapes, flat, np.array(faces), BROWN * 0.85, "brows", 0.45)


def _worn(
    skin: Skin, shapes: dict[str, np.ndarray], flat: np.ndarray, faces: np.ndarray, colour: np.ndarray, name: str, lift
) -> Part:
    """Puts (N, 2) points of the left side onto the skin seen from the front, and mirrors them."""
    v = skin.vertices
    front = np.flatnonzero((v[:, 2] > 40) & (v[:, 0] > -5))
    loops = skin.mouth[:, : rings.MOUTH_BORDER].ravel()
    front = np.setdiff1d(front, loops)
    distance, near = cKDTree(v[front][:, :2]).query(flat, k=6)
    weight = 1.0 / (distance + 0.3) ** 2
    weight /= weight.sum(1, keepdims=True)
    near = front[near]
    normal = vertex_normals(v, skin.faces)
    # Tangent planes of the neighbours, blended: smoother than the triangles themselves.
    offset = flat[:, None] - v[near][..., :2]
    n = normal[near]
    z = v[near][..., 2] - (n[..., 0] * offset[..., 0] + n[..., 1] * offset[..., 1]) / np.maximum(n[..., 2], 0.3)
    points = np.column_stack([flat, (weight * z).sum(1)]) + lift * (weight[..., None] * n).sum(1)
    moved = {}
    for key, s in shapes.items():
        left = (weight[..., None] * s[near]).sum(1)
        right = (weight[..., None] * s[skin.mirror[near]]).sum(1)
        both = np.vstack([left, right])
        if np.abs(both).max() > 0.05:
            moved[key] = both
    count = len(flat)
    return Part(
        name,
        HAIR,
        np.vstack([points, points * [-1, 1, 1]]),
        np.vstack([faces, faces[:, ::-1] + count]),
        np.tile(colour, (2 * count, 1)),
        moved,
    )
