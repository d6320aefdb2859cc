"""Puts a head together from its parts."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from . import brows, cap, colour, ears, eyes, hair, marks, mouth, rings, shirt, teeth
from .anatomy import Anatomy
from .field import build_field
from .parts import Material, Part, joined
from .person import Person
from .shapes import skin_shapes
from .template import Skin, build_skin

SKIN = Material("skin", 0.52)
INSIDE = rings.MOUTH_CONTACT - 2  # loops of the mouth up to here are its wet lining


def regions(skin: Skin) -> dict[str, np.ndarray]:
    """Vertex indices of the skin: the lips with the skin about them, the upper face, the two sides of the line along
    which the lips meet, paired (without the corners, which both lips share), the lids from their rims outwards (with
    their corners), and the 68 landmarks."""
    v = skin.average
    above = np.arange(rings.MOUTH_CORNER)
    below = rings.MOUTH_COLUMNS - 1 - above
    contact = skin.mouth[:, rings.MOUTH_CONTACT]
    # from the head's right to its left; the middle, which both halves hold, once
    upper = np.concatenate([contact[1, above[::-1]], contact[0, above[1:]]])
    lower = np.concatenate([contact[1, below[::-1]], contact[0, below[1:]]])
    inside = np.concatenate(
        [skin.mouth[:, : rings.MOUTH_CONTACT].ravel(), skin.eye[:, : rings.EYE_RIM].ravel(), skin.nostril.ravel()]
    )
    face = np.flatnonzero((v[:, 1] > 14.0) & (v[:, 1] < 90.0) & (v[:, 2] > 50.0))
    lids, half = skin.eye[:, rings.EYE_RIM :], rings.EYE_COLUMNS // 2
    return {
        "lips": np.unique(skin.mouth[:, rings.MOUTH_CONTACT :]),
        "upper_face": np.setdiff1d(face, inside),
        "inner_lip_upper": upper,
        "inner_lip_lower": lower,
        "upper_lids": np.unique(lids[:, :, : half + 1]),
        "lower_lids": np.unique(np.concatenate([lids[:, :, half:], lids[:, :, :1]], axis=2)),
        "landmarks": _landmarks(skin, np.unique(inside)),
    }


def _landmarks(skin: Skin, inside: np.ndarray) -> np.ndarray:
    """(68,) the nearest vertex to each landmark; those of the lips on their own lip's loops."""
    marks = skin.anatomy.landmarks
    open_skin = np.setdiff1d(np.arange(len(skin.vertices)), np.append(inside, skin.throat))
    found = open_skin[cKDTree(skin.vertices[open_skin]).query(marks)[1]]
    upper = np.arange(rings.MOUTH_COLUMNS) <= rings.MOUTH_CORNER
    border, contact = skin.mouth[:, rings.MOUTH_BORDER], skin.mouth[:, rings.MOUTH_CONTACT]
    for rows, loop, half in (
        (range(48, 55), border, upper),
        (range(55, 60), border, ~upper),
        (range(60, 65), contact, upper),
        (range(65, 68), contact, ~upper),
    ):
        ring = loop[:, half].ravel()
        rows = list(rows)
        found[rows] = ring[cKDTree(skin.vertices[ring]).query(marks[rows])[1]]
    return found


def build_head(person: Person) -> list[Part]:
    """The whole head, in millimetres."""
    anatomy = Anatomy(person)
    field = build_field(anatomy)
    skin = build_skin(field)
    shapes = skin_shapes(skin)
    whole = Part("skin", SKIN, skin.vertices, skin.faces, colour.skin_colours(skin), shapes, regions(skin))
    lining = np.zeros(len(skin.vertices), bool)
    lining[skin.mouth[:, : INSIDE + 1]] = True
    lining[skin.throat] = True
    inner = lining[skin.faces].all(1)
    wet, face = _faces_of(whole, inner, mouth.GUM), _faces_of(whole, ~inner, SKIN)
    return [
        joined("skin", [face, *(ears.ear(field, side, SKIN) for side in (1, -1))]),
        joined("eyes", [part(anatomy, side) for part in (eyes.eyeball, eyes.caruncle) for side in (1, -1)]),
        teeth.teeth(anatomy),
        joined("mouth", [wet, *mouth.gums(anatomy), mouth.tongue(anatomy)]),
        *hair.hair(field),
        *cap.cap(field),
        *marks.marks(skin, shapes),
        brows.hairs(skin, shapes),
        shirt.shirt(field),
    ]


def _faces_of(part: Part, chosen: np.ndarray, material: Material) -> Part:
    """Some of a part's faces with their vertices; regions keep to the vertices that are left."""
    kept = np.unique(part.faces[chosen])
    new = np.full(len(part.vertices), -1)
    new[kept] = np.arange(len(kept))
    left = {name: new[indices] for name, indices in part.regions.items() if (new[indices] >= 0).all()}
    shapes = {name: step[kept] for name, step in part.shapes.items()}
    return Part(part.name, material, part.vertices[kept], new[part.faces[chosen]], part.colours[kept], shapes, left)
