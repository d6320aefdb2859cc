"""The baseline, FaceFormer: regresses each frame's motion from speech and its own past."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import Readout
from .predictor import Driven, Prediction, Predictor, PredictorSpec, masked_mean, mix_own
from .temporal import Shortcut


class FaceFormer(Driven):
    """FaceFormer (Fan et al. 2022). The same predictor as the talker's, and a linear layer to motion."""

    def __init__(self, spec: PredictorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.predictor = Predictor(spec)
        self.motion_out = nn.Linear(spec.width, spec.motion_dim)
        nn.init.zeros_(self.motion_out.weight)
        nn.init.zeros_(self.motion_out.bias)

    def losses(
        self, features: Tensor, motion: Tensor, style: Tensor, own: float = 0.0, mask: Tensor | None = None
    ) -> Prediction:
        """One training pass, teacher-forced but for a share `own` of frames that are the model's; see Talker.losses."""
        frames = min(motion.shape[1], features.shape[1] // self.predictor.speech_per_frame)
        motion, mask = motion[:, :frames], None if mask is None else mask[:, :frames]
        memories = self.predictor.prepare(features[:, : frames * self.predictor.speech_per_frame], mask)
        inputs = motion
        if own > 0:
            with torch.no_grad():
                inputs = mix_own(motion, self.motion_out(self.predictor(motion, style, memories)), own)
        made = self.motion_out(self.predictor(inputs, style, memories))
        return Prediction({"motion": masked_mean((made - motion).square(), mask)}, made)

    def readout(self) -> Readout:
        return Readout(self.motion_out.weight, self.motion_out.bias)

    def start(
        self, style: Tensor, generator: torch.Generator, plain: bool = False, shortcut: Shortcut | None = None
    ) -> None:
        """Nothing is drawn, nothing remembered beyond the predictor's own state."""

    def emit(self, hidden: Tensor, state: None) -> Tensor:
        """The next frame's latent is the predictor's hidden state, (B, 1, width)."""
        return hidden

    def revise(self, latents: Tensor, state: None) -> Tensor:
        return latents
