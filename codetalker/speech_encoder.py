"""The open speech encoder: log-mels to phone probabilities, small enough for two cores and any length of speech.

A convolution stem halves 100 Hz log-mels to 50 Hz, ConvNeXt blocks (Liu et al. 2022, in one dimension) see the
neighbourhood, and local self-attention sees a second to each side. What the talker gets are the phone probabilities,
not the hidden state: they mean the same for a synthetic voice and a real one. Beside them stand loudness and pitch,
for what follows the prosody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from .audio import SAMPLE_RATE
from .layers import ContextBlock
from .phones import PHONES
from .prosody import pitch_curve

N_FFT = 512
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
FEATURE_RATE = SAMPLE_RATE / HOP / 2  # Hz, after the stem's stride of two
PITCH_SCALE = 3.0  # semitones
MEL_FLOOR = 1e-6  # below the quietest speech at a peak of one


@dataclass(frozen=True)
class MelSpec:
    """Sizes of the open speech encoder; a bundle stores them beside the weights."""

    fps: float = 30.0  # frames a second of the features, the motion's
    mels: int = 64
    width: int = 256
    blocks: int = 6
    kernel: int = 11  # frames at 50 Hz
    attention_layers: int = 2
    heads: int = 8
    reach: int = 50  # frames at 50 Hz that attention sees to each side
    bands: int = 4  # loudness features


class LocalAttentionBlock(nn.Module):
    """Self-attention of `reach` frames to each side with a learned bias per distance, and a perceptron.

    Frames are cut into blocks of `reach`; a block's queries see the blocks before, of and after it, so that memory
    grows with the length and not with its square.
    """

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.distance_bias = nn.Parameter(torch.zeros(heads, 2 * reach + 1))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        # column j of a block's keys lies j - reach - i frames after its query i
        distance = torch.arange(3 * reach)[None] - reach - torch.arange(reach)[:, None]
        self.register_buffer("distance", distance, persistent=False)

    def _bias(self, frames: int, blocks: int) -> Tensor:
        """(blocks, heads, reach, 3 reach): the bias per distance, -inf out of reach and past either end."""
        bias = self.distance_bias[:, self.distance.clamp(-self.reach, self.reach) + self.reach]
        bias = bias.masked_fill(self.distance.abs() > self.reach, float("-inf"))
        key = torch.arange(3 * self.reach, device=bias.device) - self.reach
        key = key + self.reach * torch.arange(blocks, device=bias.device)[:, None]  # (blocks, 3 reach)
        outside = (key < 0) | (key >= frames)
        mask = bias[None].masked_fill(outside[:, None, None], float("-inf"))
        # A padded query may see no key at all; it is cut off below, and must not be NaN before that.
        return mask.masked_fill(mask.isinf().all(-1, keepdim=True), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, C) -> (B, T, C)"""
        batch, frames, width = x.shape
        reach, blocks = self.reach, -(-frames // self.reach)
        q, k, v = F.pad(self.qkv(self.norm(x)), (0, 0, 0, blocks * reach - frames)).chunk(3, -1)
        q = q.view(batch * blocks, reach, self.heads, -1).transpose(1, 2)

        def neighbours(t: Tensor) -> Tensor:
            windows = F.pad(t, (0, 0, reach, reach)).unfold(1, 3 * reach, reach)  # (B, blocks, C, 3 reach)
            return windows.reshape(batch * blocks, self.heads, -1, 3 * reach).transpose(2, 3)

        mask = self._bias(frames, blocks).repeat(batch, 1, 1, 1)
        mixed = F.scaled_dot_product_attention(q, neighbours(k), neighbours(v), attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(batch, blocks * reach, width)[:, :frames]
        x = x + self.out(mixed)
        return x + self.mlp(x)


class MelEncoder(nn.Module):
    """Speech to features at the motion's frame rate: phone probabilities, loudness in a few bands, pitch."""

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        filters = mel_filter_bank(
            N_FFT // 2 + 1, spec.mels, 50.0, 7600.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)  # (257, mels)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.stem = nn.Conv1d(spec.mels, spec.width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(ContextBlock(spec.width, spec.kernel, expansion=4) for _ in range(spec.blocks))
        for block in self.blocks:
            nn.init.zeros_(block.contract.weight)  # each begins as the identity
        self.attention = nn.ModuleList(
            LocalAttentionBlock(spec.width, spec.heads, spec.reach) for _ in range(spec.attention_layers)
        )
        self.norm = nn.LayerNorm(spec.width)
        self.phones = nn.Linear(spec.width, len(PHONES))
        self.dim = len(PHONES) + spec.bands + 1

    def log_powers(self, speech: Tensor) -> Tensor:
        """speech: (B, N) -> (B, 1 + N // 160, mels), the logarithm of each bin's power, frame i about sample 160 i"""
        spectrum = torch.stft(speech, N_FFT, HOP, WINDOW, self.window, pad_mode="constant", return_complex=True)
        return torch.log(spectrum.abs().square().transpose(1, 2) @ self.filters + MEL_FLOOR)

    def log_mels(self, speech: Tensor) -> Tensor:
        """speech: (B, N) -> (B, 1 + N // 160, mels), each bin's mean over the utterance removed"""
        mels = self.log_powers(speech)
        return mels - mels.mean(1, keepdim=True)

    def phone_logits(self, mels: Tensor) -> Tensor:
        """mels: (B, T, mels) at 100 Hz -> (B, ceil(T / 2), phones) at 50 Hz, frame i at 0.02 i seconds"""
        x = self.stem(mels.transpose(1, 2)).transpose(1, 2)
        for block in (*self.blocks, *self.attention):
            x = block(x)
        return self.phones(self.norm(x))

    def features(self, mels: Tensor, seconds: Tensor) -> Tensor:
        """mels: (B, T, mels) at 100 Hz; seconds: (S,), times from their first on -> all but pitch, (B, S, dim - 1)"""
        bands = (
            mels.unflatten(-1, (self.spec.bands, -1)).mean(-1)[:, ::2] / 4.0
        )  # (B, ceil(T / 2), bands), about unit variance
        at_50_hz = torch.cat([self.phone_logits(mels).softmax(-1), bands], -1)
        time = seconds * FEATURE_RATE
        left = time.long().clamp(max=at_50_hz.shape[1] - 1)
        right = (left + 1).clamp(max=at_50_hz.shape[1] - 1)
        weight = (time - left)[:, None].clamp(0.0, 1.0)
        return at_50_hz[:, left] * (1 - weight) + at_50_hz[:, right] * weight

    def forward(self, speech: Tensor) -> Tensor:
        """speech: (B, N) at 16 kHz -> (B, S, dim), S = round(N / 16000 * fps), feature k at (k + 0.5) / fps seconds"""
        seconds = self.times(speech.shape[1])
        return torch.cat([self.features(self.log_mels(speech), seconds), self.pitch(speech, seconds)], -1)

    def pitch(self, speech: Tensor, seconds: Tensor) -> Tensor:
        """The last feature, of about unit variance. speech: (B, N); seconds: (S,), 1 / fps apart -> (B, S, 1)"""
        times = seconds.cpu().double().numpy()
        curves = [pitch_curve(one, times, self.spec.fps) / PITCH_SCALE for one in speech.cpu().numpy()]
        return torch.from_numpy(np.stack(curves))[..., None].to(seconds)

    def times(self, samples: int) -> Tensor:
        """(S,) seconds, of the features of so many samples."""
        count = round(samples / SAMPLE_RATE * self.spec.fps)
        return (torch.arange(count, device=self.window.device) + 0.5) / self.spec.fps
