"""Trains the open speech encoder: phones from log-mels, on speech by people and by engines, heavily augmented.

How long it trains decides more than anything else; augmentation is what carries over to voices of real people.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codetalker.audio import SAMPLE_RATE, load_speech
from codetalker.phones import PHONES, VISEME_OF_PHONE
from codetalker.speech_encoder import FEATURE_RATE, MelEncoder, MelSpec

from .corpus.augment import augment_mels, augment_speech, background
from .data import RECORDED, Corpus, phone_labels
from .loop import LoopConfig, fit

CROP = 4.0  # seconds
NOISE_ONLY = 0.04  # share of crops without speech, all silence
OF_PEOPLE = 0.6  # share of crops from recordings of people, where the corpus has some
LABEL_SMOOTHING = 0.1
BILABIALS = ("p", "b", "m")


@dataclass(frozen=True)
class SpeechConfig:
    """The run's numbers; about an hour and a half on a core of its own."""

    steps: int = 6_500
    batch: int = 14  # crops of CROP seconds
    learning_rate: float = 2e-3
    viseme_weight: float = 1.0
    bilabial_weight: float = 2.0  # a missed closure is seen at once
    workers: int = 1
    seed: int = 0


class Crops:
    """Augmented crops of the training speech."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.utterances = corpus, corpus.split("train")
        self.recorded = [utterance for utterance in self.utterances if utterance.engine == RECORDED]
        self.spoken = [utterance for utterance in self.utterances if utterance.engine != RECORDED]

    def _babble(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        """Some other people talking at once: (samples,)"""
        total = np.zeros(samples, np.float32)
        for index in rng.integers(len(self.utterances), size=rng.integers(2, 6)):
            total += np.resize(self.corpus.speech(self.utterances[index]), samples)
        return total

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        samples, labels_wanted = int(CROP * SAMPLE_RATE), int(CROP * FEATURE_RATE)
        speech, phones = np.zeros(0, np.float32), []
        heard = self.recorded if self.recorded and rng.random() < OF_PEOPLE else self.spoken
        while len(speech) < 1.25 * samples:  # a fast voice shortens it by up to that
            utterance = heard[rng.integers(len(heard))]
            offset = len(speech) / SAMPLE_RATE
            phones += [(phone, start + offset, end + offset) for phone, start, end in utterance.phones]
            speech = np.concatenate([speech, self.corpus.speech(utterance)])
        # Cut before the augmentation, which costs by the sample; the labels move along.
        start = rng.integers(max(1, len(speech) - int(1.3 * samples)))
        speech = speech[start : start + int(1.4 * samples)]
        phones = [(phone, a - start / SAMPLE_RATE, b - start / SAMPLE_RATE) for phone, a, b in phones]
        if rng.random() < NOISE_ONLY:
            speech, phones = background(len(speech) / SAMPLE_RATE, rng), []
        speech, factor = augment_speech(speech, rng, lambda samples: self._babble(rng, samples))
        speech = np.pad(speech, (0, max(0, samples - len(speech))))[:samples]
        phones = [(phone, a * factor, b * factor) for phone, a, b in phones]
        return speech, phone_labels(phones, labels_wanted, FEATURE_RATE)

    def batch(self, size: int, seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """speech (B, N) and its phone labels (B, T) at 50 Hz"""
        rng = np.random.default_rng(seed)
        speech, labels = zip(*(self._crop(rng) for _ in range(size)))
        return torch.from_numpy(np.stack(speech)), torch.from_numpy(np.stack(labels))


def phone_losses(logits: Tensor, labels: Tensor, config: SpeechConfig) -> dict[str, Tensor]:
    """logits: (B, T, phones), labels: (B, T): cross-entropy over phones, and over what can be told from the lips."""
    weight = torch.ones(len(PHONES), device=logits.device)
    weight[[PHONES.index(phone) for phone in BILABIALS]] = config.bilabial_weight
    phone = F.cross_entropy(logits.transpose(1, 2), labels, weight, label_smoothing=LABEL_SMOOTHING)
    groups = F.one_hot(torch.tensor(VISEME_OF_PHONE, device=logits.device)).to(logits)  # (phones, visemes)
    visemes = (logits.softmax(-1) @ groups).clamp_min(1e-6).log()
    viseme = F.nll_loss(visemes.transpose(1, 2), groups.argmax(1)[labels])
    return {"phone": phone, "viseme": config.viseme_weight * viseme}


@torch.inference_mode()
def accuracy(encoder: MelEncoder, speech: np.ndarray, phones: list) -> tuple[np.ndarray, np.ndarray]:
    """Whether each 50 Hz frame's viseme, and phone, is the labelled one."""
    logits = encoder.phone_logits(encoder.log_mels(torch.from_numpy(speech)[None]))[0]
    labels = torch.from_numpy(phone_labels(phones, len(logits), FEATURE_RATE))
    visemes, best = torch.tensor(VISEME_OF_PHONE), logits.argmax(-1).cpu()
    return (visemes[best] == visemes[labels]).numpy(), (best == labels).numpy()


def real_clips(folder: Path) -> list[tuple[str, np.ndarray, list]]:
    """Recordings of people with aligned phones, those of `folder`/phones.json; none where there is no such file."""
    table = folder / "phones.json"
    if not table.exists():
        return []
    clips = json.loads(table.read_text(encoding="utf-8"))
    return [(name, load_speech(folder / name), clip["phones"]) for name, clip in clips.items()]


def train(corpus_folder: Path, out: Path, real: Path, device: str, config: SpeechConfig | None = None) -> MelEncoder:
    """Trains, or goes on from `out`, and returns the encoder with averaged weights."""
    config = config or SpeechConfig()
    torch.manual_seed(config.seed)
    corpus = Corpus(corpus_folder)
    encoder = MelEncoder(MelSpec()).to(device)

    crops = Crops(corpus)

    def draw(index: int) -> tuple[Tensor, Tensor]:
        return crops.batch(config.batch, (config.seed, index))

    unseen = [utterance for utterance in corpus.split("validation")][:60]
    clips = real_clips(real)

    def losses(batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        speech, labels = (part.to(device) for part in batch)
        rng = np.random.default_rng(np.random.randint(2**31))  # which `fit` seeded for this step
        mels = augment_mels(encoder.log_mels(speech), rng)
        return phone_losses(encoder.phone_logits(mels)[:, : labels.shape[1]].float(), labels, config)

    def evaluate(averaged: MelEncoder) -> dict[str, float]:
        figures = {}
        for name, cases in (
            ("unseen", [(corpus.speech(utterance), utterance.phones) for utterance in unseen]),
            ("real", [(speech, phones) for _, speech, phones in clips]),
        ):
            if cases:
                visemes, exact = zip(*(accuracy(averaged.cpu(), *case) for case in cases))
                figures[f"{name}_visemes"] = round(float(np.concatenate(visemes).mean()), 4)
                figures[f"{name}_phones"] = round(float(np.concatenate(exact).mean()), 4)
        averaged.to(device)
        return figures

    loop = LoopConfig(config.steps, config.learning_rate, workers=config.workers, seed=config.seed)
    return fit(encoder, losses, draw, out / "speech", loop, evaluate)
