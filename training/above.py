"""Trains the talker of what moves above the mouth, whose codes are drawn: how likely each is to come next.

Speech tells only in part when brows rise and lids fall. So this talker learns from true past motion alone, and from
codes alone, which stage 1 reads off the whole motion once, before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from codetalker.motion import MOTION_DIM
from codetalker.predictor import Predictor
from codetalker.specs import face_regions
from codetalker.talker import Talker

from .loop import LoopConfig, fit
from .motion_set import Clip, MotionSet
from .stage1 import motion_statistics


@dataclass(frozen=True)
class AboveConfig:
    """The run's numbers."""

    steps: int = 16_000
    batch: int = 12
    frames: int = 120
    learning_rate: float = 2e-3
    seed: int = 0


class Recognised:
    """A motion set with its codes, and the past motion that stage 1 gives back."""

    def __init__(self, motions: MotionSet, model: Talker, device: str) -> None:
        self.motions = motions
        frames = len(motions.motion)
        self.codes = torch.zeros(frames, model.spec.autoencoder.slots, dtype=torch.long)
        self.before = torch.zeros_like(self.codes)
        self.past = torch.zeros(frames, MOTION_DIM, dtype=torch.half)
        for clip in tqdm(motions.clips, "codes", dynamic_ncols=True):
            (codes,), (past,) = model.recognise(torch.from_numpy(motions.read(clip)[1])[None].to(device))
            own = self._frames(clip)
            self.codes[own], self.past[own] = codes.cpu(), past.cpu().half()
            self.before[own] = F.pad(codes[:-1].cpu(), (0, 0, 1, 0), value=model.spec.autoencoder.entries)

    def _frames(self, clip: Clip) -> slice:
        return slice(clip.start, clip.start + clip.frames)

    def clip(self, clip: Clip) -> dict[str, Tensor]:
        """The same as a batch of one."""
        parts = {"features": torch.from_numpy(self.motions.read(clip)[0]), "style": self.motions.style_of(clip)}
        return {name: part[None] for name, part in (parts | self._recognised(self._frames(clip))).items()}

    def batch(self, size: int, frames: int, seed: tuple[int, ...]) -> dict[str, Tensor]:
        """features (B, frames, D), codes and before (B, frames, Q), past (B, frames, 55), style (B, styles), mask
        (B, frames)"""
        batch = self.motions.batch(size, frames, seed)
        at = batch.pop("at")
        del batch["motion"]
        return batch | self._recognised(at)

    def _recognised(self, at: slice | Tensor) -> dict[str, Tensor]:
        return {"codes": self.codes[at], "before": self.before[at], "past": self.past[at].float()}


def train_above(model: Talker, motions: MotionSet, out: Path, device: str, config: AboveConfig) -> Talker:
    """Trains a fresh talker, or goes on from `out`, and returns it with averaged weights."""
    data = Recognised(motions, model.to(device), device)
    notice_above(model.predictor, *motion_statistics(motions))
    trained = motions.split("train")
    model.count_transitions((motions.styles.index(one.style), data.clip(one)["codes"][0].to(device)) for one in trained)

    def draw(index: int) -> dict[str, Tensor]:
        return data.batch(config.batch, config.frames, (config.seed, index))

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        return model.chances(**{name: part.to(device) for name, part in batch.items()}).losses

    held_out = [data.clip(clip) for clip in motions.split("validation")]

    def evaluate(averaged: Talker) -> dict[str, float]:
        """How hard the codes of held-out motion are to foretell, in nats a frame: each region's."""
        told = [averaged.chances(**{name: part.to(device) for name, part in one.items()}) for one in held_out]
        logits, codes = (torch.cat([getattr(one, part)[0] for one in told]) for part in ("logits", "codes"))
        nats = F.cross_entropy(logits.transpose(1, 2), codes, reduction="none").mean(0)  # (Q,)
        return {f"unseen_{name}": float(f"{value:.5g}") for name, value in zip(averaged.autoencoder.regions, nats)}

    loop = LoopConfig(config.steps, config.learning_rate, seed=config.seed)
    return fit(model, losses, draw, out, loop, evaluate if held_out else None)


def notice_above(predictor: Predictor, mean: Tensor, deviation: Tensor) -> None:
    """Has a fresh predictor begin with its past above the mouth in deviations from its mean, (M,) each.

    Weights and angles are small: beside a style's numbers, of about one, a lid that begins to fall would long go
    unnoticed. The mouth's stay as they are: it is to follow the speech, and not what it did before.
    """
    mouth, past = mouth_channels(), predictor.motion_map
    with torch.no_grad():
        past.weight /= deviation.masked_fill(mouth, 1.0).to(past.weight)
        past.bias -= past.weight @ mean.masked_fill(mouth, 0.0).to(past.weight)


def mouth_channels() -> Tensor:
    """(M,) bool: those that follow the speech"""
    mouth = torch.zeros(MOTION_DIM, dtype=torch.bool)
    mouth[list(face_regions()[0].channels)] = True
    return mouth
