"""Puts a head together from its parts."""

from __future__ import annotations

import numpy as np

from . import brows, colour, ears, eyes, hair, mouth, rings, shirt
from .field import build_field
from .parts import Material, Part, joined
from .shapes import skin_shapes
from .template import Skin, build_skin

SKIN = Material("skin", 0.52)


def regions(skin: Skin) -> dict[str, np.ndarray]:
    """Vertex indices of the skin: the lips with the skin about them, the upper face, and the two sides of the line
    along which the lips meet, paired (without the corners, which both lips share)."""
    v = skin.vertices
    above = np.arange(rings.MOUTH_CORNER)
    below = rings.MOUTH_COLUMNS - 1 - above
    contact = skin.mouth[:, rings.MOUTH_CONTACT]
    # from the head's right to its left; the middle, which both halves hold, once
    upper = np.concatenate([contact[1, above[::-1]], contact[0, above[1:]]])
    lower = np.concatenate([contact[1, below[::-1]], contact[0, below[1:]]])
    lips = np.unique(skin.mouth[:, rings.MOUTH_CONTACT :])
    inside = np.unique(
        np.concatenate([skin.mouth[:, : rings.MOUTH_CONTACT].ravel(), skin.eye[:, : rings.EYE_RIM].ravel()])
    )
    face = np.flatnonzero((v[:, 1] > 14.0) & (v[:, 1] < 90.0) & (v[:, 2] > 50.0))
    return {
        "lips": lips,
        "upper_face": np.setdiff1d(face, inside),
        "inner_lip_upper": upper,
        "inner_lip_lower": lower,
    }


def build_head() -> list[Part]:
    """The whole head, in millimetres."""
    field = build_field()
    skin = build_skin(field)
    shapes = skin_shapes(skin)
    colours = colour.skin_colours(skin)
    face = Part("skin", SKIN, skin.vertices, skin.faces, colours, shapes, regions(skin))
    return [
        joined("skin", [face, *(ears.ear(side, SKIN, colour.BASE) for side in (1, -1))]),
        joined("eyes", [part(side) for part in (eyes.eyeball, eyes.caruncle) for side in (1, -1)]),
        *mouth.teeth(),
        joined("mouth", [*mouth.gums(), mouth.tongue()]),
        hair.hair(field),
        joined("brows", [brows.brows(skin, shapes), brows.lashes(skin, shapes)]),
        shirt.shirt(field),
    ]
