"""Features and motion of the same speech, prepared once: what stage 1, the talker and the baseline learn from.

Each utterance of the corpus is articulated in several styles; the encoder hears it clean once and then augmented, so
that the talker meets phone probabilities as unsure as those of a real recording.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from codetalker.motion import MOTION_DIM
from codetalker.speech_encoder import MelEncoder

from .corpus.articulation import STYLES, articulate
from .corpus.augment import augment_mels, augment_speech
from .corpus.capture import STYLE as CAPTURE_STYLE
from .corpus.capture import load_capture
from .data import RECORDED, Corpus, Utterance

FPS = 30.0
STYLES_FILE = "styles.json"
CAPTURE_VARIANTS = 6  # few minutes of it, so it is heard in more ways


@dataclass(frozen=True)
class MotionSetConfig:
    hours: float = 3.0  # of unique training speech
    recorded: float = 0.5  # share of it from recordings of people, where the corpus has as much
    variants: int = 3  # hearings of an utterance, the first one clean; each in another style
    held_out: int = 180  # utterances each of the validation and test splits, each style as often
    seed: int = 0


@dataclass(frozen=True)
class Clip:
    """A stretch of motion with its features: both arrays are read from `start`."""

    name: str
    style: str
    split: str
    start: int
    frames: int


def styles() -> list[str]:
    """Style names in the order of the models' embedding."""
    return [*STYLES, CAPTURE_STYLE]


def resample(motion: np.ndarray, frames: int) -> np.ndarray:
    """(T, M) -> (frames, M), linear in time over the same stretch"""
    position = (np.arange(frames) + 0.5) * len(motion) / frames - 0.5
    left = np.clip(np.floor(position).astype(int), 0, len(motion) - 1)
    right = np.minimum(left + 1, len(motion) - 1)
    weight = np.clip(position - left, 0.0, 1.0)[:, None]
    return motion[left] * (1 - weight) + motion[right] * weight


class _Preparer:
    """Lives in a worker process: hears and articulates one utterance at a time."""

    def __init__(self, corpus: Path, encoder: MelEncoder, config: MotionSetConfig) -> None:
        self.corpus, self.encoder, self.config = Corpus(corpus), encoder, config
        self.babble_from = self.corpus.split("train")

    def hear(
        self, speech: np.ndarray, motion: np.ndarray, rng: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Features (T, D) and motion (T, 55) of one hearing, augmented where an rng is given, as the encoder's own
        training was: it knows these voices, and is less sure of others."""
        if rng is not None:
            speech, factor = augment_speech(speech, rng, lambda samples: self._babble(rng, samples))
            motion = resample(motion, round(len(motion) * factor))
        with torch.inference_mode():
            heard, seconds = torch.from_numpy(speech)[None], self.encoder.times(len(speech))
            mels = self.encoder.log_mels(heard)
            if rng is not None:
                mels = augment_mels(mels, rng)
            features = self.encoder.features(mels, seconds)
            features = torch.cat([features, self.encoder.pitch(heard, seconds)], -1)[0].numpy()
        frames = min(len(features), len(motion))
        return features[:frames], motion[:frames]

    def _babble(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        picks = rng.integers(len(self.babble_from), size=3)
        return sum(np.resize(self.corpus.speech(self.babble_from[pick]), samples) for pick in picks)

    def __call__(self, job: tuple[int, Utterance]) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
        index, utterance = job
        rng = np.random.default_rng((self.config.seed, index))
        speech = self.corpus.speech(utterance)
        train = utterance.split == "train"
        names = list(STYLES)
        chosen = rng.permutation(names)[: self.config.variants] if train else [names[index % len(names)]]
        heard = []
        for variant, style in enumerate(chosen):
            motion = articulate(utterance.phones, speech, STYLES[style], int(rng.integers(2**31)), FPS)
            heard.append((str(style), utterance.split, *self.hear(speech, motion, rng if train and variant else None)))
        return heard


_preparer: _Preparer


def _start(corpus: Path, encoder: MelEncoder, config: MotionSetConfig) -> None:
    global _preparer
    torch.set_num_threads(1)
    _preparer = _Preparer(corpus, encoder, config)


def _run(job: tuple[int, Utterance]) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    return _preparer(job)


def _chosen(corpus: Corpus, config: MotionSetConfig) -> list[Utterance]:
    """A random few hours to train on, and held-out ones of all voices."""
    train = corpus.split("train")
    order = [train[index] for index in np.random.default_rng(config.seed).permutation(len(train))]
    recorded = _hours(config.hours * config.recorded, [one for one in order if one.engine == RECORDED])
    lacking = config.hours - sum(one.seconds for one in recorded) / 3600.0
    picked = recorded + _hours(lacking, [one for one in order if one.engine != RECORDED])
    held_out = [corpus.split(split) for split in ("validation", "test")]
    return picked + [one for split in held_out for one in _spread(split, config.held_out)]


def _hours(hours: float, utterances: list[Utterance]) -> list[Utterance]:
    """As many of the first as last so long."""
    ends = np.cumsum([one.seconds for one in utterances])
    return utterances[: int(np.searchsorted(ends, hours * 3600.0)) + 1]


def _spread(utterances: list[Utterance], count: int) -> list[Utterance]:
    """At most `count`, evenly from all over the list."""
    return [utterances[index] for index in np.unique(np.linspace(0, len(utterances) - 1, count).astype(int))]


def _capture_clips(folder: Path, prepare: _Preparer) -> Iterator[tuple[str, str, str, np.ndarray, np.ndarray]]:
    """The real capture, heard once as it is and then augmented."""
    rng = np.random.default_rng(prepare.config.seed)
    for piece in load_capture(folder):
        for variant in range(CAPTURE_VARIANTS if piece.split == "train" else 1):
            heard = prepare.hear(piece.speech, piece.motion, rng if variant else None)
            yield (piece.name, CAPTURE_STYLE, piece.split, *heard)


def prepare(
    corpus: Path, encoder: MelEncoder, out: Path, capture: Path, config: MotionSetConfig, workers: int = 2
) -> None:
    """Writes features.npy (frames, D), motion.npy (frames, 55), both float16, and clips.jsonl into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    encoder = encoder.cpu().eval()
    jobs = list(enumerate(_chosen(Corpus(corpus), config)))
    clips, features, motions, start = [], [], [], 0

    def keep(name: str, style: str, split: str, heard: np.ndarray, motion: np.ndarray) -> None:
        nonlocal start
        clips.append(Clip(name, style, split, start, len(motion)))
        features.append(heard.astype(np.float16))
        motions.append(motion.astype(np.float16))
        start += len(motion)

    with get_context("fork").Pool(workers, _start, (corpus, encoder, config)) as pool:
        results = tqdm(pool.imap(_run, jobs, 8), "motion", len(jobs), dynamic_ncols=True)
        for (_, utterance), heard in zip(jobs, results):
            for one in heard:
                keep(utterance.name, *one)
    for one in _capture_clips(capture, _Preparer(corpus, encoder, config)):
        keep(*one)

    np.save(out / "features.npy", np.concatenate(features))
    np.save(out / "motion.npy", np.concatenate(motions))
    with open(out / "clips.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(clip)) + "\n" for clip in clips)


class MotionSet:
    """What `prepare` wrote, as batches."""

    def __init__(self, folder: Path) -> None:
        self.features = np.load(folder / "features.npy", mmap_mode="r")
        self.motion = np.load(folder / "motion.npy", mmap_mode="r")
        assert self.motion.shape[1] == MOTION_DIM
        lines = (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()
        self.clips = [Clip(**json.loads(line)) for line in lines]
        own = folder / STYLES_FILE  # of data that is not the corpus
        self.styles = json.loads(own.read_text(encoding="utf-8")) if own.exists() else styles()

    def split(self, name: str) -> list[Clip]:
        return [clip for clip in self.clips if clip.split == name]

    def style_of(self, clip: Clip) -> Tensor:
        """(styles,) one-hot"""
        return torch.eye(len(self.styles))[self.styles.index(clip.style)]

    def read(self, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
        """features (T, D) and motion (T, 55) float32"""
        part = slice(clip.start, clip.start + clip.frames)
        return self.features[part].astype(np.float32), self.motion[part].astype(np.float32)

    @cached_property
    def _by_style(self) -> dict[int, list[Clip]]:
        """Training clips of each style that has any."""
        train = self.split("train")
        clips = {index: [clip for clip in train if clip.style == style] for index, style in enumerate(self.styles)}
        return {index: own for index, own in clips.items() if own}

    def batch(self, size: int, frames: int, seed: tuple[int, ...]) -> dict[str, Tensor]:
        """Random crops of the training split, every style as often.

        features (B, frames, D), motion (B, frames, 55), style (B, styles) one-hot, mask (B, frames): there is motion,
        at (B, frames): which of all frames it is
        """
        rng, present = np.random.default_rng(seed), list(self._by_style)
        batch = {
            "features": torch.zeros(size, frames, self.features.shape[1]),
            "motion": torch.zeros(size, frames, MOTION_DIM),
            "style": torch.zeros(size, len(self.styles)),
            "mask": torch.zeros(size, frames, dtype=torch.bool),
            "at": torch.zeros(size, frames, dtype=torch.long),
        }
        for row in range(size):
            style = present[rng.integers(len(present))]
            clips = self._by_style[style]
            clip = clips[rng.integers(len(clips))]
            features, motion = self.read(clip)
            first = rng.integers(max(1, len(motion) - frames + 1))
            length = min(frames, len(motion))
            batch["features"][row, :length] = torch.from_numpy(features[first : first + frames])
            batch["motion"][row, :length] = torch.from_numpy(motion[first : first + frames])
            batch["style"][row, style] = 1.0
            batch["mask"][row, :length] = True
            batch["at"][row, :length] = clip.start + first + torch.arange(length)
        return batch
