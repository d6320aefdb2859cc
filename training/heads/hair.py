"""Short hair combed from the crown: locks that run along rays from the whorl to the hairline."""

from __future__ import annotations

import numpy as np

from . import anatomy
from .field import Field
from .parts import Material, Part, grid_faces

HAIR = Material("hair", 0.55, double_sided=True)
BROWN = np.array([0.250, 0.165, 0.105])
WHORL = np.array([6.0, 138.0, -38.0])  # mm
COLUMNS = 112
ROWS = np.array([0.0, 0.08, 0.19, 0.31, 0.44, 0.57, 0.69, 0.80, 0.89, 0.95, 0.985, 1.0])
LOCKS = 31

# The outline seen from the side: z, and the lowest y of the hair there: nape, behind the ear, over it, the sideburn,
# the temple, the forehead.
OUTLINE_Z = [-120.0, -62.0, -46.0, -30.0, -22.0, -15.0, 10.0, 15.0, 19.0, 24.0, 28.0, 40.0, 54.0, 68.0, 80.0, 110.0]
OUTLINE_Y = [-36.0, -36.0, -30.0, -8.0, 22.0, 44.0, 53.0, 44.0, 24.0, 26.0, 50.0, 74.0, 88.0, 94.0, 97.0, 108.0]


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, weighted by the faces' areas."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(total, faces[:, i], normal)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)


def hairline(v: np.ndarray) -> np.ndarray:
    """(V,) millimetres above the hair's outline, negative on bare skin; v: (V, 3)."""
    return v[:, 1] - np.interp(v[:, 2], OUTLINE_Z, OUTLINE_Y)


def hair(field: Field, seed: int = 11) -> Part:
    """One closed sheet over the scalp whose relief makes the locks."""
    rng = np.random.default_rng(seed)
    whorl = WHORL - anatomy.CENTRE
    whorl /= np.linalg.norm(whorl)
    ahead = np.array([0.0, 0.0, 1.0]) - whorl[2] * whorl
    ahead /= np.linalg.norm(ahead)
    left = np.cross(whorl, -ahead)
    around = 2 * np.pi * np.arange(COLUMNS) / COLUMNS  # 0 to the front, a quarter to the head's left
    around -= 0.55 * np.sin(around)  # closer together at the fringe, which is furthest from the whorl

    def scalp(share: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
        away = np.cos(azimuth)[:, None] * ahead + np.sin(azimuth)[:, None] * left
        direction = np.cos(share)[:, None] * whorl + np.sin(share)[:, None] * away
        return field.cast(np.tile(anatomy.CENTRE, (len(azimuth), 1)), direction)

    steps = np.linspace(0.6, 2.3, 52)
    inside = np.array([hairline(scalp(np.full(COLUMNS, s), around)) for s in steps])
    reach = steps[np.argmax(inside < 0, axis=0)]
    reach = 0.5 * reach + 0.25 * (np.roll(reach, 1) + np.roll(reach, -1))
    reach = 0.5 * reach + 0.25 * (np.roll(reach, 1) + np.roll(reach, -1))

    lock = LOCKS * around / (2 * np.pi) + 0.9 * np.sin(3 * around + 0.7) + 0.5 * np.sin(7 * around)
    phase = lock - np.floor(lock)
    number = np.floor(lock).astype(int) % LOCKS
    height = rng.uniform(0.6, 1.6, LOCKS)[number]
    length = rng.uniform(-0.018, 0.018, LOCKS)[number]
    tone = rng.uniform(-0.12, 0.14, LOCKS)[number]
    crest = np.sin(np.pi * phase) ** 0.8  # across a lock, 0 at its edges
    fine = np.sin(2 * np.pi * 3.0 * lock + 1.0)

    front = np.clip(np.cos(around), 0.0, 1.0) ** 1.5
    sides = np.abs(np.sin(around))
    points, colours = [], []
    for s in ROWS:
        end = reach * (1 + (length + 0.020 * (crest - 0.5)) * s**3)
        sweep = 0.42 * s * s * front  # the fringe is combed to one side
        at = scalp(np.maximum(end * s, 0.004), around + sweep)
        body = 9.5 + 8.0 * front * s - 5.5 * sides * s
        tip = np.sqrt(np.clip((1.0 - s) / 0.22, 0.0, 1.0))
        relief = height * (2.6 * crest - 1.2) * min(1.0, 3.0 * s) + 0.25 * fine * min(1.0, 4 * s)
        lift = 0.4 + (body + relief) * (0.10 + 0.90 * tip) * (s < 1.0)
        away = at - anatomy.CENTRE
        points.append(at + away / np.linalg.norm(away, axis=1, keepdims=True) * lift[:, None])
        light = 1.0 + tone + 0.20 * (crest - 0.6) * min(1.0, 3 * s) + 0.07 * fine - 0.15 * (1 - tip)
        colours.append(BROWN * light[:, None])
    vertices = np.vstack(points)
    faces = grid_faces(len(ROWS), COLUMNS, closed=True)
    if vertex_normals(vertices, faces)[4 * COLUMNS] @ (vertices[4 * COLUMNS] - anatomy.CENTRE) < 0:
        faces = faces[:, ::-1]
    return Part("hair", HAIR, vertices, faces, np.clip(np.vstack(colours), 0.0, 1.0))
