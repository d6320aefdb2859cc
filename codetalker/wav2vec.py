"""The published models' speech encoder: wav2vec 2.0 (Baevski et al. 2020), its features at the motion's rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .audio import SAMPLE_RATE

FEATURE_RATE = 50  # Hz, of wav2vec2's convolutions
WINDOW_TAIL = 80  # samples beyond a window's whole seconds with which its features are 50 a second
VARIANCE_FLOOR = 1e-7  # of the published feature extractor


@dataclass(frozen=True)
class Wav2Vec2Spec:
    """resample_fps: frames a second to which the features are resampled before the transformer (VOCASET), or 0;
    features_per_frame: what an odd rest is cut to where there is no resampling (BIWI reads two a frame);
    config: transformers' Wav2Vec2Config, any size.
    """

    resample_fps: int
    features_per_frame: int
    config: dict[str, Any] = field(default_factory=dict)


def normalise(speech: Tensor) -> Tensor:
    """(B, N) to zero mean and unit variance, each row by itself."""
    centred = speech - speech.mean(1, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(1, keepdim=True) + VARIANCE_FLOOR)


class Wav2Vec2Encoder(nn.Module):
    """Speech to features (B, S, dim): S = floor(resample_fps / 50 * convolved), or convolved less an odd rest."""

    def __init__(self, spec: Wav2Vec2Spec) -> None:
        super().__init__()
        from transformers import Wav2Vec2Config, Wav2Vec2Model  # takes seconds, and only published models need it

        known = {name: value for name, value in spec.config.items() if name != "output_attentions"}  # raises, if set
        config = Wav2Vec2Config(**known)
        self.spec = spec
        self.model = Wav2Vec2Model(config).eval()
        self.dim = config.hidden_size

    def forward(self, speech: Tensor) -> Tensor:
        """speech: (B, N) float32 at 16 kHz, of any loudness."""
        return self.features(normalise(speech))

    def features(self, values: Tensor) -> Tensor:
        """values: (B, N), normalised already."""
        convolved = self.model.feature_extractor(values).transpose(1, 2)  # (B, S, channels) at 50 Hz
        length = self._length(convolved.shape[1])
        if self.spec.resample_fps:
            convolved = F.interpolate(convolved.transpose(1, 2), length, mode="linear", align_corners=True)
            convolved = convolved.transpose(1, 2)
        hidden = self.model.feature_projection(convolved[:, :length])[0]
        return self.model.encoder(hidden).last_hidden_state

    def _length(self, convolved: int) -> int:
        if self.spec.resample_fps:
            return math.floor(convolved / FEATURE_RATE * self.spec.resample_fps)
        return convolved - convolved % self.spec.features_per_frame

    def count(self, samples: int) -> int:
        """Features of so many samples."""
        return self._length(int(self.model._get_feat_extract_output_lengths(samples)))

    def windows(self, values: Tensor, starts: Sequence[int], seconds: int) -> Tensor:
        """Those of windows that begin at whole seconds, silence after the end: (1, N) normalised -> (B, S, D)."""
        length = seconds * SAMPLE_RATE + WINDOW_TAIL
        padded = F.pad(values, (0, max(0, starts[-1] * SAMPLE_RATE + length - values.shape[1])))
        cuts = (padded[:, start * SAMPLE_RATE :][:, :length] for start in starts)
        return torch.cat([self.features(cut) for cut in cuts])  # one by one: the convolutions need most of the memory
