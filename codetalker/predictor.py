"""What the talker and the baseline share: from speech features, style and past motion to a hidden state a frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import BiasRows, CausalBias, ContextBlock, DecoderLayer, KeyValueCache, Memory, PeriodicEncoding, Readout


@dataclass(frozen=True)
class PredictorSpec:
    motion_dim: int  # numbers a frame
    speech_dim: int  # numbers of a speech feature
    speech_per_frame: int  # features that a frame sees
    styles: int
    width: int
    layers: int
    period: int  # frames, of positional encoding and bias
    heads: int = 4
    window: int = 0  # frames of its own past that a frame sees; 0: all
    context_blocks: int = 0  # convolutions over the speech features, none as published
    context_kernel: int = 7  # features
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads or self.heads & (self.heads - 1):
            raise ValueError(f"width {self.width} needs a power of two of heads that divides it, not {self.heads}")
        if self.context_kernel % 2 == 0:
            raise ValueError(f"context_kernel must be odd, not {self.context_kernel}")

    @property
    def reach(self) -> int:
        """Frames of speech to each side, beyond its own, that a frame's memory depends on."""
        return -(-self.context_blocks * (self.context_kernel // 2) // self.speech_per_frame)


@dataclass
class PredictorState:
    """Past of a predictor: bias rows, a cache for each layer, the frames so far."""

    rows: BiasRows
    caches: list[KeyValueCache]
    position: int = 0


class Predictor(nn.Module):
    """Causal transformer decoder of FaceFormer and CodeTalker, up to its last hidden state."""

    def __init__(self, spec: PredictorSpec) -> None:
        super().__init__()
        width = spec.width
        self.speech_per_frame, self.reach = spec.speech_per_frame, spec.reach
        self.speech_map = nn.Linear(spec.speech_dim, width)
        self.context = nn.ModuleList(ContextBlock(width, spec.context_kernel) for _ in range(spec.context_blocks))
        self.motion_map = nn.Linear(spec.motion_dim, width)
        self.styles = nn.Parameter(torch.randn(spec.styles, width))
        self.position = PeriodicEncoding(width, spec.period)
        self.bias = CausalBias(spec.heads, spec.period, spec.window)
        self.layers = nn.ModuleList(
            DecoderLayer(width, spec.heads, 2 * width, spec.dropout) for _ in range(spec.layers)
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.register_buffer("fused_weight", None, persistent=False)
        self.register_buffer("fused_bias", None, persistent=False)

    def fuse(self, readout: Readout | None) -> None:
        """Joins the model's readout and `motion_map`, two linear maps, into one, for decoding under fixed weights.

        The 70,110 numbers of a BIWI frame then never pass through the loop.
        """
        if readout is not None:
            self.fused_weight = self.motion_map.weight @ readout.weight
            self.fused_bias = self.motion_map(readout.bias)

    def hear(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Speech in the predictor's width, (B, T, features a frame, width).

        features: (B, S, speech_dim); S // speech_per_frame frames come of them. mask: (B, T) bool, false where padded.
        """
        per_frame = self.speech_per_frame
        frames = features.shape[1] // per_frame
        speech = self.dropout(self.speech_map(features[:, : frames * per_frame]))
        real = None if mask is None else mask[:, :frames].repeat_interleave(per_frame, 1)[..., None]
        for block in self.context:
            speech = block(speech if real is None else speech * real)  # beyond its end speech is zero, as unpadded
        return speech.unflatten(1, (frames, per_frame))

    def prepare(self, features: Tensor, mask: Tensor | None = None) -> list[Memory]:
        """Everything that depends on speech alone, for each layer; see `hear`."""
        speech = self.hear(features, mask)
        return [layer.speech.prepare(speech) for layer in self.layers]

    def style_vector(self, style: Tensor) -> Tensor:
        """style: (B, styles) weights, one-hot or a mixture -> (B, 1, width)."""
        return (style @ self.styles)[:, None]

    def forward(self, motion: Tensor, style: Tensor, memories: list[Memory] | list[Tensor]) -> Tensor:
        """All frames at once, each from the motion before it: (B, T, M), the last frame unread -> (B, T, width).

        The first frame's input is the style alone, as when the published code generates.
        """
        own = self.style_vector(style)
        x = torch.cat([own, self.motion_map(motion[:, :-1]) + own], 1)
        x = self.dropout(self.position(x))
        bias = self.bias(x.shape[1])
        for layer, memory in zip(self.layers, memories):
            x = layer(x, bias, memory)
        return x

    def start(self) -> PredictorState:
        return PredictorState(BiasRows(self.bias), [KeyValueCache(self.bias.window) for _ in self.layers])

    def step(
        self,
        own: Tensor,
        latent: Tensor | None,
        readout: Readout | None,
        memories: list[Memory],
        state: PredictorState,
    ) -> Tensor:
        """The next frame: (B, 1, width), equal to `forward` over all so far.

        own: style_vector; latent: (B, 1, R) of the frame before, None at the first; readout: what makes motion of it,
        None where it is the motion; memories: of this frame.
        """
        x = own if latent is None else self._map(latent, readout) + own
        x = self.position(x, state.position)
        bias = state.rows(state.position)
        for layer, memory, cache in zip(self.layers, memories, state.caches):
            x = layer(x, bias, memory, cache)
        state.position += 1
        return x

    def _map(self, latent: Tensor, readout: Readout | None) -> Tensor:
        if self.fused_weight is not None:
            return F.linear(latent, self.fused_weight, self.fused_bias)
        return self.motion_map(latent if readout is None else readout(latent))


class Driven(nn.Module):
    """What a predictor moves: a talker, the baseline. members: the models to decode one by one, here itself alone."""

    predictor: Predictor

    @property
    def members(self) -> tuple[Driven, ...]:
        return (self,)

    @property
    def motion_dim(self) -> int:
        return self.predictor.motion_map.in_features

    @property
    def styles(self) -> int:
        return len(self.predictor.styles)

    @property
    def speech_per_frame(self) -> int:
        return self.predictor.speech_per_frame

    @property
    def reach(self) -> int:
        return self.predictor.reach


@dataclass
class Prediction:
    """A pass over known motion. losses: name -> (); motion: (B, T, M) or None where not asked for; logits, codes: the
    talker's (B, T, Q, K) over its codes and the (B, T, Q) that stage 1 gives the known motion."""

    losses: dict[str, Tensor]
    motion: Tensor | None
    logits: Tensor | None = None
    codes: Tensor | None = None


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the frames that the mask keeps. values: (B, T, ...); mask: (B, T) bool or None."""
    if mask is None:
        return values.mean()
    per_frame = values.flatten(2).mean(2)
    return (per_frame * mask).sum() / mask.sum().clamp_min(1)


def mix_own(motion: Tensor, own_motion: Tensor, share: float) -> Tensor:
    """Parallel scheduled sampling (Duckworth et al. 2019): each frame of `motion` becomes the model's own at `share`.

    motion, own_motion: (B, T, M).
    """
    chosen = torch.rand(motion.shape[:2], device=motion.device) < share
    return torch.where(chosen[..., None], own_motion, motion)
