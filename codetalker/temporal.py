"""Each side of stage 1: a convolution and a transformer over time, in the published form and in a causal one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import BiasRows, CausalBias, KeyValueCache, SelfAttention, sinusoids

KERNEL = 5  # frames, of the convolution
ASIDE = KERNEL // 2  # frames to each side of the one that it is about, where it is not causal
NORM_FLOOR = 1e-5  # of the instance norm's variance


class Block(nn.Module):
    """Pre-norm transformer layer; scores are scaled by the whole width, as in the published code."""

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, bias=False, scale=width**-0.5)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, feed_forward)
        self.contract = nn.Linear(feed_forward, width)

    def _mlp(self, x: Tensor) -> Tensor:
        return x + self.contract(F.gelu(self.expand(self.mlp_norm(x)), approximate="tanh"))

    def forward(
        self, x: Tensor, bias: Tensor | None, cache: KeyValueCache | None = None, first: int | None = None
    ) -> Tensor:
        """As SelfAttention's."""
        return self._mlp(x + self.attention(self.attention_norm(x), bias, cache, first))

    def last(self, x: Tensor) -> Tensor:
        """The last frame alone, (B, 1, width), without a bias."""
        return self._mlp(x[:, -1:] + self.attention.last(self.attention_norm(x)))


@dataclass
class StackState:
    """Past of a causal stack: the convolution's last inputs (B, width, KERNEL), a cache for each layer, and the frames
    that smoothing still needs."""

    rows: BiasRows
    caches: list[KeyValueCache]
    recent: Tensor | None = None
    position: int = 0
    decoded: Tensor | None = None  # (B, smoothing, channels)


@dataclass(frozen=True)
class Shortcut:
    """How a non-causal stack saves work as its input grows, an approximation: it recomputes the last frames alone, and
    attends to the others by the keys and values that they had when they were last recomputed."""

    recent: int = 2  # frames recomputed at each step
    refresh: int = 15  # steps after which all are


@dataclass
class PrefixState:
    """Past of a non-causal stack whose input grows by a frame at a time.

    inputs: (B, <= KERNEL, width), the last ones; convolved: (B, capacity, width), of which `frames` are in use;
    shortcut: None recomputes everything at each step, which is exact; caches: of a shortcut, one a layer
    """

    shortcut: Shortcut | None
    caches: list[KeyValueCache]
    inputs: Tensor | None = None
    convolved: Tensor | None = None
    frames: int = 0


class TemporalStack(nn.Module):
    """Convolution, rectifier, transformer: (B, T, width) -> (B, T, width).

    Published (window 0): sees all frames; instance norm over time; and every frame gets the positional encoding of
    position 0, because the published code indexes its table by the batch axis.
    Causal: sees `window` frames of the past; no norm over time; distance enters as ALiBi's bias.
    """

    def __init__(
        self, width: int, heads: int, layers: int, feed_forward: int, window: int, negative_slope: float
    ) -> None:
        super().__init__()
        self.window, self.negative_slope = window, negative_slope
        self.conv = nn.Conv1d(width, width, KERNEL)
        self.embed = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, heads, feed_forward) for _ in range(layers))
        self.bias = CausalBias(heads, period=1, window=window) if window else None
        self.register_buffer("origin", sinusoids(torch.zeros(1), width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        sides = (KERNEL - 1, 0) if self.window else (ASIDE, ASIDE)
        x = self.conv(F.pad(x.transpose(1, 2), sides, mode="replicate")).transpose(1, 2)
        x = F.leaky_relu(x, self.negative_slope)
        x = self.embed(x) if self.window else self._embed_normed(x)
        bias = self.bias(frames) if self.window else None
        for block in self.blocks:
            x = block(x, bias)
        return x

    def _embed_normed(self, x: Tensor, first: int = 0) -> Tensor:
        """The frames from `first` on, normed over all."""
        variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
        return self.embed((x[:, first:] - mean) * torch.rsqrt(variance + NORM_FLOOR)) + self.origin

    def start(self, shortcut: Shortcut | None = None) -> StackState | PrefixState:
        """The past of `step` (causal) or of `last`, before the first frame."""
        if not self.window:
            return PrefixState(shortcut, [KeyValueCache() for _ in self.blocks])
        return StackState(BiasRows(self.bias), [KeyValueCache(self.window) for _ in self.blocks])

    def step(self, x: Tensor, state: StackState) -> Tensor:
        """The next frame of a causal stack: (B, 1, width) -> (B, 1, width), equal to `forward` over all so far."""
        new = x.transpose(1, 2)  # (B, width, 1)
        past = new.expand(-1, -1, KERNEL - 1) if state.recent is None else state.recent[:, :, 1:]
        state.recent = torch.cat([past, new], 2)
        # the convolution over its one full position is a product
        x = F.linear(state.recent.flatten(1), self.conv.weight.flatten(1), self.conv.bias)[:, None]
        x = self.embed(F.leaky_relu(x, self.negative_slope))
        bias = state.rows(state.position)
        for block, cache in zip(self.blocks, state.caches):
            x = block(x, bias, cache)
        state.position += 1
        return x

    def last(self, x: Tensor, state: PrefixState) -> Tensor:
        """The last frame of `forward` over all so far, of a non-causal stack: (B, 1, width) -> (B, 1, width).

        A new frame changes all others by the norm and by attention, but only the last results of the convolution; and
        of the last layer only one frame is wanted.
        """
        self._convolve_last(x, state)
        convolved = state.convolved[:, : state.frames]
        if state.shortcut is not None:
            return self._last_by_shortcut(convolved, state)
        x = self._embed_normed(convolved)
        for block in self.blocks[:-1]:
            x = block(x, None)
        return self.blocks[-1].last(x)

    def _last_by_shortcut(self, convolved: Tensor, state: PrefixState) -> Tensor:
        refreshing = state.frames % state.shortcut.refresh == 0
        first = 0 if refreshing else max(0, state.frames - state.shortcut.recent)
        x = self._embed_normed(convolved, first)
        for block, cache in zip(self.blocks, state.caches):
            x = block(x, None, cache, first)
        return x[:, -1:]

    def _convolve_last(self, x: Tensor, state: PrefixState) -> None:
        """Adds a frame to `state.convolved`; the frames before it, that saw the end's padding, are made anew."""
        inputs = x if state.inputs is None else torch.cat([state.inputs, x], 1)
        state.inputs, state.frames = inputs[:, -KERNEL:], state.frames + 1
        fresh = min(ASIDE + 1, state.frames)  # results that are new
        missing = max(0, fresh + ASIDE - inputs.shape[1])  # frames before the first
        padded = F.pad(inputs[:, -(fresh + ASIDE) :].transpose(1, 2), (missing, ASIDE), mode="replicate")
        made = F.leaky_relu(self.conv(padded), self.negative_slope).transpose(1, 2)  # (B, fresh, width)
        if state.convolved is None:
            state.convolved = made.new_empty(len(x), 64, x.shape[2])
        elif state.frames > state.convolved.shape[1]:
            state.convolved = state.convolved.repeat(1, 2, 1)
        state.convolved[:, state.frames - fresh : state.frames] = made
