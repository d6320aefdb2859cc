"""Teeth, gums and tongue. The lower row and the tongue turn with the jaw."""

from __future__ import annotations

import numpy as np

from .parts import Material, Part, grid_faces, joined, turned

HINGE = np.array([0.0, 8.0, 12.0])  # of the jaw, mm
JAW_DEGREES = 20.5
TONGUE_JAW = 0.42  # how far the jaw opens to let the tongue out
TEETH = Material("teeth", 0.22)
GUM = Material("mouth", 0.35)
UPPER_EDGE = -36.0  # y of the upper teeth's edges
# widths in mm from the middle outwards, and heights
UPPER_TEETH = [(8.4, 10.2), (6.6, 9.2), (7.6, 10.0), (7.0, 8.4), (7.4, 8.0)]
LOWER_TEETH = [(5.4, 8.6), (5.8, 8.6), (6.8, 9.4), (7.0, 8.4), (8.0, 8.0)]


def jaw_motion(vertices: np.ndarray, share: float = 1.0) -> dict[str, np.ndarray]:
    """How anything fixed to the lower jaw follows the jaw's shapes."""
    still = np.zeros_like(vertices)
    return {
        "jawOpen": turned(vertices, HINGE, JAW_DEGREES * share, "x") - vertices,
        "jawLeft": still + np.array([8.0, 0.0, 0.0]),
        "jawRight": still - np.array([8.0, 0.0, 0.0]),
        "jawForward": still + np.array([0.0, -1.0, 8.0]),
        "tongueOut": turned(vertices, HINGE, JAW_DEGREES * TONGUE_JAW, "x") - vertices,
    }


def _arch(width: float, depth: float, front: float, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of a half-ellipse and outward normals by arc length from the middle; at: (N,) mm, either sign."""
    t = np.linspace(0.0, np.pi / 2, 400)
    x, z = width * np.sin(t), front - depth * (1 - np.cos(t))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    t = np.interp(np.abs(at), length, t)
    normal = np.column_stack([np.sign(at) * np.sin(t) / width, np.cos(t) / depth])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.column_stack([np.sign(at) * width * np.sin(t), front - depth * (1 - np.cos(t))]), normal


def _tooth(centre: np.ndarray, normal: np.ndarray, width: float, height: float, up: float, edge: float) -> Part:
    """A superellipsoid with a flat edge; up: 1 if it grows upwards from its edge."""
    rows, columns = 6, 8
    v = np.linspace(-1.0, 1.0, rows)[:, None]
    around = 2 * np.pi * np.arange(columns) / columns
    taper = (1 - np.abs(v) ** 8 * 0.3) ** 0.5 * (1.0 - 0.06 * v)
    c, s = np.cos(around), np.sin(around)
    across = np.sign(c) * np.abs(c) ** 0.5 * taper * width * 0.5
    out = np.sign(s) * np.abs(s) ** 0.7 * taper * np.where(v < 0, 1.5 + 1.4 * (v + 1), 2.9)
    tangent = np.array([normal[1], -normal[0]])
    y = edge + up * (v + 1) * height * 0.5 + 0 * around
    points = np.stack(
        [centre[0] + tangent[0] * across + normal[0] * out, y, centre[1] + tangent[1] * across + normal[1] * out], -1
    )
    faces = grid_faces(rows, columns, closed=True)
    cap = np.column_stack([np.zeros(columns - 2, int), np.arange(1, columns - 1), np.arange(2, columns)])
    faces = np.vstack([faces, cap[:, ::-1]])
    faces = faces if up < 0 else faces[:, ::-1]
    shade = np.clip(0.98 - 0.10 * (v > 0.4) + 0 * around, 0, 1)
    colours = shade[..., None] * np.array([0.97, 0.945, 0.89])
    return Part("tooth", TEETH, points.reshape(-1, 3), faces, colours.reshape(-1, 3))


def _row(table: list, width: float, depth: float, front: float, edge: float, up: float) -> Part:
    teeth = []
    for side in (1.0, -1.0):
        start = 0.0
        for w, h in table:
            at = np.array([side * (start + w / 2)])
            (centre,), (normal,) = _arch(width, depth, front, at)
            teeth.append(_tooth(centre, normal, w, h, up, edge))
            start += w
    return joined("teeth", teeth)


def _gum(width: float, depth: float, front: float, base: float, up: float, reach: float) -> Part:
    """A ridge along the arch in which the teeth stand."""
    at = np.linspace(-reach, reach, 21)
    centre, normal = _arch(width, depth, front, at)
    profile = np.array([(3.0, -1.2), (3.3, 1.0), (3.0, 6.0), (0.0, 9.0), (-4.0, 6.0), (-3.6, 0.0), (-2.6, -1.2)])
    points = np.empty((len(profile), len(at), 3))
    scallop = 0.5 * np.cos(at * 2 * np.pi / 7.0)
    for i, (out, y) in enumerate(profile):
        points[i, :, 0] = centre[:, 0] + normal[:, 0] * out
        points[i, :, 1] = base + up * (y + (scallop if i == 0 else 0.0))
        points[i, :, 2] = centre[:, 1] + normal[:, 1] * out
    faces = grid_faces(len(profile), len(at))
    faces = faces if up > 0 else faces[:, ::-1]
    colours = np.tile([0.72, 0.40, 0.38], (points.shape[0] * points.shape[1], 1))
    return Part("gum", GUM, points.reshape(-1, 3), faces, colours)


def teeth() -> list[Part]:
    """Both rows; the lower one, 4 mm further back, moves with the jaw."""
    upper = _row(UPPER_TEETH, 26.0, 38.0, 104.0, UPPER_EDGE, 1.0)
    lower = _row(LOWER_TEETH, 24.0, 35.0, 100.8, UPPER_EDGE + 1.4, -1.0)
    lower.shapes.update(jaw_motion(lower.vertices))
    return [joined("teeth", [upper, lower])]


def gums() -> list[Part]:
    upper = _gum(26.0, 38.0, 103.6, UPPER_EDGE + 8.6, 1.0, 37.0)
    lower = _gum(24.0, 35.0, 100.4, UPPER_EDGE - 6.6, -1.0, 33.0)
    lower.shapes.update(jaw_motion(lower.vertices))
    return [upper, lower]


def tongue() -> Part:
    """A flattened sweep from the throat to behind the lower teeth; tongueOut stretches and lowers it."""
    rows, columns = 12, 12
    along = np.linspace(0.0, 1.0, rows)
    around = 2 * np.pi * np.arange(columns) / columns
    width = 17.0 * np.sqrt(np.clip(1 - np.maximum(0.0, (along - 0.35) / 0.66) ** 2.4, 0.0, 1.0))
    height = 7.0 * np.sqrt(np.clip(1 - np.maximum(0.0, (along - 0.3) / 0.72) ** 2.6, 0.0, 1.0))
    z = 52.0 + 43.0 * along
    y = -39.0 + 3.5 * np.sin(np.pi * along) - 2.5 * along**2
    c, s = np.cos(around), np.sin(around)
    groove = 1.0 - 0.20 * np.exp(-((c / 0.25) ** 2)) * (s > 0)
    points = np.stack(
        [
            width[:, None] * c,
            y[:, None] + height[:, None] * s * groove,
            np.tile(z[:, None], columns),
        ],
        -1,
    ).reshape(-1, 3)
    faces = grid_faces(rows, columns, closed=True)
    shade = 0.75 + 0.25 * along[:, None] + 0 * around
    colours = (shade[..., None] * np.array([0.95, 0.55, 0.53])).reshape(-1, 3)
    shapes = jaw_motion(points, 0.9)
    share = np.repeat(along, columns)[:, None]
    reach = np.clip(share, 0.0, 1.0) ** 1.2
    shapes["tongueOut"] = (
        shapes["tongueOut"] + reach * np.array([0.0, 14.0, 43.0]) + reach**4 * np.array([0.0, -8.0, 0.0])
    )
    return Part("tongue", GUM, points, faces, colours, shapes)
