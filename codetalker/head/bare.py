"""A head made of a mesh without shapes: they are carried over from one of ours, and what is missing is set in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..errors import UserError
from ..motion import ARKIT_NAMES
from .eye_openings import find_opening
from .gltf import Material, Primitive
from .model import Part
from .registration import Face
from .surface import hang_together
from .transfer import NO_FACE, Transferred, how_like, our_source, skin_of, skin_part, transfer_shapes
from .upright import UNITS, Stance, axis_name

HEIGHT = (0.15, 0.6)  # metres: a mesh of another height is in another unit
USUAL = 0.30  # metres
ALIKE = 0.0023  # metres by which our face, only stretched, is off another one: then it is a face for sure,
UNLIKE = 0.004  # and beyond this it is none
CLEARLY = 0.8  # of that distance: what is off by less than that share of another is clearly better
SIZES = (1.0, 0.75, 1.33)  # tried where the unit is unknown
INSIDE = 30  # points of teeth or eyes that a mesh has at least, where it has any

# the new x, y and z in the old axes, the usual first: y up or z up, looking forward, back, left, right
_TURNS = [
    np.array([np.cross(up, forward), up, forward])
    for up, forward in (
        ((0, 1, 0), (0, 0, 1)), ((0, 0, 1), (0, -1, 0)), ((0, 1, 0), (0, 0, -1)), ((0, 0, 1), (0, 1, 0)),
        ((0, 1, 0), (1, 0, 0)), ((0, 1, 0), (-1, 0, 0)), ((0, 0, 1), (1, 0, 0)), ((0, 0, 1), (-1, 0, 0)),
    )
]  # fmt: skip


@dataclass(frozen=True)
class Made:
    """Primitives with (52, V, 3) shapes of their vertices one after another, and what was guessed, in words"""

    primitives: list[Primitive]
    shapes: np.ndarray
    missing: list[str]
    notes: list[str]


def give_shapes(name: str, primitives: list[Primitive]) -> Made:
    """Raises UserError where no face is found."""
    vertices = np.concatenate([primitive.positions for primitive in primitives])
    starts = np.cumsum([0, *(len(primitive.positions) for primitive in primitives)])
    faces = np.concatenate([one.faces.astype(np.int64) + start for one, start in zip(primitives, starts)])
    stance = find_bare_stance(name, vertices, faces)
    vertices = stance.points(vertices)
    made = transfer_shapes(name, vertices, faces)
    notes = [
        *stance.notes,
        f"it has no shapes of its own: they were carried over from {made.source.name} by the form of the face, "
        f"which fits to {made.misfit * 1000:.1f} mm",
    ]
    primitives = [replace(one, positions=vertices[a:b]) for one, (a, b) in zip(primitives, pairwise(starts))]
    shapes = [made.shapes[:, a:b] for a, b in pairwise(starts)]
    if len(primitives) == 1 and primitives[0].material == Material():
        primitives, shapes = _by_kind(primitives[0], made)
    for words, lent, moved in _lent(made):
        primitives += lent
        shapes += moved
        notes.append(words)
    if not made.face.parted:
        notes.append("its lips are one surface, so that its mouth can't be seen to open")
    shapes = np.concatenate(shapes, axis=1)
    missing = [name for name, offsets in zip(ARKIT_NAMES, shapes) if not offsets.any()]
    return Made(primitives, shapes, missing, notes)


def find_bare_stance(name: str, vertices: np.ndarray, faces: np.ndarray) -> Stance:
    """y up and looking to +z unless a face is seen clearly better another way. Raises UserError where none is seen."""
    surface = hang_together(vertices, faces)
    chosen, skin_faces = skin_of(surface)
    skin, centre = vertices[chosen].astype(np.float64), 0.5 * (vertices.min(0) + vertices.max(0)).astype(np.float64)
    trials = []
    for turn in _TURNS:
        tall = float(np.ptp(vertices @ turn[1]))
        if not 1e-9 < tall < 1e9:
            raise UserError(f"the head {name} has no size")
        scale, words, known = _unit(tall)
        for size in SIZES[:1] if known else SIZES:
            off = how_like((skin - centre) @ turn.T * (scale * size), skin_faces)
            trials.append((off, len(trials), turn, scale * size, words))
        if trials[-1][2] is _TURNS[0] and min(trial[0] for trial in trials) < ALIKE:
            break
    best = min(trials, key=lambda trial: trial[:2])
    usual = min((trial for trial in trials if trial[2] is _TURNS[0]), key=lambda trial: trial[:2])
    if usual[0] * CLEARLY < best[0]:
        best = usual
    off, _, turn, scale, words = best
    if not off < UNLIKE:
        raise UserError(NO_FACE.format(name))
    notes = [words] if words else []
    if turn is not _TURNS[0]:
        notes.append(f"it was turned: {axis_name(turn[1])} was taken for up and {axis_name(turn[2])} for forward")
    return Stance(turn, scale, centre, USUAL, notes)


def _unit(tall: float) -> tuple[float, str | None, bool]:
    """-> the factor to metres, what to say of it, and whether the unit is known"""
    low, high = HEIGHT
    if low <= tall <= high:
        return 1.0, None, True
    fitting = {unit: factor for unit, factor in UNITS.items() if low <= tall * factor <= high}
    if not fitting:
        return USUAL / tall, "its unit is unknown: it was scaled to the size of a head", False
    unit = min(fitting, key=lambda unit: abs(np.log(tall * fitting[unit] / USUAL)))
    return fitting[unit], f"it was taken to be in {unit}", True


def _by_kind(primitive: Primitive, made: Transferred) -> tuple[list[Primitive], list[np.ndarray]]:
    """One mesh of everything as skin, eyes, teeth and so on, in the colours of ours where it has none."""
    colours = made.colours if primitive.colours is None else primitive.colours
    kinds = made.kinds
    owner = kinds[primitive.faces[:, 0]]
    result, shapes = [], []
    for kind in np.unique(owner):
        used, faces = np.unique(primitive.faces[owner == kind], return_inverse=True)
        part = made.source.parts[kind]
        material = replace(part.material, colour=(1.0, 1.0, 1.0, 1.0), blended=False, texture=None)
        result.append(
            Primitive(part.name.split()[0], primitive.positions[used], faces.reshape(-1, 3).astype(np.int32), material,
                      colours=colours[used].astype(np.float32))
        )  # fmt: skip
        shapes.append(made.shapes[:, used])
    return result, shapes


def _lent(made: Transferred) -> list[tuple[str, list[Primitive], list[np.ndarray]]]:
    """What our head lends: words, meshes, shapes"""
    result = []
    counts = np.bincount(made.kinds, minlength=len(made.source.parts))
    named = {word: [i for i, part in enumerate(made.source.parts) if word in part.name] for word in ("eye", "teeth")}
    if made.face.parted and counts[named["teeth"]].sum() < INSIDE:
        parts = [part for part in made.source.parts if any(word in part.name for word in ("teeth", "mouth"))]
        lent = [_lend(made, part, slice(None)) for part in parts]
        if not _has_bag(made.face):
            lent.append(_lend(made, skin_part(made.source), bag_of(our_source().face)))
        result.append((f"the inside of its mouth is {made.source.name}'s", *map(list, zip(*lent))))
    if counts[named["eye"]].sum() < INSIDE:
        eyes = [made.source.parts[index] for index in named["eye"]]
        if _eyes_are_open(made, eyes):
            lent = [_lend(made, part, slice(None)) for part in eyes]
            result.append((f"its eyes are {made.source.name}'s", *map(list, zip(*lent))))
        else:
            result.append(("it has no eyeballs, so its gaze does not move", [], []))
    return result


def _lend(made: Transferred, part: Part, chosen: np.ndarray | slice) -> tuple[Primitive, np.ndarray]:
    """The faces `chosen` of a part of our head, laid onto the other; their shapes (52, N, 3)"""
    faces = made.source.faces[part.faces][chosen]
    used, faces = np.unique(faces, return_inverse=True)
    positions = made.places[used].astype(np.float32)
    material = replace(part.material, colour=(1.0, 1.0, 1.0, 1.0))
    name = "mouth" if part is skin_part(made.source) else part.name.split()[0]
    colours = made.source.colours[used]
    primitive = Primitive(name, positions, faces.reshape(-1, 3).astype(np.int32), material, colours=colours)
    return primitive, made.moved[:, used]


def _hidden(face: Face) -> np.ndarray:
    """(V,) vertices of a skin about the mouth that nobody sees from outside: its bag"""
    vertices = face.surface.vertices
    outer = cKDTree(face.samples.places[face.outer])
    offset = vertices - face.mouth
    near = (np.abs(offset[:, 0]) < 0.04) & (np.abs(offset[:, 1]) < 0.05) & (offset[:, 2] < -0.002)
    hidden = near.copy()
    hidden[near] = outer.query(vertices[near])[0] > 0.0025
    return hidden


def bag_of(face: Face) -> np.ndarray:
    """The faces of the inside of a mouth, as far as the lips"""
    hidden, faces = _hidden(face), face.surface.faces
    count = len(hidden)
    within = faces[hidden[faces].all(1)]
    links = coo_matrix((np.ones(within.size), (within.ravel(), np.roll(within, 1, 1).ravel())), (count, count))
    piece = connected_components(links, directed=False)[1]
    levels = face.surface.vertices[:, 1] - face.mouth[1]
    kept = np.zeros(count, bool)
    for label in np.unique(piece[within]):
        members = piece == label
        kept |= members if abs(levels[members].mean()) < 0.018 else False
    return np.flatnonzero(kept[faces].any(1))


def _has_bag(face: Face) -> bool:
    deep = face.surface.vertices[_hidden(face)] - face.mouth
    return int(((deep[:, 2] < -0.015) & (np.abs(deep[:, 1]) < 0.03)).sum()) > INSIDE


def _eyes_are_open(made: Transferred, eyes: list[Part]) -> bool:
    """Whether the lids of both eyes stand apart where our eyeballs came to lie"""
    surface = made.face.surface
    places = np.concatenate([made.places[part.vertices] for part in eyes])
    halves = places[:, 0] > made.face.mouth[0]
    for ball in (places[halves], places[~halves]):
        low, high = ball.min(0), ball.max(0)
        if find_opening(surface.vertices, surface.faces, 0.5 * (low + high), 0.5 * (high[1] - low[1])) is None:
            return False
    return True
