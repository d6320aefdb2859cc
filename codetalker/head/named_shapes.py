"""The ARKit shapes of meshes by the names of their morph targets; visemes stand in where a head has nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..motion import ARKIT_NAMES
from .gltf import Primitive
from .spellings import PARTLY, arkit_name, recipe_for, stand_in_name
from .upright import Stance

TOLD = 6  # shapes that a note names one by one
SPEAKING = ("jawOpen", "mouthFunnel", "mouthPucker")  # without any of these a head can't speak
MIDDLE = 0.15  # half the width of the strip in which one side of a face fades into the other, of eyes to mouth

_SIDES = {"Left": 1.0, "Right": -1.0}


@dataclass
class Shapes:
    """offsets: {column: (V, 3)} for each primitive, missing: names of ARKIT_NAMES, approximated: {name: stand-ins},
    whole: columns of one-sided shapes that still move both sides
    """

    offsets: list[dict[int, np.ndarray]]
    missing: list[str]
    approximated: dict[str, list[str]] = field(default_factory=dict)
    whole: list[int] = field(default_factory=list)

    def stacked(self, counts: list[int]) -> np.ndarray:
        """counts: vertices of each primitive, V together -> (52, V, 3) float32"""
        result = np.zeros((len(ARKIT_NAMES), sum(counts), 3), np.float32)
        start = 0
        for count, offsets in zip(counts, self.offsets):
            for column, values in offsets.items():
                result[column, start : start + count] = values
            start += count
        return result

    def notes(self) -> list[str]:
        notes = []
        if self.approximated:
            used = sorted({part for parts in self.approximated.values() for part in parts}, key=str.lower)
            notes.append(
                f"approximated from its visemes and expressions ({', '.join(used)}): {_list(self.approximated)}"
            )
        if self.missing:
            notes.append(f"it lacks {len(self.missing)} of the 52 ARKit shapes: {_list(self.missing)}")
        return notes


def name_shapes(primitives: list[Primitive]) -> Shapes:
    """Shapes that have ARKit names are taken; what is missing then is approximated, by spellings.STAND_INS."""
    named = [_by_name(primitive) for primitive in primitives]
    offsets = [found for found, _ in named]
    found = set().union(*offsets) if offsets else set()
    missing, approximated, whole = [], {}, []
    had = set().union(*(stand_ins for _, stand_ins in named)) if named else set()
    for column, name in enumerate(ARKIT_NAMES):
        if column in found:
            continue
        recipe = recipe_for(name, had)
        if not recipe:
            missing.append(name)
            continue
        approximated[name] = list(recipe)
        if name.endswith(tuple(_SIDES)) and not any(part.endswith(tuple(_SIDES)) for part in recipe):
            whole.append(column)
        for target, stand_ins in named:
            parts = [weight * stand_ins[part] for part, weight in recipe.items() if part in stand_ins]
            if parts:
                target[column] = sum(parts)
    return Shapes(offsets, missing, approximated, whole)


def _by_name(primitive: Primitive) -> tuple[dict[int, np.ndarray], dict[str, np.ndarray]]:
    """-> {column: offsets} of ARKit's, {stand-in: offsets}; of two spellings of one shape the first counts"""
    found: dict[int, np.ndarray] = {}
    halves: dict[int, np.ndarray] = {}
    stand_ins: dict[str, np.ndarray] = {}
    for spelled, offsets in primitive.targets.items():
        name = arkit_name(spelled)
        if name is None:
            if (other := stand_in_name(spelled)) is not None:
                stand_ins.setdefault(other, offsets)
        elif name.startswith(PARTLY):
            column = ARKIT_NAMES.index(name.removeprefix(PARTLY))
            halves[column] = halves.get(column, 0.0) + offsets
        else:
            found.setdefault(ARKIT_NAMES.index(name), offsets)
    return halves | found, stand_ins


def keep_side(shapes: np.ndarray, column: int, across: np.ndarray, stance: Stance) -> None:
    """Changes shapes (52, V, 3) so that a one-sided shape moves its own side alone. across: (V,) the vertices' x"""
    level = np.clip((across - stance.mouth[0]) / (MIDDLE * stance.eyes_to_mouth), -1.0, 1.0)
    sign = next(sign for side, sign in _SIDES.items() if ARKIT_NAMES[column].endswith(side))
    shapes[column] *= (0.5 + 0.5 * sign * level).astype(np.float32)[:, None]


def _list(names: list[str] | dict[str, list[str]]) -> str:
    names = list(names)
    if len(names) <= TOLD + 1:
        return ", ".join(names)
    return f"{', '.join(names[:TOLD])} and {len(names) - TOLD} more"
