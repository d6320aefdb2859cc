"""Where one person has what average.py lists: the control data from which the head is then built."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from . import average
from .person import Person, Table

MIRROR = np.array([-1.0, 1.0, 1.0])
IN_FIELD = [i for i in range(68) if i not in {0, 10, 11, 12, 13, 16, *range(27, 48), *range(60, 68)}]


class Anatomy:
    """Control points, solids and strokes of a person, mm, on the left half as in average.py."""

    def __init__(self, person: Person) -> None:
        build = person.build
        self.person = person
        self._tables = [curve(t) for t in (build.heights, build.widths, build.fronts, build.backs)]
        self.landmarks = self.place(average.LANDMARKS)
        self.eye_centre = self.place(average.EYE_CENTRE)[0]
        self.eye_radius = average.EYE_RADIUS * person.eyes.scale
        self.lid = person.eyes.lid
        self.nose = [self._solid(*solid, person.nose.get(name, 1.0)) for name, solid in average.NOSE.items()]
        strokes = [(line, depth * person.folds.get(name, 1.0), s) for name, (line, depth, s) in average.STROKES.items()]
        self.strokes = [(self.place(line), depth, sigma) for line, depth, sigma in [*strokes, *person.wrinkles]]
        self.nose_centre, self.face_centre = self.place([(0.0, 5.0, 115.0), (0.0, 0.0, 105.0)])
        self.mouth = self.place([(0.0, -34.0, 113.0)])[0]
        self.mouth_scale = self.place([average.LANDMARKS[54]])[0, 0] / average.LANDMARKS[54, 0]

    def place(self, points: np.ndarray | list) -> np.ndarray:
        """(N, 3) of the average head, either side -> (N, 3) of this person's."""
        build = self.person.build
        p = np.atleast_2d(np.array(points, float))
        side = np.where(p[:, 0] < 0, -1.0, 1.0)
        p[:, 0] = np.abs(p[:, 0])
        moved = p.copy()
        for bump in build.bumps:
            offset = p - np.asarray(bump.centre)
            reach = ((offset / np.asarray(bump.radius)) ** 2).sum(1)
            step = np.exp(-(reach**1.5))[:, None] * (offset * (np.asarray(bump.scale) - 1.0) + np.asarray(bump.shift))
            step[:, 0] *= np.tanh(p[:, 0] / 6.0)  # the middle stays in the middle
            moved += step
        heights, widths, fronts, backs = (table(moved[:, 1]) for table in self._tables)
        moved[:, 0] *= (widths if build.widths else 1.0) * side
        ahead, behind = smoothstep((moved[:, 2] - 10.0) / 80.0), smoothstep((20.0 - moved[:, 2]) / 70.0)
        moved[:, 2] += fronts * ahead - backs * behind
        moved[:, 1] += heights
        return moved

    def unplace(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) of this person -> (N, 3) where the average head has them; the inverse of `place`, to 0.1 mm or so."""
        p = np.array(points, float)
        for _ in range(12):
            p += 0.9 * (points - self.place(p))
        return p

    def head_points(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) points on the head without nose and neck, and (N,) how loosely each one binds."""
        rows = [((0, y, z), 4.0) for y, z in average.MIDLINE]
        rows += [
            ((x * average.SLIM.get(y, 1.0), y, z), 25.0) for y, outline in average.OUTLINES.items() for x, z in outline
        ]
        rows += [(tuple(point), 40.0) for point in average.OWN]
        rows += [(tuple(average.LANDMARKS[i]), 12.0) for i in IN_FIELD if average.LANDMARKS[i, 0] >= 0]
        points, looseness = zip(*rows, strict=True)
        return self.place(points), np.array(looseness)

    def neck_points(self) -> tuple[np.ndarray, np.ndarray]:
        """As head_points, of the neck and the shoulders."""
        build, rows = self.person.build, []
        for y, outline in average.NECK_OUTLINES.items():
            share = float(smoothstep((-112.0 - y) / 30.0))
            factor = build.neck + (build.shoulders - build.neck) * share
            rows += [(x * average.NECK_SLIM.get(y, 1.0) * factor, y, z) for x, z in outline]
        return np.array(rows, float), np.ones(len(rows))

    def _solid(self, kind: str, *numbers: object) -> tuple:
        *places, blend, factor = numbers
        if kind == "cone":
            a, b, ra, rb = places
            a, b = self.place([a, b])
            return kind, a, b, ra * factor, rb * factor, blend
        centre, radii = places
        return kind, self.place(centre)[0], np.asarray(radii) * factor, blend


def curve(table: Table) -> Callable[[np.ndarray], np.ndarray]:
    """A smooth function through the table, constant beyond its ends; zero where the table is empty."""
    if not table:
        return lambda at: np.zeros_like(at)
    x, y = np.array(sorted(table)).T
    through = PchipInterpolator(x, y)
    return lambda at: through(np.clip(at, x[0], x[-1]))


def smoothstep(x: np.ndarray | float) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
