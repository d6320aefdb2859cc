"""Measures of the open models' motion: against held-out truth, on recordings of people, over seeds and styles."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from codetalker import metrics
from codetalker.audio import SAMPLE_RATE
from codetalker.bundle import Bundle
from codetalker.head import Head
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.windows import Heard

from .corpus.capture import STYLE as CAPTURE
from .corpus.capture import load_capture
from .data import RECORDED, Corpus
from .datasets import FaceData
from .geometry import MILLIMETRES
from .motion_set import FPS, Clip, MotionSet, resample

POOLED_BY = {"closure_recall": "bilabials", "closure_precision": "closures"}  # shares of counted events
REAL = (
    *("closure_recall", "closure_precision", "silence_closed", "aperture_r", "round_r", "lag_ms", "gap95_mm"),
    "jitter",
)
LONG_ENOUGH = 3.0  # seconds of a person's recording, for measures of it to mean something
TAKES = 4  # of a held-out clip
SEEDS = 4  # takes of a clip, for the diversity
SEEDED = 6  # clips that are taken more than once
STYLED = 10  # clips that are said in every style
FOLDS = 5  # of clips, for the cross-validation

Figures = dict[str, float]


@dataclass(frozen=True)
class HeldOut:
    """Unseen in training. features: (T, D); motion: (T, 55); speech: (N,), None where the corpus is not here"""

    style: str
    features: np.ndarray
    motion: np.ndarray
    speech: np.ndarray | None = None
    group: str = "synthetic"  # or "capture", or the data's name


def held_out(motions: MotionSet, split: str, corpus: Path | None = None, capture: Path | None = None) -> list[HeldOut]:
    """The split's clips, with their speech where corpus and capture are given and hold them."""
    speech: dict[str, Callable[[], np.ndarray]] = {}
    if corpus is not None and (corpus / "utterances.jsonl").exists():
        whole = Corpus(corpus)
        speech |= {one.name: lambda one=one: whole.speech(one) for one in whole.split(split)}
    if capture is not None and capture.is_dir():
        speech |= {one.name: lambda one=one: one.speech for one in load_capture(capture) if one.split == split}

    def made(clip: Clip) -> HeldOut:
        heard = speech[clip.name]() if clip.name in speech else None
        group = CAPTURE if clip.style == CAPTURE else "synthetic"
        return HeldOut(clip.style, *motions.read(clip), heard, group)

    return [made(clip) for clip in motions.split(split)]


def held_out_of(data: FaceData, split: str, bundle: Bundle) -> list[HeldOut]:
    """One's own ARKit motion, heard by the bundle; a subject without a style is judged in the first."""
    made, model = [], next(iter(bundle.encoders))
    for clip in data.split(split):
        (motion, fps), speech = data.layout.animation(clip.name), data.speech(clip)
        features = bundle.encode(speech, model).features[0].cpu().numpy()
        motion = resample(motion, round(len(motion) / fps * FPS))
        style = clip.subject if clip.subject in bundle.styles else bundle.styles[0]
        frames = min(len(features), len(motion))
        made.append(HeldOut(style, features[:frames], motion[:frames].astype(np.float32), speech, data.spec.name))
    return made


class Face:
    """Motion on one head's vertices, in mm, the head held still: turned, it would drown the face."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.rest = self(np.zeros((1, len(ARKIT_NAMES)), np.float32))[0]
        inner = head.regions["inner_lip_upper"], head.regions["inner_lip_lower"]
        self.masks = head.regions["lips"], head.regions["upper_face"], inner

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """(T, 52) -> (T, V, 3)"""
        return self.head.deform(weights, np.zeros((len(weights), 3), np.float32)) * MILLIMETRES


def against_truth(bundle: Bundle, model: str, clips: Sequence[HeldOut], head: Head) -> Figures:
    """All clips pooled, then the synthetic and the captured ones apart; each in its own style. What the talker draws is
    judged by several takes of each clip, no two by one seed: one take of all has a |FDD| that is off by a tenth."""
    face, tallies, pairs = Face(head), {}, []
    takes = TAKES if model == "talker" else 1
    for index, clip in enumerate(tqdm(clips, f"held out, {model}", leave=False)):
        heard, truth = hear(bundle, model, clip), Animation.from_motion(clip.motion, FPS)
        tally, true = tallies.setdefault(clip.group, metrics.Tally(*face.masks)), face(truth.weights)
        for seed in range(index * takes, (index + 1) * takes):
            made = bundle.generate(heard, clip.style, model, seed=seed)
            pairs.append((truth, made))
            tally.add(true, face(made.weights), face.rest)
    pooled = metrics.Tally(*face.masks)
    for tally in tallies.values():
        pooled.join(tally)
    figures = pooled.figures("mm")
    for group in sorted(tallies) if len(tallies) > 1 else ():  # one group is all there is
        figures |= {f"{group} {name}": value for name, value in tallies[group].figures("mm").items()}
    return figures | above_the_mouth(pairs)


def above_the_mouth(pairs: Sequence[tuple[Animation, Animation]]) -> Figures:
    """How much made motion moves, over the truth that it is paired with: 1 is as much, 0 is stone."""

    def amounts(one: Animation) -> list[float]:
        brows, gaze = (
            one.weights[:, [name.startswith(first) for name in ARKIT_NAMES]] for first in ("brow", "eyeLook")
        )
        speeds = [np.abs(np.diff(part, axis=0)).sum() for part in (gaze, one.head_rotation)]
        return [blinks(one.weights), len(brows) * brows.std(0).sum(), *speeds]

    truth, made = (np.sum([amounts(one) for one in side], 0) for side in zip(*pairs))
    rows = zip(("blinks", "brows' range", "gaze's speed", "head's speed"), truth, made)
    return {f"{name} / truth": float(m / t) for name, t, m in rows if t > 0}


def blinks(weights: np.ndarray) -> int:
    """How often the left lid falls more than half of the way from where it mostly is."""
    lid = weights[:, ARKIT_NAMES.index("eyeBlinkLeft")]
    shut = lid > (np.median(lid) + 1) / 2
    return int((shut[1:] & ~shut[:-1]).sum())


def hear(bundle: Bundle, model: str, clip: HeldOut) -> Heard:
    """The features that training prepared, or those of the speech for who needs it."""
    if getattr(bundle, "needs_speech", False):
        return bundle.encode(clip.speech, model)
    return Heard(torch.from_numpy(clip.features)[None])


def people_of(corpus: Path, each: int) -> dict[str, list[tuple[str, np.ndarray, list]]]:
    """`each` recordings of every person in the corpus whose voice was kept from the training, by voice."""
    if not (corpus / "utterances.jsonl").exists():
        return {}
    whole, by_voice = Corpus(corpus), {}
    trained = {one.voice for one in whole.split("train")}
    for one in whole.split("test"):
        if one.engine == RECORDED and one.voice not in trained and one.seconds >= LONG_ENOUGH:
            by_voice.setdefault(one.voice, []).append(one)
    chosen = {voice: [rows[i] for i in _even(len(rows), each)] for voice, rows in by_voice.items()}
    return {voice: [(one.name, whole.speech(one), one.phones) for one in rows] for voice, rows in chosen.items()}


def in_noise(clips: list, decibels: float, seed: int = 0) -> list:
    """The recordings under white noise, so far below the power of each."""
    draw, noisy = np.random.default_rng(seed), []
    for name, speech, phones in clips:
        noise = draw.standard_normal(len(speech)) * np.sqrt(np.mean(speech**2)) * 10 ** (-decibels / 20)
        noisy.append((name, (speech + noise).astype(np.float32).clip(-1, 1), phones))
    return noisy


def of_people(bundle: Bundle, model: str, clips: list, report: Callable[..., dict], style: str | None) -> Figures:
    """Figures of the recordings, pooled: shares of events by their counts, the rest by the mean."""
    rows, pooled = [], {}
    for _, speech, phones in tqdm(clips, f"people, {model}", leave=False):
        animation = bundle.generate(bundle.encode(speech, model), style, model)
        rows.append(report(list(ARKIT_NAMES), animation.weights, animation.fps, phones))
    for name in REAL:
        kept = [row for row in rows if row[name] is not None]
        counts = [row[POOLED_BY[name]] if name in POOLED_BY else 1 for row in kept]
        if kept:  # a mouth that never shuts has no precision
            pooled[name] = float(np.average([row[name] for row in kept], weights=counts))
    return pooled


def real_time_factor(bundle: Bundle, model: str, speech: Sequence[np.ndarray]) -> float:
    """Seconds of work, encoder included, for a second of speech; the first clip is done twice, once to warm up."""
    bundle.generate(bundle.encode(speech[0], model), None, model)
    begun = time.perf_counter()
    for one in speech:
        bundle.generate(bundle.encode(one, model), None, model)
    return (time.perf_counter() - begun) / (sum(map(len, speech)) / SAMPLE_RATE)


def over_seeds(bundle: Bundle, model: str, clips: Sequence[HeldOut], head: Head) -> Figures:
    """How far takes of one speech in one style lie apart, in mm, on the lips and above the mouth."""
    face, lips, upper = Face(head), [], []
    for clip in tqdm(spread(clips, SEEDED), f"seeds, {model}", leave=False):
        heard = hear(bundle, model, clip)
        takes = [face(bundle.generate(heard, clip.style, model, seed=seed).weights) for seed in range(SEEDS)]
        lips.append(metrics.diversity(takes, face.masks[0]))
        upper.append(metrics.diversity(takes, face.masks[1]))
    return {"diversity upper mm": float(np.mean(upper)), "diversity lips mm": float(np.mean(lips))}


def separability(bundle: Bundle, model: str, clips: Sequence[HeldOut], styles: Sequence[str]) -> Figures:
    """The accuracy with which a classifier tells the styles apart, on speech that it was not fitted on."""
    if len(spread(clips, STYLED)) < 2 or len(styles) < 2:
        return {}
    said = [
        [statistics(one) for one in bundle.generate_styles(hear(bundle, model, clip), styles, model)]
        for clip in tqdm(spread(clips, STYLED), f"styles, {model}", leave=False)
    ]
    return {"style accuracy": cross_validated(np.array(said))}


def statistics(animation: Animation) -> np.ndarray:
    """(165,) of a motion: each channel's mean, deviation and mean speed"""
    motion = np.concatenate([animation.weights, animation.head_rotation], 1)
    return np.concatenate([motion.mean(0), motion.std(0), np.abs(np.diff(motion, axis=0)).mean(0)])


def cross_validated(samples: np.ndarray) -> float:
    """samples: (clips, styles, D) -> the share that the nearest style's mean gets right, distances in units of the
    deviation within styles; clips are left out by turns, all styles of one together."""
    right, folds = [], np.arange(len(samples)) % min(FOLDS, len(samples))
    for fold in np.unique(folds):
        seen, unseen = samples[folds != fold], samples[folds == fold]
        means = seen.mean(0)  # (styles, D)
        scale = (seen - means).std((0, 1)) + 0.05 * seen.std((0, 1)) + 1e-9
        distance = np.square((unseen[:, :, None] - means) / scale).sum(-1)  # (clips, styles, styles)
        right.append((distance.argmin(-1) == np.arange(samples.shape[1])).ravel())
    return float(np.concatenate(right).mean())


def spread(clips: Sequence[HeldOut], count: int) -> list[HeldOut]:
    """Synthetic ones, evenly from all over the list; all where there are no others."""
    clips = [clip for clip in clips if clip.group == "synthetic"] or list(clips)
    return [clips[index] for index in _even(len(clips), count)]


def _even(length: int, count: int) -> np.ndarray:
    """At most `count` indices from all over a list."""
    return np.unique(np.linspace(0, length - 1, count).astype(int))
