"""Tiny models of both forms, with weights that make them move."""

import torch
from torch import nn

from codetalker.autoencoder import Autoencoder, AutoencoderSpec, RegionSpec
from codetalker.faceformer import FaceFormer
from codetalker.predictor import PredictorSpec
from codetalker.talker import Talker, TalkerSpec

MOTION_DIM, SPEECH_DIM, STYLES = 12, 6, 3


def autoencoder_spec(causal: bool, temperature: float = 0.0) -> AutoencoderSpec:
    mouth = RegionSpec("mouth", tuple(range(0, MOTION_DIM, 2)), 3)
    upper = RegionSpec("upper", tuple(range(1, MOTION_DIM, 2)), 2, temperature)
    regions = (mouth, upper) if causal else (RegionSpec("face", None, 4),)
    sizes = {"width": 16, "heads": 4, "layers": 2, "feed_forward": 32, "entries": 8, "code_dim": 4}
    window = {"window": 5, "decay": 0.9, "code_projection": True} if causal else {"code_projection": False}
    return AutoencoderSpec(MOTION_DIM, regions, **sizes, **window)


def autoencoder(causal: bool, temperature: float = 0.0) -> Autoencoder:
    made = Autoencoder(autoencoder_spec(causal, temperature)).eval()
    for region in made.regions.values():
        nn.init.normal_(region.quantizer.codebook)
    return made


def predictor_spec(speech_per_frame: int = 1, **others) -> PredictorSpec:
    return PredictorSpec(MOTION_DIM, SPEECH_DIM, speech_per_frame, STYLES, width=16, layers=2, period=4, **others)


def talker(causal: bool, speech_per_frame: int = 1, temperature: float = 0.0, **others) -> Talker:
    stage1 = autoencoder(causal, temperature)
    loss = "cross_entropy" if causal else "feature"
    made = Talker(TalkerSpec(predictor_spec(speech_per_frame, **others), stage1.spec, loss), stage1).eval()
    nn.init.normal_(made.feature_map.weight)
    return made


def faceformer(speech_per_frame: int = 1, **others) -> FaceFormer:
    made = FaceFormer(predictor_spec(speech_per_frame, **others)).eval()
    nn.init.normal_(made.motion_out.weight, std=0.3)
    return made


def style(*indices: int) -> torch.Tensor:
    return torch.eye(STYLES)[list(indices)]
