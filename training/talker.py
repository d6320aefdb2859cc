"""Trains stage 2, the talkers that query stage 1's codes, and the baseline that regresses motion, on the same batches.

Teacher forcing alone breaks once a model hears itself (exposure bias): the share of its own frames grows to OWN_FRAMES.
What is drawn learns from the codes alone, and how likely each was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from codetalker.autoencoder import Autoencoder
from codetalker.faceformer import FaceFormer
from codetalker.head import load_head
from codetalker.specs import open_faceformer, open_talker
from codetalker.talker import Talker, TalkerGroup

from .above import AboveConfig, mouth_channels, notice_above, train_above
from .geometry import FaceGeometry
from .loop import LoopConfig, fit
from .motion_set import MotionSet
from .stage1 import motion_statistics

OWN_FRAMES = 0.9  # share of the model's own frames among its inputs, from OWN_FULL on
OWN_FULL = 0.4  # share of the run


@dataclass(frozen=True)
class TalkerConfig:
    """The run's numbers, of the mouth's talker and of the baseline."""

    steps: int = 2_200
    batch: int = 12
    frames: int = 120
    learning_rate: float = 2e-3
    head: str = "alex"
    lips_weight: float = 0.5  # per mm
    face_weight: float = 0.2  # per mm
    gap_weight: float = 0.3  # per mm of the inner-lip gap, more where the lips are shut
    shut_mm: float = 2.0  # what counts as shut
    shut_weight: float = 4.0
    motion_weight: float = 0.3  # of the squared error, each channel in its own deviation
    seed: int = 0


def _train(model: nn.Module, motions: MotionSet, out: Path, device: str, config: TalkerConfig) -> nn.Module:
    geometry = FaceGeometry(load_head(config.head)).to(device)
    model = model.to(device)
    deviation, mouth = motion_statistics(motions)[1].to(device), mouth_channels().to(device)
    own = torch.ones_like(mouth)
    if isinstance(model, Talker):
        own = torch.zeros_like(mouth)
        own[model.spec.autoencoder.channels] = True

    def draw(index: int) -> dict[str, Tensor]:
        return motions.batch(config.batch, config.frames, (config.seed, index))

    def on_the_face(made: Tensor, motion: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Losses in millimetres over the frames of `mask`."""
        lips, face = geometry.distance(made, motion)
        gap = geometry.gap(motion)
        weight = torch.where(gap < config.shut_mm, config.shut_weight, 1.0)
        parted = (geometry.gap(made) - gap).abs() * weight
        terms = {
            "lips": config.lips_weight * lips,
            "face": config.face_weight * face,
            "gap": config.gap_weight * parted,
        }
        return {name: term[mask].mean() for name, term in terms.items()}

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        batch = {name: part.to(device) for name, part in batch.items()}
        motion, mask = batch["motion"], batch["mask"]
        share = OWN_FRAMES * min(1.0, step / (OWN_FULL * config.steps))
        made = model.losses(batch["features"], motion, batch["style"], share, mask)
        error = ((torch.where(own, made.motion, motion) - motion) / deviation).square()
        terms = {"motion": config.motion_weight * error[mask].mean()}
        if isinstance(model, Talker):
            terms["code"] = made.losses["code"]
        # The face judges the mouth alone: what speech leaves open, above it, would be pulled to its mean.
        return terms | on_the_face(torch.where(mouth, made.motion, motion), motion, mask)

    return fit(model, losses, draw, out, LoopConfig(config.steps, config.learning_rate, seed=config.seed))


def train_talker(
    stage1: Autoencoder,
    motion_folder: Path,
    out: Path,
    device: str,
    config: TalkerConfig | None = None,
    above: AboveConfig | None = None,
) -> TalkerGroup:
    """Trains, or goes on from `out`, first the mouth's talker and then the one above it, where there is one; both with
    averaged weights."""
    motions, members = MotionSet(motion_folder), []
    spec = open_talker(motions.features.shape[1], len(motions.styles), stage1.spec)
    for one in spec.members:
        numbers = (above or AboveConfig()) if one.drawn else (config or TalkerConfig())
        torch.manual_seed(numbers.seed)
        model, train = Talker(one, stage1.only(one.autoencoder)), train_above if one.drawn else _train
        members.append(train(model, motions, out / ("above" if one.drawn else "mouth"), device, numbers))
    return TalkerGroup(spec, members)


def train_baseline(motion_folder: Path, out: Path, device: str, config: TalkerConfig | None = None) -> FaceFormer:
    """The same for the baseline: same speech, same styles, same losses but for the codes."""
    config, motions = config or TalkerConfig(), MotionSet(motion_folder)
    torch.manual_seed(config.seed)
    model = FaceFormer(open_faceformer(motions.features.shape[1], len(motions.styles)))
    notice_above(model.predictor, *motion_statistics(motions))
    return _train(model, motions, out / "baseline", device, config)
