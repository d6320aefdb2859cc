"""Blinks, squints and the lids that follow the gaze, built on the eye's loops rather than on landmarks."""

from __future__ import annotations

import numpy as np

from . import rings
from .template import Skin

# How far along the way to the closed eye each loop of the upper lid goes; outside the rim ever less.
UPPER_FOLLOW = np.array([0.5, 0.9, 1.0, 1.0, 0.93, 0.82, 0.62, 0.36, 0.12, 0.0])
LOWER_FOLLOW = np.array([0.5, 0.9, 1.0, 1.0, 0.9, 0.7, 0.5, 0.3, 0.12, 0.0])
MEET = 0.90  # where the lids meet, from the upper rim to the lower one


def _closing(skin: Skin) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) each: the upper and the lower lid's way to the closed left eye."""
    upper, lower = np.zeros_like(skin.vertices), np.zeros_like(skin.vertices)
    loops, eye = skin.eye[0], skin.anatomy
    rim = skin.vertices[loops[rings.EYE_RIM]]
    top = np.arange(1, rings.EYE_COLUMNS // 2)
    bottom = rings.EYE_COLUMNS - top
    # Both rims go to one line, and what is behind them keeps its place to them, so that the lids touch and never cross.
    line = rim[top] + MEET * (rim[bottom] - rim[top]) - eye.eye_centre
    line *= np.maximum(1.0, (eye.eye_radius + eye.lid) / np.linalg.norm(line, axis=1, keepdims=True))
    for loop in range(len(loops)):
        upper[loops[loop, top]] = UPPER_FOLLOW[loop] * (line + eye.eye_centre - rim[top])
        lower[loops[loop, bottom]] = LOWER_FOLLOW[loop] * (line + eye.eye_centre - rim[bottom])
    return upper, lower


def _kept_outside(skin: Skin, step: np.ndarray) -> np.ndarray:
    """Pushes the lids' skin, where it has moved, out of the eyeball's neighbourhood."""
    step = step.copy()
    clearance = skin.anatomy.eye_radius + skin.anatomy.lid  # mm from the eye's centre to the skin of a lid
    skin_loops = skin.eye[0, rings.EYE_RIM + 1 :].ravel()
    moved = skin_loops[np.linalg.norm(step[skin_loops], axis=1) > 1e-6]
    p = skin.vertices[moved] + step[moved] - skin.anatomy.eye_centre
    distance = np.linalg.norm(p, axis=1, keepdims=True)
    before = np.linalg.norm(skin.vertices[moved] - skin.anatomy.eye_centre, axis=1, keepdims=True)
    wanted = np.maximum(distance, np.minimum(clearance + 0.25, np.maximum(before, clearance)))
    step[moved] += p * (wanted / distance - 1.0)
    return step


def add(skin: Skin, built: dict[str, np.ndarray]) -> None:
    """Adds the lids' motion to the left eye's shapes."""
    upper, lower = _closing(skin)
    blink = _kept_outside(skin, upper + lower)
    built["eyeBlinkLeft"] += blink
    built["eyeLookDownLeft"] += _kept_outside(skin, 0.80 * upper - 1.6 * lower)
    built["eyeLookUpLeft"] += _kept_outside(skin, -0.43 * upper + 2.0 * lower)
    built["eyeWideLeft"] += _kept_outside(skin, -0.41 * upper - 1.0 * lower)
    built["eyeSquintLeft"] += _kept_outside(skin, 0.20 * upper + 2.0 * lower)
    built["cheekSquintLeft"] += _kept_outside(skin, 0.05 * upper + 1.2 * lower)
    sideways = 2.4 * skin.anatomy.person.eyes.scale * _bulge(skin)
    built["eyeLookOutLeft"] += _kept_outside(skin, sideways)
    built["eyeLookInLeft"] += _kept_outside(skin, -sideways)


def _bulge(skin: Skin) -> np.ndarray:
    """The cornea's bulge carries the lids' rims a little to the side of the gaze."""
    step = np.zeros_like(skin.vertices)
    loops = skin.eye[0]
    middle = np.sin(np.pi * (np.arange(rings.EYE_COLUMNS) % 18) / 18)
    for loop in range(1, len(loops)):
        step[loops[loop], 0] = middle * LOWER_FOLLOW[loop]
    return step
