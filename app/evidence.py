"""Why to believe what is seen: how far the lips part over time, beside what is heard, as a picture and in figures.

For motion in `arkit` space whose speech encoder told phones; moving vertices have no paired lips.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from codetalker.audio import SAMPLE_RATE
from codetalker.export.visemes import MOUTHS, VISEMES, from_phones
from codetalker.head import Head
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.phones import PHONES
from codetalker.pipeline import CAPTIONS, Moved

CLOSED = 0.2  # of the gap's 95th percentile: lips that are nearer pass for shut
REACH = 0.06  # s, how far from a sound its closure may be
PAUSE, MARGIN = 0.3, 0.1  # s: the shortest that counts, and what belongs to the sounds at its ends
LONGEST_LAG = 0.2  # s
LATE = 0.045  # s: further off, a viewer sees it (ITU-R BT.1359: 45 ms for sound ahead)
COLUMNS = 900  # of the waveform
NAMED_SECONDS = 12.0  # beyond, the names of sounds would be too small to read
_ABOVE = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith(("brow", "eyeBlink", "eyeSquint"))]
# How far a mouth opens for each viseme, in weights.
_OPEN = np.array([MOUTHS[name].get("jawOpen", 0.0) - MOUTHS[name].get("mouthClose", 0.0) for name in VISEMES])


@dataclass(frozen=True)
class Lips:
    """Of one model.

    gap: (T,) mm between the inner lips; made: closures, of those that the speech asks for; still: share of the pauses'
    frames with shut lips, None without pauses; lag: seconds that they are late; follows: correlation with what the
    sounds ask for, at that lag; above: how much brows, lids and head move, mean of deviations
    """

    gap: np.ndarray
    made: int
    still: float | None
    lag: float
    follows: float
    above: float


@dataclass(frozen=True)
class Evidence:
    """fps; spans of (first, behind) frames: of /p b m/ and of pauses; sounds: (first, behind, name)"""

    fps: float
    speech: np.ndarray
    asked: list[tuple[int, int]]
    pauses: list[tuple[int, int]]
    sounds: list[tuple[int, int, str]]
    lips: dict[str, Lips]  # by model


def gather(moved: Moved) -> Evidence | None:
    """None where there is nothing to compare with."""
    first = next(iter(moved.animations.values()))
    inner = moved.head.regions.get("inner_lip_upper", ())
    if moved.phones is None or not isinstance(first, Animation) or not len(inner):
        return None
    phones = moved.phones[: len(first)]
    asked = spans(phones[:, [PHONES.index(name) for name in "pbm"]].sum(1) > 0.5)
    pauses = spans(phones[:, PHONES.index("sil")] > 0.5)
    chosen = phones.argmax(1)
    edges = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), len(chosen)]
    runs = [(start, end, PHONES[chosen[start]]) for start, end in pairwise(edges)]
    sounds = [(start, end, name) for start, end, name in runs if name != "sil" and end - start > 1]
    wanted = gaussian_filter1d(from_phones(phones) @ _OPEN, 1.0)
    lips = {model: judge(animation, moved.head, asked, pauses, wanted) for model, animation in moved.animations.items()}
    return Evidence(first.fps, moved.speech, asked, pauses, sounds, lips)


def judge(
    animation: Animation, head: Head, asked: list[tuple[int, int]], pauses: list[tuple[int, int]], wanted: np.ndarray
) -> Lips:
    """wanted: (T,) how far the sounds open a mouth, in any unit"""
    gap, fps = lip_gap(head, animation), animation.fps
    shut = gap < CLOSED * np.percentile(gap, 95)
    reach, margin = round(REACH * fps), round(MARGIN * fps)
    made = sum(bool(shut[max(0, start - reach) : end + reach].any()) for start, end in asked)
    quiet = [shut[start + margin : end - margin] for start, end in pauses if end - start > PAUSE * fps]
    quiet = np.concatenate(quiet) if quiet else np.zeros(0)
    lag, follows = best_lag(gap, wanted[: len(gap)], fps)
    above = np.concatenate([animation.weights[:, _ABOVE].std(0), animation.head_rotation.std(0)])
    return Lips(gap, made, float(quiet.mean()) if len(quiet) else None, lag, follows, float(above.mean()))


def lip_gap(head: Head, animation: Animation) -> np.ndarray:
    """(T,) mm, mean over the pairs of inner-lip vertices"""
    places = [
        head.vertices[rows] + np.tensordot(animation.weights, head.shapes[:, rows], 1)  # (T, K, 3)
        for rows in (head.regions["inner_lip_upper"], head.regions["inner_lip_lower"])
    ]
    return 1000.0 * np.linalg.norm(places[0] - places[1], axis=2).mean(1)


def best_lag(gap: np.ndarray, wanted: np.ndarray, fps: float) -> tuple[float, float]:
    """Seconds by which `gap` comes after `wanted` where they correlate best, to a part of a frame; and how well."""
    reach = round(LONGEST_LAG * fps)
    if len(gap) < 4 * reach or gap.std() < 1e-6 or wanted.std() < 1e-6:
        return 0.0, 0.0
    middle = slice(reach, len(gap) - reach)
    values = [
        float(np.corrcoef(gap[reach + lag : len(gap) - reach + lag], wanted[middle])[0, 1])
        for lag in range(-reach, reach + 1)
    ]
    best = int(np.clip(np.argmax(values), 1, len(values) - 2))
    before, here, after = values[best - 1 : best + 2]
    bend = before - 2 * here + after
    part = 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    return (best - reach + part) / fps, here


def spans(inside: np.ndarray) -> list[tuple[int, int]]:
    """(T,) bool -> the first frame of each run, and the one behind it"""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2])]


def draw(evidence: Evidence, words: dict[str, str]) -> str:
    """HTML: waveform above, gaps of the lips below, over the closures and pauses that are heard. Colours are CSS's.

    words: "heard", "closures", "pauses", "gap" (of the legend) and "described"
    """
    frames = len(next(iter(evidence.lips.values())).gap)
    highest = max(float(lips.gap.max()) for lips in evidence.lips.values()) or 1.0
    bands = "".join(
        f'<rect class="{kind}" x="{start}" y="36" width="{end - start}" height="64"/>'
        for kind, runs in (("pause", evidence.pauses), ("closure", evidence.asked))
        for start, end in runs
    )
    curves = "".join(
        f'<path class="{model}" d="{_line(np.arange(frames) + 0.5, 98 - 60 * lips.gap / highest)}"/>'
        for model, lips in reversed(evidence.lips.items())
    )
    width = frames / evidence.fps * SAMPLE_RATE / len(evidence.speech) * frames  # the speech may end within a frame
    wave = f'<path class="wave" d="{_waveform(evidence.speech, min(width, frames))}"/>'
    named = evidence.sounds if frames / evidence.fps <= NAMED_SECONDS else []
    sounds = "".join(
        f'<span style="left:{100 * (start + end) / 2 / frames:.2f}%">{name}</span>' for start, end, name in named
    )
    keys = [("wave", words["heard"]), ("closure", words["closures"]), ("pause", words["pauses"])]
    keys += [(model, words["gap"].format(model=CAPTIONS[model])) for model in evidence.lips]
    legend = "".join(f'<li class="{name}">{html.escape(text)}</li>' for name, text in keys)
    return (
        f'<figure class="evidence"><div class="lanes" role="img" aria-label="{html.escape(words["described"])}">'
        f'<svg viewBox="0 0 {frames} 100" preserveAspectRatio="none" aria-hidden="true">{bands}{wave}{curves}</svg>'
        f'<div class="sounds" aria-hidden="true">{sounds}</div></div><ul>{legend}</ul></figure>'
    )


def _line(x: np.ndarray, y: np.ndarray) -> str:
    return "M" + " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(x, y))


def _waveform(speech: np.ndarray, width: float) -> str:
    """A closed outline, as high as the loudest sample allows."""
    parts = np.array_split(speech, min(COLUMNS, len(speech)))
    loudest = max(float(np.abs(speech).max()), 1e-6)
    x = (np.arange(len(parts)) + 0.5) * width / len(parts)
    high = np.array([part.max() for part in parts]) / loudest
    low = np.array([part.min() for part in parts]) / loudest
    return _line(np.concatenate([x, x[::-1]]), 17 - 15 * np.concatenate([high, low[::-1]])) + "Z"
