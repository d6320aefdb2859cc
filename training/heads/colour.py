"""The skin's colours, sRGB per vertex: blush, lips, lids, nostrils, a beard's shadow, and the scalp under the hair."""

from __future__ import annotations

import numpy as np

from . import rings
from .anatomy import smoothstep
from .field import polyline_distance
from .person import Complexion
from .scalp import hairline
from .template import Skin

BAG = np.array([0.74, 0.36, 0.35])
THROAT = 0.45  # brightness of the bag's end
# (centre, radius, share), mm on the average head's left half: what blood and thin skin tint
BLUSH = [((45, 0, 92), 19.0, 0.30), ((3, 1, 129), 9.0, 0.40), ((14, -4, 112), 7.0, 0.38), ((0, -70, 106), 14.0, 0.22)]
SHADE = [((31, 26, 93), 8.0, 0.36), ((31, 43, 95), 9.0, 0.36), ((19, 33, 93), 6.0, 0.35), ((0, -105, 45), 45.0, 0.30),
         ((20, -12, 107), 7.0, 0.20), ((0, -50, 111), 9.0, 0.14)]  # fmt: skip
LIGHT = [((0, 80, 103), 42.0, 0.30), ((0, 22, 118), 8.0, 0.25), ((34, 14, 96), 10.0, 0.16)]
# where a beard begins: its upper edge from the moustache over the cheek to the sideburn, depth z -> y
BEARD_EDGE = (
    [-10.0, 18.0, 30.0, 60.0, 90.0, 104.0, 112.0, 120.0],
    [30.0, 26.0, 14.0, -22.0, -32.0, -26.0, -14.0, -13.0],
)


def skin_colours(skin: Skin) -> np.ndarray:
    """(V, 3) sRGB, 0 to 1."""
    person = skin.anatomy.person
    look = person.complexion
    v = np.abs(skin.average * [1, 0, 0]) + skin.average * [0, 1, 1]
    colour = np.tile(look.base, (len(v), 1))
    light = np.minimum(np.array(look.base) * 1.07 + 0.015, 1.0)
    for tints, tint, factor in ((LIGHT, light, 1.0), (BLUSH, look.blush, look.flush), (SHADE, look.shade, look.flush)):
        for centre, radius, share in tints:
            near = np.exp(-(((v - centre) ** 2).sum(1)) / radius**2)
            colour = mixed(colour, tint, np.minimum(share * factor, 0.9) * near)
    rng = np.random.default_rng(person.seed)
    noise = rng.standard_normal(len(v))
    mottle = 1 + look.mottle * (0.6 * noise + 0.8 * _patches(v, rng))
    colour = colour * (0.5 * (mottle + mottle[skin.mirror]))[:, None]
    for line, depth, sigma in person.wrinkles:
        near = np.exp(-((polyline_distance(v, np.array(line, float)) / (0.8 * sigma)) ** 2))
        colour = mixed(colour, look.shade, np.clip(-0.30 * depth, 0.0, 0.5) * near)
    colour = mixed(colour, look.beard_colour, look.beard * beard(v))
    scalp = np.clip(hairline(person.hair, v) / 9.0, 0.0, 1.0)
    colour = mixed(colour, np.array(person.hair.colour) * 0.9, 0.85 * person.hair.opacity * scalp)
    _lips(skin, look, colour)
    _lids(skin, look, colour)
    _nostrils(skin, look, colour)
    return np.clip(colour, 0.0, 1.0)


def mixed(colour: np.ndarray, tint: tuple | np.ndarray, share: np.ndarray | float) -> np.ndarray:
    return colour + (np.asarray(tint) - colour) * np.reshape(share, (-1, 1))


def beard(v: np.ndarray) -> np.ndarray:
    """(V,) how densely a beard grows, 0 to 1; v: (V, 3) on the average head, x >= 0."""
    edge = np.interp(v[:, 2], *BEARD_EDGE)
    low = smoothstep((v[:, 1] + 112.0) / 26.0)
    under_nose = 1.0 - 0.25 * np.exp(-((v[:, 0] / 4.0) ** 2)) * (v[:, 1] > -26.0)
    chin_side = 1.0 - 0.55 * np.exp(-(((v - [20, -50, 104]) ** 2).sum(1)) / 8.0**2)
    return smoothstep((edge - v[:, 1]) / 9.0) * low * under_nose * chin_side * smoothstep((v[:, 2] - 2.0) / 12.0)


def _patches(v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(V,) slow noise, about a centimetre wide."""
    wave = rng.normal(0.0, 0.16, (10, 3))
    return np.sin(v @ wave.T + rng.uniform(0, 6.3, 10)).sum(1) / 2.2


def _lips(skin: Skin, look: Complexion, colour: np.ndarray) -> None:
    contact, border = rings.MOUTH_CONTACT, rings.MOUTH_BORDER
    lip, inner = np.array(look.lip), np.array(look.inner_lip)
    columns = np.abs(np.arange(rings.MOUTH_COLUMNS) - rings.MOUTH_CORNER) / rings.MOUTH_CORNER
    corner = np.tile((1.0 - columns) ** 3, 2)[:, None]
    for loop in range(skin.mouth.shape[1]):
        ring = skin.mouth[:, loop].ravel()
        if loop < contact - 1:
            colour[ring] = BAG * (THROAT + (1.0 - THROAT) * loop / contact)
        elif loop <= contact:
            colour[ring] = inner * 0.80
        elif loop <= border:
            t = rings.VERMILION[loop - contact - 1]
            colour[ring] = mixed(np.tile(inner, (len(ring), 1)), lip, min(1.0, 0.1 + 2.2 * t))
            colour[ring] += 0.035 * np.sin(np.pi * t) * (1.0 - corner)
            if loop == border:
                colour[ring] = 0.62 * lip + 0.38 * np.array(look.base)
            colour[ring] *= 1.0 - 0.22 * corner
        elif loop == border + 1:
            colour[ring] = mixed(colour[ring], lip, 0.16) * (1.0 - 0.06 * corner)
    colour[skin.throat] = BAG * THROAT


def _lids(skin: Skin, look: Complexion, colour: np.ndarray) -> None:
    shade, wet = np.array(look.shade), np.array([0.62, 0.36, 0.33])
    tints = [(wet * 0.6, 1.0), (wet * 0.8, 1.0), (0.5 * (wet + shade), 1.0), (shade * 0.92, 0.75)]
    for loop, (tint, share) in enumerate(tints):
        ring = skin.eye[:, loop].ravel()
        colour[ring] = mixed(colour[ring], tint, share)
    lashes = skin.eye[:, rings.EYE_RIM, 2 : rings.EYE_COLUMNS // 2].ravel()
    colour[lashes] = mixed(colour[lashes], (0.13, 0.075, 0.06), 0.75)


def _nostrils(skin: Skin, look: Complexion, colour: np.ndarray) -> None:
    for loop, brightness in enumerate((0.20, 0.24, 0.34, 0.52, 0.80)):
        ring = skin.nostril[:, loop].ravel()
        colour[ring] = np.array(look.shade) * brightness * [1.0, 0.88, 0.86]
