"""What shapes are called: the usual spellings of ARKit's, and the visemes and expressions that can stand in for them.

ARKit: developer.apple.com, ARFaceAnchor.BlendShapeLocation. Visemes: Oculus Lipsync, as ReadyPlayerMe and VRChat name
them. Expressions: VRM 0 and 1, and VRoid Studio's own (Fcl_...).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..motion import ARKIT_NAMES

PARTLY = "partly."  # before a shape of which a spelling is one half: browInnerUp_L


def arkit_name(spelled: str) -> str | None:
    """Face.jawOpen, JawOpen, head__jaw_open, vrm.jawOpen -> jawOpen; eyeBlink.L, eyeBlink_L -> eyeBlinkLeft; else None

    browInnerUp_L and cheekPuff_R, which ARKit doesn't split, are halves: "partly.browInnerUp".
    """
    for name in _endings(spelled):
        if name in _ARKIT:
            return _ARKIT[name]
    return None


def stand_in_name(spelled: str) -> str | None:
    """viseme_aa, vrc.v_aa, vrm.aa, vrm.a, Fcl_MTH_A, A -> aa and the like, of which STAND_INS tells; else None"""
    if spelled in _WHOLE_NAMES:
        return _WHOLE_NAMES[spelled]
    for pattern, names in _STAND_IN_SPELLINGS:
        match = pattern.search(spelled.lower())
        if match and match[1] in names:
            return names[match[1]]
    return None


def is_known(spelled: str) -> bool:
    return arkit_name(spelled) is not None or stand_in_name(spelled) is not None


def _endings(spelled: str) -> Iterable[str]:
    """The name without anything but letters, then without its first word, its first two, ...: exporters put the
    mesh's name before the shape's.
    """
    sided = re.sub(r"[ _.\-]+([LR])$", lambda match: {"L": "Left", "R": "Right"}[match[1].upper()], spelled, flags=re.I)
    words = [re.sub(r"[^a-z]", "", word.lower()) for word in re.split(r"[^A-Za-z0-9]+", sided)]
    for start in range(len(words)):
        yield "".join(words[start:])


def _arkit_spellings() -> dict[str, str]:
    spellings = {}
    for name in ARKIT_NAMES:
        plain = name.lower()
        spellings[plain] = name
        for side in ("left", "right"):
            if plain.endswith(side):
                spellings.setdefault(plain.removesuffix(side) + side[0], name)  # eyeBlinkL
    for whole in ("browInnerUp", "cheekPuff"):
        for side in ("left", "right", "l", "r"):
            spellings[whole.lower() + side] = PARTLY + whole
    return spellings


_ARKIT = _arkit_spellings()

_VISEMES = {name: name for name in "aa pp ff th ih ou ee oh".split()} | {"e": "ee", "i": "ih", "o": "oh", "u": "ou"}
_VOWELS = {"a": "aa", "i": "ih", "u": "ou", "e": "ee", "o": "oh"}
_STAND_IN_SPELLINGS = (
    (re.compile(r"(?:^|[^a-z])(?:viseme|v)_(\w+)$"), _VISEMES),
    (
        re.compile(r"^vrm\.(.+)$"),
        {name: name for name in ("aa", "ih", "ou", "ee", "oh", "blink")}
        | _VOWELS
        | {"blink_l": "blinkLeft", "blink_r": "blinkRight", "blinkleft": "blinkLeft", "blinkright": "blinkRight"},
    ),
    (re.compile(r"(?:^|[^a-z])fcl_mth_(\w+)$"), _VOWELS | {"joy": "smile", "fun": "smile", "angry": "frown"}),
    (
        re.compile(r"(?:^|[^a-z])fcl_eye_(\w+)$"),
        {"close": "blink", "close_l": "blinkLeft", "close_r": "blinkRight", "surprised": "wide"},
    ),
    (re.compile(r"(?:^|[^a-z])fcl_brw_(\w+)$"), {"surprised": "brows", "angry": "browsDown"}),
    (
        re.compile(r"(?:^|[^a-z])([a-z]+(?:_[lr])?)$"),  # of ReadyPlayerMe, and what people call them by hand
        {"mouthopen": "aa", "mouthsmile": "smile", "eyesclosed": "blink", "blink": "blink"}
        | {"blinkleft": "blinkLeft", "blinkright": "blinkRight", "blink_l": "blinkLeft", "blink_r": "blinkRight"}
        | {name: name for name in ("aa", "ih", "ou", "ee", "oh")},
    ),
)
_WHOLE_NAMES = dict(zip("AIUEO", _VOWELS.values())) | dict(zip("あいうえお", _VOWELS.values())) | {"まばたき": "blink"}

# How an ARKit shape is put together of stand-ins, first the recipe that fits best; the first of which a head has all is
# taken. The weights are judged by eye. mouthClose undoes the jaw's opening at the lips. "Left" and "Right" keep a side.
STAND_INS: dict[str, tuple[dict[str, float], ...]] = {
    "jawOpen": ({"aa": 1.0}, {"oh": 1.0}),
    "mouthClose": ({"aa": -0.85, "pp": 0.3}, {"aa": -0.85}),
    "mouthFunnel": ({"oh": 0.9, "aa": -0.2}, {"oh": 0.9}, {"ou": 0.7}),
    "mouthPucker": ({"ou": 1.0}, {"oh": 0.7}),
    "mouthRollLower": ({"ff": 0.6},),
    "mouthPressLeft": ({"pp": 0.5},),
    "mouthStretchLeft": ({"ih": 0.6}, {"ee": 0.6}),
    "mouthSmileLeft": ({"smile": 1.0}, {"ee": 0.5}),
    "mouthFrownLeft": ({"frown": 1.0},),
    "eyeBlinkLeft": ({"blinkLeft": 1.0}, {"blink": 1.0}),
    "eyeWideLeft": ({"wide": 1.0},),
    "browInnerUp": ({"brows": 1.0},),
    "browOuterUpLeft": ({"brows": 0.7},),
    "browDownLeft": ({"browsDown": 1.0},),
    "tongueOut": ({"th": 0.5},),
}
for _name in [name for name in STAND_INS if name.endswith("Left")]:
    STAND_INS[_name.removesuffix("Left") + "Right"] = tuple(
        {part.replace("Left", "Right"): weight for part, weight in recipe.items()} for recipe in STAND_INS[_name]
    )


def recipe_for(shape: str, stand_ins: Iterable[str]) -> dict[str, float]:
    """{stand-in: weight} for an ARKit shape of those that a head has; empty where there is none"""
    had = set(stand_ins)
    return next((recipe for recipe in STAND_INS.get(shape, ()) if had.issuperset(recipe)), {})
