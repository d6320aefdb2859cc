"""Additions to a motion: blinks, glances, head sway, breathing. No model predicts them, they are drawn by a seed and
told as added; the mouth is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .errors import UserError
from .gestures import LOOK_FULL, glances, look_weights, pulses, sway, wander
from .motion import ARKIT_NAMES, Animation, VertexAnimation
from .prosody import Prosody, measure

# Where a motion moves less than this, `auto` adds. FaceFormer's head moves 0.2 degrees and CodeTalker's 0.3 to 1.3
# (deviations of all three angles together, every style but `capture`, which has a still upper face).
STILL_LIDS = 0.35  # of eyeBlink above its median, the least that passes for a blink
STILL_GAZE = 0.3  # degrees, deviation of the direction
STILL_HEAD = 0.25  # degrees, deviation of the three angles

# Of speaking adults: 15 blinks a minute is usual, intervals are skewed, and the end of a phrase draws them
# (Bentivoglio et al. 1997; Nakano and Kitazawa 2010).
INTERVAL = 3.7  # s, median from blink to blink
SPREAD = 0.45  # deviation of the interval's logarithm
CLOSING, CLOSED = 0.1, 0.035  # s
OPENING = (0.15, 0.2)  # s
CLEAR = 0.45  # s around a blink of the motion's own, where none is added
OWN_BLINK = 0.3  # of eyeBlink above its median

GLANCE = 4.0  # degrees
STEADIED = 0.7  # how much of the added sway the eyes undo, to stay with the viewer
LID_FOLLOWS = 0.5  # eyeBlink by eyeLookDown
NOD, DRIFT, TURN = 1.3, 0.9, 1.2  # degrees, as in gestures.sway
BREATHS = 14.0  # a minute
DEPTH = 0.35  # degrees that the head rises with a breath
DEEPER = 0.7  # share by which a breath before a phrase is deeper

_COLUMN = {name: index for index, name in enumerate(ARKIT_NAMES)}
_BLINK = [_COLUMN["eyeBlinkLeft"], _COLUMN["eyeBlinkRight"]]


class _Draft:
    """A motion under change. weights: (T, 52); rotation: (T, 3) radians, turned: (T, 3) what is added to it"""

    def __init__(self, animation: Animation, prosody: Prosody) -> None:
        self.weights = animation.weights.astype(np.float64)
        self.rotation = animation.head_rotation.astype(np.float64)
        self.turned = np.zeros_like(self.rotation)
        self.frames, self.fps, self.prosody = len(animation), animation.fps, prosody


def _sway(draft: _Draft, rng: np.random.Generator) -> None:
    draft.turned = sway(draft.prosody, draft.frames, draft.fps, rng, NOD, DRIFT, TURN)
    draft.rotation += draft.turned


def _breath(draft: _Draft, rng: np.random.Generator) -> None:
    """The head rises with each breath and sinks again, and most before a phrase."""
    pace = BREATHS / 60 * np.clip(1.0 + 0.06 * wander(draft.frames, draft.fps, 3.0, rng), 0.87, 1.13)  # Hz
    phase = 2 * np.pi * (np.cumsum(pace) / draft.fps + rng.random())
    starts = np.array([[start - 0.3 * draft.fps, DEEPER] for start, _ in draft.prosody.phrases]).reshape(-1, 2)
    deeper = np.minimum(pulses(draft.frames, draft.fps, starts, rise=0.8, hold=0.2, fall=0.8), DEEPER)
    # The second harmonic makes the rise shorter than the fall.
    wave = 0.5 - 0.5 * np.cos(phase + 0.35 * np.sin(phase))
    draft.rotation[:, 0] -= np.radians(DEPTH * (1.0 + deeper) * wave)


def _gaze(draft: _Draft, rng: np.random.Generator) -> None:
    """Both eyes glance together; the lids follow down, as far as eyeBlink has to."""
    look = glances(draft.frames, draft.fps, rng, GLANCE)
    look -= STEADIED * np.degrees(draft.turned[:, [1, 0]]) * [1, -1]
    left, up = (look / LOOK_FULL).T
    weight = {name: draft.weights[:, index] for name, index in _COLUMN.items()}
    for side, outer, inner in (("Left", "Out", "In"), ("Right", "In", "Out")):
        whole_left = left + weight[f"eyeLook{outer}{side}"] - weight[f"eyeLook{inner}{side}"]
        whole_up = up + weight[f"eyeLookUp{side}"] - weight[f"eyeLookDown{side}"]
        for name, values in look_weights(whole_left, whole_up).items():
            if name.endswith(side):
                draft.weights[:, _COLUMN[name]] = values
    lids = draft.weights[:, _BLINK]
    draft.weights[:, _BLINK] = lids + (1.0 - lids) * LID_FOLLOWS * np.maximum(-up, 0)[:, None]


def _blink(draft: _Draft, rng: np.random.Generator) -> None:
    lids = draft.weights[:, _BLINK].max(1)
    own = lids > np.median(lids) + OWN_BLINK
    closed = np.zeros((draft.frames, 2))
    for at in blink_times(draft.prosody, draft.frames, draft.fps, own, rng):
        heights = rng.uniform(0.96, 1.0) * np.where(np.arange(2) == rng.integers(2), 1.0, rng.uniform(0.95, 1.0))
        late = rng.uniform(0.0, 0.008) * draft.fps  # of the right lid
        opening = rng.uniform(*OPENING)
        for eye, height in enumerate(heights):
            event = np.array([[at + late * eye, height]])
            one = pulses(draft.frames, draft.fps, event, CLOSING, CLOSED, opening)
            closed[:, eye] = np.maximum(closed[:, eye], one)
    draft.weights[:, _BLINK] += (1.0 - draft.weights[:, _BLINK]) * closed
    for name in ("eyeWide", "eyeSquint"):  # which would hold the lid up, or pinch it
        draft.weights[:, [_COLUMN[name + "Left"], _COLUMN[name + "Right"]]] *= 1.0 - closed


def blink_times(prosody: Prosody, frames: int, fps: float, own: np.ndarray, rng: np.random.Generator) -> list[float]:
    """Frames (fractions too) at which lids are shut; own: (frames,) bool, where the motion itself shuts them.

    Intervals are log-normal from the last blink of either kind; most of those near the end of a phrase fall on it.
    """
    ends = np.array([end for _, end in prosody.phrases], float)
    own_frames = np.flatnonzero(own)
    times: list[float] = []
    last = -rng.uniform(0.2, 0.8) * INTERVAL * fps
    while True:
        at = last + max(INTERVAL * np.exp(rng.normal(0, SPREAD)), 0.8) * fps
        near = ends[(np.abs(ends - at) < 0.8 * fps) & (ends > last + 0.8 * fps)]
        if len(near) and rng.random() < 0.75:
            at = float(near[np.abs(near - at).argmin()] + rng.normal(0.05, 0.08) * fps)
        in_the_way = own_frames[(own_frames > last) & (own_frames < at + CLEAR * fps)]
        if len(in_the_way):
            last = float(in_the_way[-1]) + CLEAR * fps
        elif at >= frames:
            return times
        else:
            last = at
            if at >= 0:
                times.append(at)


# In the order of work: what the eyes do depends on how the head is made to move.
_WORK: dict[str, Callable[[_Draft, np.random.Generator], None]] = {
    "sway": _sway,
    "breath": _breath,
    "gaze": _gaze,
    "blink": _blink,
}
ADDITIONS = ("blink", "gaze", "sway", "breath")
AUTO = "auto"


def add_life(animation: Animation, speech: np.ndarray, additions: Sequence[str], seed: int = 0) -> Animation:
    """The motion with what `additions` names; nothing else is changed, and the mouth never.

    speech: (N,) float32 at 16 kHz. Each addition draws from random numbers of its own, whatever else is added.
    """
    unknown = [name for name in additions if name not in ADDITIONS]
    if unknown:
        raise UserError(f"can't add {', '.join(unknown)}: there is {', '.join(ADDITIONS)}")
    if not additions:
        return animation
    draft = _Draft(animation, measure(speech, len(animation), animation.fps))
    for number, (name, work) in enumerate(_WORK.items()):
        if name in additions:
            work(draft, np.random.default_rng([seed, number]))
    return Animation(
        np.clip(draft.weights, 0.0, 1.0).astype(np.float32), draft.rotation.astype(np.float32), animation.fps
    )


def choose(wanted: Sequence[str], animations: Sequence[Animation | VertexAnimation]) -> tuple[str, ...]:
    """What `wanted` comes to for animations shown together: the same for all of them, so that they stay comparable.

    "auto" among them: what each of the animations lacks. Nothing where vertices move, which have no such shapes.
    """
    if any(isinstance(animation, VertexAnimation) for animation in animations):
        return ()
    if AUTO in wanted:
        lack = [lacking(animation) for animation in animations]
        return tuple(name for name in ADDITIONS if all(name in one for one in lack))
    return tuple(name for name in ADDITIONS if name in wanted)


def lacking(animation: Animation) -> tuple[str, ...]:
    """Which of ADDITIONS a motion lacks, as measured on it."""
    weight = {name: animation.weights[:, index] for name, index in _COLUMN.items()}
    lids = animation.weights[:, _BLINK].mean(1)
    left = weight["eyeLookOutLeft"] - weight["eyeLookInLeft"]
    up = weight["eyeLookUpLeft"] - weight["eyeLookDownLeft"]
    still_head = np.degrees(np.sqrt(animation.head_rotation.var(0).sum())) < STILL_HEAD
    lacks = {
        "blink": lids.max() - np.median(lids) < STILL_LIDS,
        "gaze": LOOK_FULL * np.sqrt(left.var() + up.var()) < STILL_GAZE,
        "sway": still_head,
        "breath": still_head,
    }
    return tuple(name for name in ADDITIONS if lacks[name])
