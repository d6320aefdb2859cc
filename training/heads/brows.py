"""Brows and lashes: a soft shade and single hairs over it, on the skin, which they follow in every shape."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from . import average, rings
from .anatomy import MIRROR, curve, smoothstep
from .parts import Material, Part, grid_faces, joined, vertex_normals
from .person import Brows
from .template import Skin

HAIRS = Material("brow hair", 0.55, double_sided=True, blended=True)
HALF_WIDTH = [2.3, 2.8, 2.8, 2.3, 1.7, 1.2, 0.5]  # mm, along average.BROW
SHADE_COLUMNS = 16
LASHES = 24
LASH_COLOUR = np.array([0.08, 0.055, 0.045])


def brows(skin: Skin, shapes: dict[str, np.ndarray]) -> Part:
    """Short tapered hairs, upright at the inner end and lying along the brow further out."""
    look, rng = skin.anatomy.person.brows, np.random.default_rng(skin.anatomy.person.seed)
    shade_flat, shade_faces, shade_opacity = _shade(look)
    hair_flat, hair_faces = _hairs(look, rng)
    flat = np.vstack([shade_flat, hair_flat])
    flat[:, 0] = np.maximum(flat[:, 0], 4.0)
    lift = np.concatenate([np.full(len(shade_flat), 0.35), np.tile([0.4, 0.9, 0.4], len(hair_flat) // 3)])
    points, near, weight = on_skin(skin, flat, lift)
    tone = np.repeat(rng.uniform(0.8, 1.25, len(hair_flat) // 3), 3)
    colours = np.array(look.colour) * np.concatenate([np.ones(len(shade_flat)), tone])[:, None]
    opacity = np.concatenate([shade_opacity, np.tile([0.92, 0.45, 0.92], len(hair_flat) // 3)])
    faces = np.vstack([shade_faces, hair_faces + len(shade_flat)])
    moved = moved_with(skin, shapes, near, weight)
    return both_sides("brows", HAIRS, points, faces, np.column_stack([colours, opacity]), moved)


def _line(look: Brows, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) points of the brow's middle on the average head and (N,) its half width; at: 0 to 1 from the inner end."""
    line = np.array(average.BROW)
    line[:, 1] += curve(look.shift)(line[:, 0])
    places = np.linspace(0.0, 1.0, len(line))
    middle = np.column_stack([np.interp(at, places, c) for c in line.T])
    return middle, np.interp(at, places, HALF_WIDTH) * look.thickness


def _shade(look: Brows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A strip of four rows, clear at its edges: (N, 2) points, faces, (N,) opacity."""
    at = np.linspace(0.0, 1.0, SHADE_COLUMNS)
    middle, half = _line(look, at)
    rows, opacity = [], []
    ends = smoothstep(at / 0.18) * smoothstep((1.0 - at) / 0.25)
    for across, share in ((-1.5, 0.0), (-0.55, 1.0), (0.45, 0.9), (1.5, 0.0)):
        rows.append(middle + np.column_stack([0 * at, across * half]))
        opacity.append(share * look.fill * ends)
    return np.vstack(rows), grid_faces(4, SHADE_COLUMNS), np.concatenate(opacity)


def _hairs(look: Brows, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three points each, root, tip, root: (3 N, 2) on the average head, and faces."""
    count = look.hairs
    t = (np.arange(count) + rng.uniform(0, 1, count)) / count
    middle, half = _line(look, t)
    after, _ = _line(look, np.minimum(t + 0.02, 1.0))
    before, _ = _line(look, np.maximum(t - 0.02, 0.0))
    across = rng.uniform(-1.0, 1.0, count)
    slope = np.degrees(np.arctan2(*(after - before).T[::-1]))
    angle = np.radians(slope + 62.0 * np.exp(-t * 5.5) - 20.0 * across + 8.0 + rng.normal(0.0, 6.0, count))
    length = (5.6 - 1.8 * t) * rng.uniform(0.75, 1.15, count) * look.length
    along = np.column_stack([np.cos(angle), np.sin(angle)])
    root = middle - 0.35 * length[:, None] * along
    root[:, 1] += across * half
    side = np.column_stack([-along[:, 1], along[:, 0]]) * rng.uniform(0.22, 0.36, count)[:, None]
    flat = np.stack([root - side, root + along * length[:, None], root + side], 1).reshape(-1, 2)
    return flat, np.arange(3 * count).reshape(-1, 3)


def lashes(skin: Skin, shapes: dict[str, np.ndarray]) -> Part:
    """A dark line along the upper lid's rim and a row of hairs; they turn down as the lid closes."""
    size, reach_factor = skin.anatomy.person.eyes.scale, skin.anatomy.person.eyes.lashes
    columns = np.linspace(3.0, rings.EYE_COLUMNS / 2 - 0.6, LASHES)
    low = np.floor(columns).astype(int)
    share = (columns - low)[:, None]
    ring = skin.eye[:, rings.EYE_RIM]

    def between(values: np.ndarray, side: int) -> np.ndarray:
        return (1 - share) * values[ring[side, low]] + share * values[ring[side, low + 1]]

    root = between(skin.vertices, 0)
    t = np.linspace(0.0, 1.0, LASHES)[:, None]
    reach = (1.9 + 1.5 * np.sin(np.pi * t * 0.85)) * np.array([0.0, 0.45, 0.90]) + (t - 0.35) * [2.8, 0.0, 0.0]
    reach = reach * size * reach_factor
    width = np.array([0.40, 0.0, 0.0]) * size
    points = np.stack([root - width, root + width, root + reach], 1).reshape(-1, 3)
    veil = np.vstack([root + np.array([0.0, -0.1, 0.15]), root + 0.62 * reach])
    faces = np.vstack([np.arange(3 * LASHES).reshape(-1, 3), grid_faces(2, LASHES) + 3 * LASHES])
    turn = np.concatenate([np.tile([0.0, 0.0, 1.0], LASHES), np.zeros(LASHES), np.full(LASHES, 0.62)])[:, None]
    ends = np.sin(np.pi * np.clip(0.1 + 0.85 * t[:, 0], 0.0, 1.0)) ** 0.5
    opacity = np.concatenate([np.tile([0.95, 0.95, 0.55], LASHES), 0.75 * ends, 0.0 * ends])
    moved = {}
    for name, step in shapes.items():
        sides = []
        for side, way in (("Left", between(step, 0)), ("Right", between(step, 1))):
            way = np.vstack([np.repeat(way, 3, axis=0), way, way])
            drop = {f"eyeBlink{side}": [0.0, -3.6, -0.2], f"eyeLookDown{side}": [0.0, -1.6, 0.0]}.get(name, [0.0] * 3)
            sides.append(way + turn * np.array(drop) * size * reach_factor)
        moved[name] = np.vstack(sides)
    colours = np.column_stack([np.tile(LASH_COLOUR, (len(opacity), 1)), opacity])
    return both_sides("lashes", HAIRS, np.vstack([points, veil]), faces, colours, moved)


def hairs(skin: Skin, shapes: dict[str, np.ndarray]) -> Part:
    return joined("brows", [brows(skin, shapes), lashes(skin, shapes)])


def on_skin(skin: Skin, flat: np.ndarray, lift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 2) points of the average head seen from the front, put onto this one's left half, lift (N,) mm off it:
    (N, 3), their neighbours and weights, both (N, 6)."""
    inside = np.concatenate([skin.eye[:, : rings.EYE_RIM].ravel(), skin.mouth[:, : rings.MOUTH_CONTACT].ravel()])
    seen = (skin.average[:, 2] > 40) & (skin.average[:, 0] > -5) & (skin.average[:, 1] > -100)
    front = np.setdiff1d(np.flatnonzero(seen), inside)
    _, nearest = cKDTree(skin.average[front][:, :2]).query(flat)
    flat = skin.anatomy.place(np.column_stack([flat, skin.average[front][nearest, 2]]))[:, :2]
    v = skin.vertices
    distance, near = cKDTree(v[front][:, :2]).query(flat, k=6)
    weight = 1.0 / (distance + 0.3) ** 2
    weight /= weight.sum(1, keepdims=True)
    near = front[near]
    normal = vertex_normals(v, skin.faces)[near]
    # The neighbours' tangent planes, blended: smoother than the triangles.
    offset = flat[:, None] - v[near][..., :2]
    z = v[near][..., 2] - (normal[..., :2] * offset).sum(-1) / np.maximum(normal[..., 2], 0.3)
    lifted = lift[:, None] * (weight[..., None] * normal).sum(1)
    return np.column_stack([flat, (weight * z).sum(1)]) + lifted, near, weight


def moved_with(skin: Skin, shapes: dict, near: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """How points on the left half and their mirror images follow the skin near them."""
    moved = {}
    for name, step in shapes.items():
        left = (weight[..., None] * step[near]).sum(1)
        right = (weight[..., None] * step[skin.mirror[near]]).sum(1)
        moved[name] = np.vstack([left, right])
    return moved


def both_sides(
    name: str, material: Material, left: np.ndarray, faces: np.ndarray, colours: np.ndarray, moved: dict
) -> Part:
    return Part(
        name,
        material,
        np.vstack([left, left * MIRROR]),
        np.vstack([faces, faces[:, ::-1] + len(left)]),
        np.vstack([colours, colours]),
        {k: s for k, s in moved.items() if np.abs(s).max() > 0.05},
    )
