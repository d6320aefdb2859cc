"""Hair: a cap of it over the scalp that thins out at the hairline, and locks that are combed over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import average
from .anatomy import smoothstep
from .field import Field
from .locks import locks
from .parts import Material, Part, grid_faces, vertex_normals
from .person import Hair
from .scalp import hairline

CURL = 11.0  # mm across, of tight curls: what the mesh can show
CAP = Material("hair", 0.55, double_sided=True, blended=True)


def hair(field: Field) -> list[Part]:
    style = field.anatomy.person.hair
    parts = [cap_of_hair(field, style)] if style.opacity > 0 else []
    return parts + locks(field, style)


def cap_of_hair(field: Field, style: Hair) -> Part:
    """One sheet from the crown to the hairline."""
    rng = np.random.default_rng(field.anatomy.person.seed)
    columns = style.columns
    whorl = np.array([0.0, 138.0, -30.0]) - average.CENTRE
    whorl /= np.linalg.norm(whorl)
    ahead = np.array([0.0, 0.0, 1.0]) - whorl[2] * whorl
    ahead /= np.linalg.norm(ahead)
    left = np.cross(whorl, -ahead)
    around = 2 * np.pi * np.arange(columns) / columns  # 0 to the front, a quarter to the head's left
    around -= 0.45 * np.sin(around)  # closer together at the forehead, which is furthest from the whorl

    def scalp(share: np.ndarray) -> np.ndarray:
        away = np.cos(around)[:, None] * ahead + np.sin(around)[:, None] * left
        direction = np.cos(share)[:, None] * whorl + np.sin(share)[:, None] * away
        return field.cast(np.tile(average.CENTRE, (columns, 1)), direction)

    start, end, grows = _extent(columns, lambda s: hairline(style, field.anatomy.unplace(scalp(s))))
    start = np.where(start > 0, start - style.fade / 250.0, 0.0)
    end = end + style.fade / 250.0 + rng.normal(0.0, 0.007, columns) * min(style.fade / 6.0, 1.0)

    waves = rng.normal(0.0, 1.0, (14, 3))
    waves *= 2 * np.pi / CURL / np.linalg.norm(waves, axis=1, keepdims=True)
    phases = rng.uniform(0.0, 2 * np.pi, 14)
    front = np.clip(np.cos(around), 0.0, 1.0) ** 1.5
    rows = 1.0 - (1.0 - np.linspace(0.0, 1.0, style.rows)) ** 1.25  # closer together at the hairline
    points, colours = [], []
    for s in rows:
        share = start + (end - start) * s
        at = scalp(np.maximum(share, 0.004))
        bare = np.where(start > 0, share - start, np.inf)
        inside = 100.0 * np.minimum(end - share, bare)  # mm from the hair's edge
        tip = smoothstep(inside / (style.fade + 10.0)) ** 0.6
        grain = np.sin(at @ waves.T + phases).sum(1) / 2.0 * min(1.0, 6.0 * s)
        aside = smoothstep((share - 0.7) / 0.6) * (1.0 - front)
        lift = style.volume * (1.0 + (style.sides - 1.0) * aside) + style.front * front * s + style.grain * grain
        away = field.normals(at) if s > 0.05 or style.crown else np.tile(whorl, (columns, 1))
        points.append(at + away * np.maximum(0.5 + lift * tip, 0.35)[:, None])
        light = 0.86 + (0.05 + 0.10 * style.grain) * grain - 0.08 * (1 - tip)
        opacity = style.opacity * grows * smoothstep(inside / max(style.fade, 0.1) * 0.9)
        colours.append(np.column_stack([np.array(style.colour) * light[:, None], opacity]))
    vertices = np.vstack(points)
    faces = grid_faces(len(rows), columns, closed=True)
    if vertex_normals(vertices, faces)[4 * columns + columns // 2] @ (points[4][columns // 2] - average.CENTRE) < 0:
        faces = faces[:, ::-1]
    return Part("hairline", CAP, vertices, faces, np.clip(np.vstack(colours), 0.0, 1.0))


def _extent(count: int, inside: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(count,) each: the angle from the whorl at which hair begins and that at which it ends, and whether any grows;
    where none does, what is halfway between the neighbours'."""
    steps = np.linspace(0.02, 2.35, 80)
    depth = np.array([inside(np.full(count, s)) for s in steps])  # (80, count)
    grows = (depth > 0).any(0)
    first = np.argmax(depth > 0, axis=0)
    bare = np.where(np.arange(len(steps))[:, None] > first, depth, 1.0) <= 0
    last = np.where(bare.any(0), np.argmax(bare, axis=0), len(steps) - 1)
    start, end = np.where(first > 0, steps[first], 0.0), steps[last]
    columns = np.arange(count)
    middle = np.interp(columns, columns[grows], (0.5 * (start + end))[grows], period=count)
    start, end = np.where(grows, start, middle), np.where(grows, end, middle)
    for _ in range(2):
        start, end = (0.5 * e + 0.25 * (np.roll(e, 1) + np.roll(e, -1)) for e in (start, end))
    return start, end, grows.astype(float)
