"""Trains stage 1: a codebook of facial motion for each region, by self-reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codetalker.autoencoder import Autoencoder, AutoencoderSpec
from codetalker.head import load_head
from codetalker.specs import open_autoencoder

from .geometry import FaceGeometry
from .loop import LoopConfig, fit
from .motion_set import MotionSet


@dataclass(frozen=True)
class Stage1Config:
    """The run's numbers; about ten minutes on a core."""

    steps: int = 1_500
    batch: int = 16
    frames: int = 96
    learning_rate: float = 1e-3
    head: str = "alex"  # on whose vertices the motion is compared
    lips_weight: float = 2.0  # per mm
    face_weight: float = 0.5  # per mm
    gap_weight: float = 1.0  # per mm of the inner-lip gap: a closure is a matter of one
    peak_weight: float = 3.0  # of the squared error above the mouth, in deviations: blinks are rare, and no median
    seed: int = 0


def motion_statistics(motions: MotionSet) -> tuple[Tensor, Tensor]:
    """Of the open bundle: the mouth takes its nearest codes, the upper face may draw others."""
    sample = np.concatenate([motions.read(clip)[1] for clip in motions.split("train")[:2000]])
    return torch.from_numpy(sample.mean(0)), torch.from_numpy(sample.std(0)).clamp_min(0.02)


def code_use(stage1: Autoencoder, codes: Tensor) -> dict[str, Any]:
    """How often each entry of each region's codebook is taken, and what that comes to. codes: (frames, Q)

    counts_REGION: of the entries; used_REGION: share of them that are taken at all; dead_REGION: how many are not;
    perplexity_REGION: as many entries, all taken as often, would be as hard to foretell.
    """
    figures: dict[str, Any] = {}
    for name, own in zip(stage1.regions, codes.split(stage1.parts, 1)):
        counts = torch.bincount(own.flatten().cpu(), minlength=stage1.spec.entries)
        share = counts / counts.sum()
        figures[f"used_{name}"] = round(float((counts > 0).float().mean()), 4)
        figures[f"dead_{name}"] = int((counts == 0).sum())
        figures[f"perplexity_{name}"] = round(float(torch.special.entr(share).sum().exp()), 2)
        figures[f"counts_{name}"] = counts.tolist()
    return figures


def train(
    motion_folder: Path,
    out: Path,
    device: str,
    config: Stage1Config | None = None,
    spec: AutoencoderSpec | None = None,
) -> Autoencoder:
    """Trains, or goes on from `out`, and returns stage 1 with averaged weights. spec: by default the open bundle's."""
    config = config or Stage1Config()
    torch.manual_seed(config.seed)
    motions = MotionSet(motion_folder)
    geometry = FaceGeometry(load_head(config.head)).to(device)
    stage1 = Autoencoder(spec or open_autoencoder()).to(device)
    mean, deviation = (part.to(device) for part in motion_statistics(motions))
    stage1.standardise(mean, deviation)
    drawn = [channel for region in stage1.spec.regions if region.temperature for channel in region.channels]

    def draw(index: int) -> dict[str, Tensor]:
        return motions.batch(config.batch, config.frames, (config.seed, index))

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        motion = batch["motion"].to(device)  # short clips end in a resting face: worth a code, too
        terms, made = stage1.losses(motion)
        lips, face = geometry.distance(made.motion, motion)
        gap = (geometry.gap(made.motion) - geometry.gap(motion)).abs()
        if drawn:
            error = ((made.motion - motion) / deviation)[..., drawn]
            terms["peaks"] = config.peak_weight * error.square().mean()
        return terms | {
            "lips": config.lips_weight * lips.mean(),
            "face": config.face_weight * face.mean(),
            "gap": config.gap_weight * gap.mean(),
        }

    held_out = [torch.from_numpy(motions.read(clip)[1])[None].to(device) for clip in motions.split("validation")]

    def evaluate(averaged: Autoencoder) -> dict[str, Any]:
        made = [averaged(motion) for motion in held_out]
        lips = [geometry.distance(one.motion, motion)[0].mean() for one, motion in zip(made, held_out)]
        gaps = [(geometry.gap(one.motion) - geometry.gap(motion)).abs().mean() for one, motion in zip(made, held_out)]
        figures = {"lips_mm": torch.stack(lips).mean(), "gap_mm": torch.stack(gaps).mean()}
        codes = torch.cat([one.codes for one in made], 1)[0]  # (frames, Q)
        return {name: round(float(value), 4) for name, value in figures.items()} | code_use(averaged, codes)

    loop = LoopConfig(config.steps, config.learning_rate, seed=config.seed)
    return fit(stage1, losses, draw, out / "stage1", loop, evaluate if held_out else None)
