"""Tiny models of both forms, with weights that make them move."""

from dataclasses import replace

import torch
from torch import nn

from codetalker.autoencoder import Autoencoder, AutoencoderSpec, RegionSpec
from codetalker.faceformer import FaceFormer
from codetalker.predictor import PredictorSpec
from codetalker.talker import Talker, TalkerGroup, TalkerGroupSpec, TalkerSpec

MOTION_DIM, SPEECH_DIM, STYLES = 12, 6, 3


def autoencoder_spec(causal: bool, upper: float = 0.0, mouth: float = 0.0) -> AutoencoderSpec:
    """upper, mouth: the regions' temperatures"""
    mouth = RegionSpec("mouth", tuple(range(0, MOTION_DIM, 2)), 3, mouth)
    upper = RegionSpec("upper", tuple(range(1, MOTION_DIM, 2)), 2, upper)
    regions = (mouth, upper) if causal else (RegionSpec("face", None, 4),)
    sizes = {"width": 16, "heads": 4, "layers": 2, "feed_forward": 32, "entries": 8, "code_dim": 4}
    window = {"window": 5, "decay": 0.9, "code_projection": True} if causal else {"code_projection": False}
    return AutoencoderSpec(MOTION_DIM, regions, **sizes, **window)


def autoencoder(causal: bool, upper: float = 0.0, mouth: float = 0.0) -> Autoencoder:
    made = Autoencoder(autoencoder_spec(causal, upper, mouth)).eval()
    for region in made.regions.values():
        nn.init.normal_(region.quantizer.codebook)
    return made


def predictor_spec(speech_per_frame: int = 1, **others) -> PredictorSpec:
    return PredictorSpec(MOTION_DIM, SPEECH_DIM, speech_per_frame, STYLES, width=16, layers=2, period=4, **others)


def talker(causal: bool, speech_per_frame: int = 1, temperature: float = 0.0, **others) -> Talker:
    """temperature: of all codes"""
    return _talker(autoencoder(causal, temperature, temperature), predictor_spec(speech_per_frame, **others))


def group(**others) -> TalkerGroup:
    """Of the open form: the mouth's codes are the nearest, the upper face's are drawn, and hear further."""
    stage1 = autoencoder(True, 1.0)
    parts = [stage1.only(replace(stage1.spec, regions=(region,))) for region in stage1.spec.regions]
    specs = predictor_spec(**others), predictor_spec(**{"context_blocks": 2, "context_kernel": 5} | others)
    members = [_talker(*pair) for pair in zip(parts, specs)]
    return TalkerGroup(TalkerGroupSpec(tuple(one.spec for one in members)), members).eval()


def _talker(stage1: Autoencoder, predictor: PredictorSpec) -> Talker:
    made = Talker(TalkerSpec(predictor, stage1.spec, "cross_entropy" if stage1.spec.causal else "feature"), stage1)
    nn.init.normal_(made.feature_map.weight)
    return made.eval()


def faceformer(speech_per_frame: int = 1, **others) -> FaceFormer:
    made = FaceFormer(predictor_spec(speech_per_frame, **others)).eval()
    nn.init.normal_(made.motion_out.weight, std=0.3)
    return made


def style(*indices: int) -> torch.Tensor:
    return torch.eye(STYLES)[list(indices)]
