"""Freckles, age spots and the lines of wrinkles: soft discs and strips on the skin that follow it in every shape."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .brows import both_sides, moved_with, on_skin
from .parts import Material, Part, grid_faces, joined
from .person import Marks
from .template import Skin

SOFT = Material("skin marks", 0.52, double_sided=True, blended=True)
CORNERS = 5
CREASE_POINTS = 9
CREASE_WIDTH = 1.3  # mm to either side


def marks(skin: Skin, shapes: dict[str, np.ndarray]) -> list[Part]:
    """One part, or none."""
    rng = np.random.default_rng(skin.anatomy.person.seed + 2)
    person = skin.anatomy.person
    groups = [_group(skin, shapes, group, rng) for group in person.complexion.marks]
    groups += [_line(skin, shapes, np.array(line), depth) for line, depth, _ in person.wrinkles if line[0][2] > 60]
    return [joined("marks", groups)] if groups else []


def _group(skin: Skin, shapes: dict[str, np.ndarray], group: Marks, rng: np.random.Generator) -> Part:
    """The sides are alike: a head is drawn from its left half."""
    place = np.clip(rng.normal(0.0, 0.5, (group.count, 2)), -1.0, 1.0)
    centre = np.array(group.centre) + place * group.reach
    centre[:, 0] = np.abs(centre[:, 0]) + 1.0
    radius = rng.uniform(*group.radius, group.count)
    turn = 2 * np.pi * np.arange(CORNERS) / CORNERS
    reach = radius[:, None, None] * rng.uniform(0.7, 1.2, (group.count, CORNERS, 1))
    rim = reach * np.column_stack([np.cos(turn), np.sin(turn)])
    flat = np.concatenate([centre[:, None], centre[:, None] + rim], 1).reshape(-1, 2)
    points, near, weight = on_skin(skin, flat, np.full(len(flat), 0.30))
    fan = np.column_stack([np.zeros(CORNERS, int), 1 + np.arange(CORNERS), 1 + (np.arange(CORNERS) + 1) % CORNERS])
    faces = (fan[None] + (np.arange(group.count) * (CORNERS + 1))[:, None, None]).reshape(-1, 3)
    opacity = np.zeros((group.count, CORNERS + 1))
    opacity[:, 0] = group.opacity * rng.uniform(0.5, 1.0, group.count)
    colours = np.column_stack([np.tile(group.colour, (len(flat), 1)), opacity.ravel()])
    return both_sides("marks", SOFT, points, faces, colours, moved_with(skin, shapes, near, weight))


def _line(skin: Skin, shapes: dict[str, np.ndarray], line: np.ndarray, depth: float) -> Part:
    """A crease: dark in its middle, fading to its sides and ends."""
    t = np.linspace(0.0, 1.0, len(line))
    at = np.linspace(0.0, 1.0, CREASE_POINTS)
    middle = PchipInterpolator(t, line[:, :2])(at)
    along = np.gradient(middle, axis=0)
    across = np.column_stack([-along[:, 1], along[:, 0]]) / np.linalg.norm(along, axis=1, keepdims=True)
    flat = np.vstack([middle + side * CREASE_WIDTH * across for side in (-1.0, 0.0, 1.0)])
    flat[:, 0] = np.maximum(flat[:, 0], 0.0)
    points, near, weight = on_skin(skin, flat, np.full(len(flat), 0.60))
    ends = np.sin(np.pi * np.clip(at, 0.0 if line[0, 0] > 1 else 0.5, 1.0)) ** 0.7
    opacity = np.concatenate([0.0 * at, np.clip(-0.20 * depth, 0.0, 0.4) * ends, 0.0 * at])
    colours = np.column_stack([np.tile(np.array(skin.anatomy.person.complexion.shade) * 0.72, (len(flat), 1)), opacity])
    faces = grid_faces(3, CREASE_POINTS)
    return both_sides("crease", SOFT, points, faces, colours, moved_with(skin, shapes, near, weight))
