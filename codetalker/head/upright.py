"""Which way up a head is, where it looks and in which unit it is measured: guessed from what its shapes move."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from ..motion import ARKIT_NAMES

FACE = 0.065  # metres from the eyes' level to the mouth in a human head
PLAUSIBLE = (0.03, 0.25)  # metres: within, a head is taken to be in metres
UNITS = {"millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254, "decimetres": 0.1}  # in metres
LARGER = (10.0, 100.0, 1000.0)  # factors that a head may be too small by

_EYES = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith(("eyeBlink", "eyeSquint", "eyeWide"))]
_MOUTH = [ARKIT_NAMES.index(name) for name in "mouthPucker mouthFunnel mouthRollLower mouthRollUpper".split()]
_JAW = [ARKIT_NAMES.index("jawOpen")]
_SIDED = ("eyeBlink", "eyeSquint", "mouthSmile", "mouthStretch", "browDown", "mouthLowerDown")


@dataclass(frozen=True)
class Stance:
    """How to bring a head into metres, y up, looking to +z: x' = scale * (rotation @ (x - centre)).

    rotation: (3, 3), centre: (3,) the mouth; eyes_to_mouth: metres; notes: what was guessed, in words, and nothing
    where the head stands as it should already: then it is left as it is
    """

    rotation: np.ndarray
    scale: float
    centre: np.ndarray
    eyes_to_mouth: float
    notes: list[str]

    @property
    def mouth(self) -> np.ndarray:
        """(3,) where it is afterwards"""
        return np.zeros(3) if self.notes else self.centre

    def points(self, positions: np.ndarray) -> np.ndarray:
        """(V, 3) -> (V, 3) float32"""
        if not self.notes:
            return positions
        return ((positions - self.centre) @ self.rotation.T * self.scale).astype(np.float32)

    def offsets(self, values: np.ndarray) -> np.ndarray:
        if not self.notes:
            return values
        return (values @ self.rotation.T * self.scale).astype(np.float32)


def find_stance(vertices: np.ndarray, shapes: np.ndarray) -> Stance | None:
    """vertices: (V, 3), shapes: (52, V, 3), as they stand in the file; None where no face is seen to move"""
    mouth = _centre(vertices, shapes, _MOUTH)
    if mouth is None:
        mouth = _centre(vertices, shapes, _JAW)
    if mouth is None:
        return None
    eyes = _centre(vertices, shapes, _EYES)
    if eyes is not None:
        up, size = eyes - mouth, float(np.linalg.norm(eyes - mouth))
    else:
        moved = vertices[_moved(shapes, _MOUTH + _JAW)]
        up, size = -_drop(shapes), float(np.ptp(moved, axis=0).max())
    if not 1e-6 < size < 1e6:
        return None
    return measured_stance(vertices, mouth, up, size, _leftward(vertices, shapes))


def measured_stance(
    vertices: np.ndarray, mouth: np.ndarray, up: np.ndarray, size: float, left: np.ndarray | None
) -> Stance:
    """up, left: directions (3,) of any length, size: from the eyes to the mouth, in the file's unit"""
    up = up / max(np.linalg.norm(up), 1e-12)
    if left is not None:
        forward = np.cross(left, up)
    else:
        near = vertices[np.linalg.norm(vertices - mouth, axis=1) < 2.5 * size]
        forward = mouth - near.mean(0) if len(near) else np.zeros(3)
    forward = forward / max(np.linalg.norm(forward), 1e-12)
    rotation = max(_turns(), key=lambda turn: float(turn[1] @ up + turn[2] @ forward))
    scale, notes = _unit(size)
    if not np.array_equal(rotation, np.eye(3)):
        notes.append(
            f"it was turned: {axis_name(rotation[1])} was taken for up and {axis_name(rotation[2])} for forward"
        )
    return Stance(rotation, scale, mouth, size * scale, notes)


def _unit(size: float) -> tuple[float, list[str]]:
    """-> the factor to metres, and what to say of it"""
    low, high = PLAUSIBLE
    if low <= size <= high:
        return 1.0, []
    fitting = [factor for factor in (*UNITS.values(), *LARGER) if low <= size * factor <= high]
    if not fitting:
        return FACE / size, [f"its unit is unknown: it was scaled by {FACE / size:.3g} to the size of a head"]
    factor = min(fitting, key=lambda factor: abs(np.log(size * factor / FACE)))
    unit = next((name for name, value in UNITS.items() if value == factor), None)
    return factor, [f"it was taken to be in {unit}" if unit else f"it was enlarged {factor:g} times"]


def _turns() -> list[np.ndarray]:
    """The 24 rotations of a cube, the identity first. Rows are the new x, y and z in the old axes."""
    signed = (
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    )
    return [turn for turn in signed if np.linalg.det(turn) > 0]


def axis_name(row: np.ndarray) -> str:
    """(3,) an axis, as z or -z"""
    index = int(np.abs(row).argmax())
    return ("-" if row[index] < 0 else "") + "xyz"[index]


def _moved(shapes: np.ndarray, columns: list[int], share: float = 0.4) -> np.ndarray:
    """(V,) whether one of the shapes moves a vertex at least `share` of the furthest that it moves any"""
    result = np.zeros(shapes.shape[1], bool)
    for column in columns:
        travel = np.linalg.norm(shapes[column], axis=1)
        if travel.max() > 0:
            result |= travel > share * travel.max()
    return result


def _centre(vertices: np.ndarray, shapes: np.ndarray, columns: list[int]) -> np.ndarray | None:
    """(3,) the middle of the box around what the shapes move"""
    moved = vertices[_moved(shapes, columns)]
    return 0.5 * (moved.min(0) + moved.max(0)).astype(np.float64) if len(moved) else None


def _drop(shapes: np.ndarray) -> np.ndarray:
    total = shapes[_JAW].sum((0, 1))
    return total if total.any() else np.array([0.0, -1.0, 0.0])


def _leftward(vertices: np.ndarray, shapes: np.ndarray) -> np.ndarray | None:
    """(3,) from what the right-hand shapes move to what the left-hand ones move; None where none are one-sided"""
    total = np.zeros(3)
    for name in _SIDED:
        sides = [_centre(vertices, shapes, [ARKIT_NAMES.index(name + side)]) for side in ("Left", "Right")]
        if sides[0] is not None and sides[1] is not None:
            total += sides[0] - sides[1]
    return total if np.linalg.norm(total) > 1e-3 * np.ptp(vertices, axis=0).max() else None
