"""Gums and tongue, and how whatever is fixed to the lower jaw follows it.

ARKit has one shape for the tongue, tongueOut. So the tongue rests high, behind the upper teeth, and follows the jaw by
less than the teeth do: at the small openings of /t d n l/ it stands between the teeth, and a little tongueOut brings
its tip to their edges, as for /th/.
"""

from __future__ import annotations

import numpy as np

from .anatomy import Anatomy, smoothstep
from .average import HINGE
from .parts import Material, Part, grid_faces, turned

JAW_DEGREES = 20.5
TONGUE_JAW = 0.42  # how far the jaw opens to let the tongue out
TONGUE_FOLLOWS = (0.92, 0.70)  # the jaw's opening, at its root and at its tip
# mm by which the tip draws back and down where lips are rounded, as the tongue does for /u/ and /o/
ROUNDED = {"mouthPucker": (0.0, -3.5, -9.0), "mouthFunnel": (0.0, -3.0, -7.0)}
GUM = Material("mouth", 0.35)
UPPER_EDGE = -36.0  # y of the upper teeth's edges
OVERBITE = 1.6  # mm that they cover of the lower ones
UPPER_ARCH = (27.0, 34.0, 104.6)  # half width at its end, depth there, z of its front
LOWER_ARCH = (25.0, 32.0, 101.4)


def jaw_motion(vertices: np.ndarray, share: float | np.ndarray = 1.0) -> dict[str, np.ndarray]:
    """How anything fixed to the lower jaw follows the jaw's shapes; share: of its opening, one or one per vertex."""
    still = np.zeros_like(vertices)
    opening = turned(vertices, HINGE, JAW_DEGREES, "x") - vertices
    share = np.reshape(share, (-1, 1))
    return {
        "jawOpen": opening * share,
        "jawLeft": still + np.array([8.0, 0.0, 0.0]),
        "jawRight": still - np.array([8.0, 0.0, 0.0]),
        "jawForward": still + np.array([0.0, -1.0, 8.0]),
        "tongueOut": opening * TONGUE_JAW,
    }


def seat(anatomy: Anatomy, points: np.ndarray) -> np.ndarray:
    """(N, 3) of the average mouth's inside -> of this person's: as wide as their mouth, behind their lips."""
    middle = np.array([0.0, -34.0, 113.0])
    size = np.array([anatomy.mouth_scale, 1.0, 0.5 + 0.5 * anatomy.mouth_scale])
    return (points - middle) * size + anatomy.mouth


def arch(shape: tuple, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) points (x, z) and outward normals of a row of teeth; at: (N,) mm along it from the middle, either sign."""
    width, depth, front = shape
    x = np.linspace(0.0, width, 300)
    z = front - depth * (x / width) ** 2.5
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    x = np.interp(np.abs(at), length, x)
    slope = -2.5 * depth / width * (x / width) ** 1.5
    normal = np.column_stack([-np.sign(at) * slope, np.ones_like(x)])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.column_stack([np.sign(at) * x, front - depth * (x / width) ** 2.5]), normal


def _gum(shape: tuple, base: float, up: float, reach: float) -> Part:
    """A ridge along the arch in which the teeth stand, with the palate or the mouth's floor behind it."""
    at = np.linspace(-reach, reach, 25)
    centre, normal = arch(shape, at)
    profile = np.array([(1.9, -1.4), (2.9, 0.2), (3.0, 4.0), (0.0, 9.0), (-4.0, 7.0), (-4.6, 0.5), (-3.4, -1.6)])
    points = np.empty((len(profile), len(at), 3))
    scallop = 0.7 * np.cos(at * 2 * np.pi / 7.2)
    for i, (out, y) in enumerate(profile):
        points[i, :, 0] = centre[:, 0] + normal[:, 0] * out
        points[i, :, 1] = base + up * (y + (scallop if i == 0 else 0.0))
        points[i, :, 2] = centre[:, 1] + normal[:, 1] * out
    faces = grid_faces(len(profile), len(at))
    faces = faces if up < 0 else faces[:, ::-1]
    shade = np.array([1.0, 1.0, 0.95, 0.85, 0.8, 0.85, 0.9])
    colours = np.repeat(shade, len(at))[:, None] * np.array([0.76, 0.42, 0.41])
    return Part("gum", GUM, points.reshape(-1, 3), faces, colours)


def gums(anatomy: Anatomy) -> list[Part]:
    upper = _gum(UPPER_ARCH, UPPER_EDGE + 8.8, 1.0, 42.0)
    lower = _gum(LOWER_ARCH, UPPER_EDGE + OVERBITE - 7.4, -1.0, 38.0)
    for part in (upper, lower):
        part.vertices = seat(anatomy, part.vertices)
    lower.shapes.update(jaw_motion(lower.vertices))
    return [upper, lower]


def tongue(anatomy: Anatomy) -> Part:
    """A flattened sweep from the throat to behind the upper teeth; tongueOut carries it between the teeth and out."""
    rows, columns = 14, 14
    along = np.linspace(0.0, 1.0, rows) ** 0.85
    around = 2 * np.pi * np.arange(columns) / columns
    tip = np.clip((along - 0.45) / 0.55, 0.0, 1.0)
    round_off = np.sqrt(np.clip(1 - tip**3.2, 0.0, 1.0))
    root = np.sqrt(np.clip(along / 0.12, 0.15, 1.0))
    width = (19.0 - 3.0 * tip) * round_off * root
    height = (8.0 - 4.4 * tip) * np.clip(round_off, 0.25, 1.0) * root
    z = 47.0 + 51.5 * along
    y = -42.5 + 5.0 * np.sin(np.pi * np.minimum(along, 0.9) / 0.9) + 7.0 * tip
    c, s = np.cos(around), np.sin(around)
    groove = 1.0 - 0.30 * np.exp(-((c / 0.28) ** 2)) * (s > 0)
    width[-1] = 0.0
    points = np.stack(
        [width[:, None] * c, y[:, None] + height[:, None] * s * groove, np.tile(z[:, None], columns)], -1
    ).reshape(-1, 3)
    shade = 0.80 + 0.20 * along[:, None] - 0.10 * np.exp(-((c / 0.2) ** 2)) * (s > 0)
    colours = (shade[..., None] * np.array([0.93, 0.55, 0.54])).reshape(-1, 3)
    share = np.repeat(along, columns)[:, None]
    points = seat(anatomy, points)
    shapes = jaw_motion(points, TONGUE_FOLLOWS[0] + (TONGUE_FOLLOWS[1] - TONGUE_FOLLOWS[0]) * share)
    reach = smoothstep(share) ** 0.8
    droop = reach**4 * np.array([0.0, -9.0, 0.0]) + reach * np.array([0.0, 7.0, 46.0])
    shapes["tongueOut"] = shapes["tongueOut"] + droop
    shapes |= {name: reach * np.array(step) for name, step in ROUNDED.items()}
    return Part("tongue", GUM, points, grid_faces(rows, columns, closed=True)[:, ::-1], colours, shapes)
