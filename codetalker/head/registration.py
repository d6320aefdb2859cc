"""One face laid onto another: a smooth warp of space, found from nose, profile, lips and the nearest surface.

Iterative closest points with a thin-plate spline (Chui and Rangarajan 2003), loosened step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from .eye_openings import find_opening
from .lips import Lips, find_lips
from .profile import LEVELS, Profile, find_profile, match_levels, nose_length
from .surface import Samples, Surface, hang_together, spread

DENSE = 60_000  # samples of a face that is laid onto
CONTROLS = (450, 150)  # of the warp: about the face, and on the rest of the head
FACE = 0.085  # metres around what lies
ABOVE_MOUTH = np.array([0.0, 0.02, 0.0])
MIDDLE = np.array([0.0, 0.015, -0.09])  # of a head, from the tip of its nose
TURNED = 0.012  # metres that a normal turned by a radian counts for
OTHER_LIP = 0.030  # metres that the other lip is away
STIFFNESS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015, 0.008)  # of the warp, step by step
FAR = (0.025, 0.020, 0.016, 0.012, 0.010, 0.008, 0.006, 0.006)  # metres: further matches are no matches
NOSES = (0.004, 0.060)  # metres that the tip of a nose stands out before the cheeks
STRETCHED = (0.6, 1.7)
AFFINE_STEPS, SIMILAR_STEPS = 12, 4  # of the start; the first ones only turn, scale and shift
MARKS = 0.02  # of the stiffness, at landmarks

Warp = Callable[[np.ndarray], np.ndarray]  # (N, 3) -> (N, 3)


@dataclass
class Face:
    """The skin of a head, in metres, y up, looking to +z. outer: (N,) samples that are not inside mouth or nose"""

    surface: Surface
    samples: Samples
    profile: Profile
    mouth: np.ndarray
    lips: Lips | None
    outer: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def parted(self) -> bool:
        return self.lips is not None and self.lips.parted

    def side(self, samples: Samples) -> np.ndarray:
        """(N,) of which lip: 1 upper, -1 lower, 0 of neither; 0 for all where the lips are one surface"""
        if not self.parted:
            return np.zeros(len(samples.face))
        sides = self.lips.side[self.surface.point][self.surface.faces[samples.face]]
        foremost = sides[np.arange(len(sides)), np.abs(sides).argmax(1)]
        return foremost


def find_face(vertices: np.ndarray, faces: np.ndarray, like: tuple[Profile, float] | float) -> Face:
    """like: the level of the mouth above the tip of the nose; of another face, with its profile, or of this one"""
    surface, samples = hang_together(vertices, faces), spread(vertices, faces, DENSE)
    profile = find_profile(samples.places)
    level = like
    if isinstance(like, tuple):
        levels, _ = match_levels(like[0], profile)
        level = float(np.interp(like[1], levels[:, 0], levels[:, 1]))
    depth = float(np.interp(level, LEVELS, np.nan_to_num(profile.depth)))
    mouth = profile.tip + np.array([0.0, level, depth])
    lips = find_lips(surface, mouth, float(profile.tip[0]))
    if lips is not None and lips.parted:
        mouth = np.array([np.interp(profile.tip[0], lips.line[:, 0], lips.line[:, axis]) for axis in range(3)])
    return Face(surface, samples, profile, mouth, lips, _outer(samples, profile.tip))


def _outer(samples: Samples, tip: np.ndarray) -> np.ndarray:
    """(N,) whether a sample is the outermost as seen from the middle of the head"""
    ray = samples.places - (tip + MIDDLE)
    reach = np.linalg.norm(ray, axis=1)
    around = np.arctan2(ray[:, 0], ray[:, 2])
    up = np.arcsin(np.clip(ray[:, 1] / np.maximum(reach, 1e-9), -1, 1))
    cells = np.stack([np.floor(around / 0.06), np.floor(up / 0.06)], 1).astype(int)
    _, cell = np.unique(cells, axis=0, return_inverse=True)
    cell = cell.ravel()
    furthest = np.zeros(cell.max() + 1)
    np.maximum.at(furthest, cell, reach)
    facing = np.einsum("nd,nd->n", ray, samples.normals) > 0
    return facing & (reach > furthest[cell] - 0.010)


def lay_onto(source: Face, target: Face, eyes: list[Eye]) -> tuple[Warp, float]:
    """eyes: of the source -> the warp from its space to the target's, how far off the surface it is (median, metres)"""
    task = _Task(source, target)
    warp = task.tighten(task.start())
    task.add_marks(*_lid_marks(source, target, eyes, warp))
    warp = task.tighten(warp)
    return warp, task.misfit(warp)


def has_nose(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether something like a nose stands out of the front of a mesh (V, 3), (F, 3); quickly found"""
    places = spread(vertices, faces, DENSE // 2).places
    shortest, longest = nose_length(places, find_profile(places).tip)
    return NOSES[0] < shortest and longest < NOSES[1]


def likeness(source: Face, target: Face) -> float:
    """How far off the target's surface the source stays that is only stretched, the median in metres; infinite where
    it had to be stretched too much
    """
    task = _Task(source, target)
    warp = task.start()
    scales = np.linalg.svd(warp(np.eye(3)) - warp(np.zeros((1, 3))))[1]
    if scales.min() < STRETCHED[0] or scales.max() > STRETCHED[1]:
        return np.inf
    return task.misfit(warp)


class Eye(NamedTuple):
    """centre: (3,), radius: metres, of an eyeball"""

    centre: np.ndarray
    radius: float


class _Task:
    """One face that is being laid onto another."""

    def __init__(self, source: Face, target: Face) -> None:
        self.source, self.target = source, target
        self.controls = _controls(source)
        self.sides = source.side(self.controls) * target.parted
        self.near = np.linalg.norm(self.controls.places - source.mouth, axis=1) < FACE
        self.marks_from, self.marks_to = _landmarks(source, target)
        self.nearest = _Nearest(target)

    def add_marks(self, marks_from: np.ndarray, marks_to: np.ndarray) -> None:
        self.marks_from = np.concatenate([self.marks_from, marks_from])
        self.marks_to = np.concatenate([self.marks_to, marks_to])

    def start(self) -> Warp:
        """The affine map that brings the face nearest, from the noses and mouths laid onto each other."""
        kept, sides = pick(self.controls, np.flatnonzero(self.near)), self.sides[self.near]
        surface = self.source.surface
        matrix, shift = np.eye(3), (self.marks_to - self.marks_from)[:2].mean(0)
        for step in range(AFFINE_STEPS):
            places, normals = _moved(kept, surface.vertices @ matrix.T + shift, surface.faces)
            goals, distance, alike = self.nearest.query(places, normals, sides)
            good = alike & (distance < np.quantile(distance, 0.8))
            start = np.concatenate([kept.places[good], self.marks_from])
            goal = np.concatenate([goals[good], self.marks_to])
            weight = np.concatenate([np.ones(good.sum()), np.full(len(self.marks_from), 20.0 if step == 0 else 10.0)])
            matrix, shift = _fit(start, goal, weight, affine=step >= SIMILAR_STEPS)
        return lambda points: points @ matrix.T + shift

    def tighten(self, warp: Warp) -> Warp:
        surface = self.source.surface
        for stiffness, far in zip(STIFFNESS, FAR):
            places, normals = _moved(self.controls, warp(surface.vertices), surface.faces)
            goals, distance, alike = self.nearest.query(places, normals, self.sides)
            good = (distance < far) & alike
            strong = np.full(len(self.marks_from), MARKS * stiffness)
            warp = RBFInterpolator(
                np.concatenate([self.controls.places[good], self.marks_from]),
                np.concatenate([goals[good], self.marks_to]),
                kernel="linear",  # the thin-plate spline of three dimensions
                degree=1,
                smoothing=np.concatenate([np.full(good.sum(), stiffness), strong]),
            )
        return warp

    def misfit(self, warp: Warp) -> float:
        surface = self.source.surface
        places, normals = _moved(self.controls, warp(surface.vertices), surface.faces)
        _, distance, _ = self.nearest.query(places, normals, self.sides)
        return float(np.median(distance[self.near]))


def _lid_marks(source: Face, target: Face, eyes: list[Eye], warp: Warp) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (M, 3) along the edges of the lids, where both faces have their eyes open"""
    one, other = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for eye in eyes:
        centre, side = warp(np.stack([eye.centre, eye.centre + np.array([eye.radius, 0.0, 0.0])]))
        here = find_opening(source.surface.vertices, source.surface.faces, eye.centre, eye.radius)
        radius = float(np.linalg.norm(side - centre))
        there = find_opening(target.surface.vertices, target.surface.faces, centre, radius)
        if here is not None and there is not None:
            one += here
            other += there
    return np.concatenate(one), np.concatenate(other)


def _controls(face: Face) -> Samples:
    """Spread over what is seen of the face, and fewer over the rest of the head."""
    centre = face.mouth + ABOVE_MOUTH
    near = np.linalg.norm(face.samples.places - centre, axis=1) < FACE
    rows = []
    for count, among in zip(CONTROLS, (near, ~near)):
        where = np.flatnonzero(among & face.outer)
        rows.append(where[np.linspace(0, len(where) - 1, min(count, len(where))).astype(int)])
    return pick(face.samples, np.concatenate(rows))


def pick(samples: Samples, rows: np.ndarray) -> Samples:
    return Samples(samples.places[rows], samples.normals[rows], samples.face[rows], samples.weights[rows])


def _moved(samples: Samples, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and normals (N, 3) of samples on a mesh whose vertices have moved."""
    corners = vertices[faces[samples.face]]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-20)
    return np.einsum("nc,ncd->nd", samples.weights, corners), normals


def _landmarks(source: Face, target: Face) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (M, 3): the tip of the nose, the lips' line from corner to corner or its middle."""
    pairs = [(source.profile.tip, target.profile.tip), (source.mouth, target.mouth)]
    if source.parted and target.parted:
        for share in np.linspace(-1.0, 1.0, 9):
            pairs += zip(_across(source, share), _across(target, share))
    one, other = zip(*pairs)
    return np.array(one, float), np.array(other, float)


def _across(face: Face, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The points of the upper and the lower lip at a share of the way from the middle to a corner"""
    lips = face.lips
    middle = face.mouth[0]
    end = lips.line[:, 0].max() if share > 0 else lips.line[:, 0].min()
    x = middle + abs(share) * (end - middle)
    return tuple(
        np.array([np.interp(x, lips.line[:, 0], face.surface.points[row][:, axis]) for axis in range(3)])
        for row in (lips.upper, lips.lower)
    )


def search_key(places: np.ndarray, normals: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(N, 3), (N, 3), (N,) -> (N, 7): points are near that lie close, look the same way and belong to the same lip."""
    return np.hstack([places, TURNED * normals, OTHER_LIP * side[:, None]])


class _Nearest:
    """The nearest point of a face that looks the same way, and belongs to the same lip."""

    def __init__(self, face: Face) -> None:
        self.samples = pick(face.samples, np.flatnonzero(face.outer | (np.abs(face.side(face.samples)) > 0.3)))
        side = face.side(self.samples)
        self.tree = cKDTree(search_key(self.samples.places, self.samples.normals, side))

    def query(
        self, places: np.ndarray, normals: np.ndarray, side: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """-> the places (N, 3), how far they are, and whether they look the same way"""
        _, row = self.tree.query(search_key(places, normals, side))
        found, looking = self.samples.places[row], self.samples.normals[row]
        # onto the plane of the surface there: samples lie a millimetre apart
        off = np.einsum("nd,nd->n", places - found, looking)[:, None] * looking
        slid = places - off - found
        slid *= np.minimum(1.0, 0.001 / np.maximum(np.linalg.norm(slid, axis=1, keepdims=True), 1e-12))
        found = found + slid
        return found, np.linalg.norm(found - places, axis=1), np.einsum("nd,nd->n", normals, looking) > 0.5


def _fit(start: np.ndarray, goal: np.ndarray, weight: np.ndarray, affine: bool) -> tuple[np.ndarray, np.ndarray]:
    """The affine map, or the similarity (Umeyama 1991), that brings points (N, 3) nearest to their goals."""
    weight = weight / weight.sum()
    here, there = weight @ start, weight @ goal
    one, other = start - here, goal - there
    cross = (other * weight[:, None]).T @ one
    spread_ = (one * weight[:, None]).T @ one
    if affine:  # a little held to its trace, so that flat faces don't shear
        size = np.trace(spread_) / 3
        matrix = (cross + 0.02 * size * np.eye(3)) @ np.linalg.inv(spread_ + 0.02 * size * np.eye(3))
    else:
        u, scales, v = np.linalg.svd(cross)
        flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
        matrix = u @ flip @ v * (np.trace(np.diag(scales) @ flip) / np.trace(spread_))
    return matrix, there - matrix @ here
