"""Trains stage 2, the talker that queries stage 1's codes, and the baseline that regresses motion, on the same batches.

Teacher forcing alone breaks once a model hears itself (exposure bias): the share of its own frames grows to OWN_FRAMES.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from codetalker.autoencoder import Autoencoder
from codetalker.faceformer import FaceFormer
from codetalker.head import load_head
from codetalker.motion import MOTION_DIM
from codetalker.predictor import Predictor
from codetalker.specs import face_regions, open_faceformer, open_talker
from codetalker.talker import Talker

from .geometry import FaceGeometry
from .loop import LoopConfig, fit
from .motion_set import MotionSet
from .stage1 import motion_statistics

OWN_FRAMES = 0.9  # share of the model's own frames among its inputs, from OWN_FULL on
OWN_FULL = 0.4  # share of the run


@dataclass(frozen=True)
class TalkerConfig:
    """The run's numbers, for talker and baseline alike; the talker takes half an hour on a core of its own."""

    steps: int = 2_200
    batch: int = 12
    frames: int = 120
    learning_rate: float = 2e-3
    head: str = "alex"
    lips_weight: float = 0.5  # per mm
    face_weight: float = 0.2  # per mm
    gap_weight: float = 0.3  # per mm of the inner-lip gap, more where the lips are shut
    shut_mm: float = 2.0  # what counts as shut
    shut_weight: float = 3.0
    motion_weight: float = 0.3  # of the squared error, each channel in its own deviation
    strangers: float = 0.5  # share of clips whose past above the mouth is another's; see Talker.losses
    seed: int = 0


def _train(model: nn.Module, motion_folder: Path, out: Path, device: str, config: TalkerConfig) -> nn.Module:
    motions = MotionSet(motion_folder)
    geometry = FaceGeometry(load_head(config.head)).to(device)
    model = model.to(device)
    mean, deviation = (part.to(device) for part in motion_statistics(motions))
    mouth = torch.zeros(MOTION_DIM, dtype=torch.bool, device=device)
    mouth[list(face_regions()[0].channels)] = True
    notice_above(model.predictor, torch.where(mouth, 0.0, mean), torch.where(mouth, 1.0, deviation))

    def draw(index: int) -> dict[str, Tensor]:
        return motions.batch(config.batch, config.frames, (config.seed, index))

    def on_the_face(made: Tensor, motion: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Losses in millimetres over the frames of `mask`. They judge the mouth: what speech leaves open, above it,
        would be pulled to its mean."""
        made = torch.where(mouth, made, motion)
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
        own = OWN_FRAMES * min(1.0, step / (OWN_FULL * config.steps))
        given = (batch["features"], batch["motion"], batch["style"], own, batch["mask"])
        made = model.losses(*given, strangers=config.strangers) if isinstance(model, Talker) else model.losses(*given)
        error = ((made.motion - batch["motion"]) / deviation).square()
        terms = {"motion": config.motion_weight * error[batch["mask"]].mean()}
        if isinstance(model, Talker):
            terms["code"] = made.losses["code"]
        return terms | on_the_face(made.motion, batch["motion"], batch["mask"])

    return fit(model, losses, draw, out, LoopConfig(config.steps, config.learning_rate, seed=config.seed))


def notice_above(predictor: Predictor, mean: Tensor, deviation: Tensor) -> None:
    """Has a fresh predictor begin with its past above the mouth in deviations from its mean, (M,) each.

    Weights and angles are small: beside a style's numbers, of about one, a lid that begins to fall would long go
    unnoticed. The mouth's stay as they are: it is to follow the speech, and not what it did before.
    """
    with torch.no_grad():
        past = predictor.motion_map
        past.weight /= deviation
        past.bias -= past.weight @ mean


def train_talker(
    stage1: Autoencoder, motion_folder: Path, out: Path, device: str, config: TalkerConfig | None = None
) -> Talker:
    """Trains, or goes on from `out`, and returns the talker with averaged weights."""
    config = config or TalkerConfig()
    torch.manual_seed(config.seed)
    motions = MotionSet(motion_folder)
    spec = open_talker(motions.features.shape[1], len(motions.styles), stage1.spec)
    model = Talker(spec, stage1).to(device)
    counted = motions.split("train")
    model.count_transitions(
        (motions.styles.index(clip.style), torch.from_numpy(motions.read(clip)[1])[None].to(device)) for clip in counted
    )
    return _train(model, motion_folder, out / "talker", device, config)


def train_baseline(motion_folder: Path, out: Path, device: str, config: TalkerConfig | None = None) -> FaceFormer:
    """The same for the baseline: same speech, same styles, same losses but for the codes."""
    config = config or TalkerConfig()
    torch.manual_seed(config.seed)
    motions = MotionSet(motion_folder)
    spec = open_faceformer(motions.features.shape[1], len(motions.styles))
    return _train(FaceFormer(spec), motion_folder, out / "baseline", device, config)
