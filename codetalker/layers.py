"""The transformer pieces that both stages are made of: encodings, biases, attention, and the caches of attention."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sine and cosine encoding of Vaswani et al. 2017, sec. 3.5, interleaved. positions: (T,) -> (T, width) float32."""
    rates = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    angles = positions.float()[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)  # (T, width)


class PeriodicEncoding(nn.Module):
    """FaceFormer's periodic positional encoding (Fan et al. 2022, eq. 4): position modulo period, so of any length."""

    def __init__(self, width: int, period: int) -> None:
        super().__init__()
        self.period = period
        self.register_buffer("table", sinusoids(torch.arange(period), width), persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """x: (B, T, width), its first frame at position `start`."""
        positions = torch.arange(start, start + x.shape[1], device=x.device) % self.period
        return x + self.table[positions]


def head_slopes(heads: int) -> Tensor:
    """The slope of each attention head, ALiBi (Press et al. 2022): 2^(-8/n), 2^(-16/n) ..., n heads a power of two."""
    if heads & (heads - 1):
        raise ValueError(f"heads must be a power of two, not {heads}")
    return torch.tensor([2.0 ** (-8.0 * (head + 1) / heads) for head in range(heads)])


class CausalBias(nn.Module):
    """What attention adds to its scores: minus slope times whole periods of distance; the future is shut out.

    window: frames that a query sees, its own included; 0 for all of the past, as in FaceFormer's eq. 5.
    period: in frames; 1 is plain ALiBi.
    """

    def __init__(self, heads: int, period: int, window: int = 0) -> None:
        super().__init__()
        self.period, self.window = period, window
        self.register_buffer("slopes", head_slopes(heads)[:, None], persistent=False)

    def by_distance(self, distance: Tensor) -> Tensor:
        """distance: (...) frames from the query back to the key -> (H, ...)."""
        bias = -self.slopes * torch.div(distance.flatten(), self.period, rounding_mode="floor")
        seen = distance.flatten() >= 0
        if self.window:
            seen &= distance.flatten() < self.window
        return bias.masked_fill(~seen, -torch.inf).view(-1, *distance.shape)

    def forward(self, frames: int) -> Tensor:
        """The whole square at once: (H, frames, frames)."""
        position = torch.arange(frames, device=self.slopes.device)
        return self.by_distance(position[:, None] - position)


class BiasRows:
    """One row of a CausalBias at a time, in the order in which `KeyValueCache` stores its keys."""

    def __init__(self, bias: CausalBias, capacity: int = 256) -> None:
        self._bias = bias
        window = bias.window
        if window:  # the ring: slot s of position p holds the key that lies (p - s) mod window frames back
            slot = torch.arange(window, device=bias.slopes.device)
            ring = bias.by_distance((slot[:, None] - slot) % window)  # (H, window, window)
            self._ring = ring.unbind(1)
        else:
            self._grow(capacity)

    def _grow(self, capacity: int) -> None:
        self._capacity = capacity
        back = torch.arange(capacity - 1, -1, -1, device=self._bias.slopes.device)
        self._line = self._bias.by_distance(back)  # (H, capacity)

    def __call__(self, position: int) -> Tensor:
        """(H, 1, keys) for the query at `position`."""
        window = self._bias.window
        if window:
            row = self._ring[position % window]
            return row[:, None, : position + 1] if position < window else row[:, None]
        if position >= self._capacity:
            self._grow(2 * position)
        return self._line[:, None, self._capacity - 1 - position :]


@dataclass
class KeyValueCache:
    """Keys and values that attention has seen, stored in place: a ring where there is a window, else doubled when full.

    keys, values: (B, H, capacity, d); length: frames stored since the start.
    """

    window: int = 0
    keys: Tensor | None = None
    values: Tensor | None = None
    length: int = 0

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """key, value: (B, H, 1, d) of the next frame -> all that are visible, (B, H, n, d) each."""
        if not self.window:
            return self.put(key, value, self.length)
        if self.keys is None:
            self.keys, self.values = (part.repeat(1, 1, self.window, 1) for part in (key, value))
        slot = self.length % self.window
        self.keys[:, :, slot] = key[:, :, 0]
        self.values[:, :, slot] = value[:, :, 0]
        self.length += 1
        seen = min(self.length, self.window)
        return self.keys[:, :, :seen], self.values[:, :, :seen]

    def put(self, key: Tensor, value: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Without a window: those of frame `first` and on, (B, H, n, d), in the place of what was there -> all."""
        self.length = first + key.shape[2]
        capacity = 0 if self.keys is None else self.keys.shape[2]
        if self.length > capacity:
            grown = max(128, 2 * capacity, self.length)
            for name, new in (("keys", key), ("values", value)):
                old, room = getattr(self, name), new.new_empty(*new.shape[:2], grown, new.shape[3])
                if old is not None:
                    room[:, :, :capacity] = old
                setattr(self, name, room)
        self.keys[:, :, first : self.length] = key
        self.values[:, :, first : self.length] = value
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]


class SelfAttention(nn.Module):
    """Multi-head self-attention with one fused projection for queries, keys and values."""

    def __init__(self, width: int, heads: int, bias: bool = True, scale: float | None = None) -> None:
        """scale: of the scores, by default 1 / sqrt(width of a head)."""
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of {heads} heads")
        self.heads = heads
        self.scale = scale or (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Tensor, bias: Tensor | None, cache: KeyValueCache | None = None, first: int | None = None
    ) -> Tensor:
        """x: (B, T, width); bias: (H, T, keys) or None.

        With a cache, x is its next frame (T = 1), or where `first` is given, the frames from there on.
        """
        batch, frames, width = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, T, d) each
        if cache is not None:
            key, value = cache.append(key, value) if first is None else cache.put(key, value, first)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=self.scale)
        return self.out(mixed.transpose(1, 2).reshape(batch, frames, width))

    def last(self, x: Tensor) -> Tensor:
        """Attention of the last frame alone over all of x, without a bias: (B, T, width) -> (B, 1, width).

        With one query no frame needs its key or value: q (W x) is (q W) x, and a mean of W x is W times the mean of x.
        """
        batch, _, width = x.shape
        weight, bias = self.qkv.weight, self.qkv.bias
        query = F.linear(x[:, -1:], weight[:width], None if bias is None else bias[:width])
        query = query.view(batch, self.heads, 1, -1)
        keys, values = weight[width:].view(2, self.heads, -1, width)  # (H, d, width) each
        asked = (query @ keys).squeeze(2)  # (B, H, width); a key's bias would be the same for all frames
        weights = (self.scale * (asked @ x.transpose(1, 2))).softmax(-1)  # (B, H, T)
        mean = (weights @ x)[:, :, None]  # (B, H, 1, width)
        mixed = (mean @ values.transpose(1, 2)).view(batch, 1, width)
        return self.out(mixed if bias is None else mixed + bias[2 * width :])


class Readout(NamedTuple):
    """A model's last map, from latents (..., R) to motion (..., M). weight: (M, R), bias: (M,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, latents: Tensor) -> Tensor:
        return F.linear(latents, self.weight, self.bias)


class Memory(NamedTuple):
    """What a frame's cross-attention needs of its own speech features, computed once.

    One feature a frame: values (B, T, width), the attention's very output, and no keys.
    Two or more: keys and values (B, T, features, H, d).
    """

    keys: Tensor | None
    values: Tensor

    def frames(self, start: int, stop: int) -> Memory:
        """Those of frames start to stop, as views."""
        return Memory(None if self.keys is None else self.keys[:, start:stop], self.values[:, start:stop])


class AlignedAttention(nn.Module):
    """Cross-attention under FaceFormer's alignment mask: a frame sees its own speech features and nothing else.

    With one feature a frame the softmax is over one score, so the query does not matter.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def prepare(self, speech: Tensor) -> Memory:
        """speech: (B, T, features a frame, width)."""
        batch, frames, features, width = speech.shape
        if features == 1:
            value = F.linear(speech[:, :, 0], self.key_value.weight[width:], self.key_value.bias[width:])
            return Memory(None, self.out(value))
        key, value = self.key_value(speech).view(batch, frames, features, 2, self.heads, -1).unbind(3)
        return Memory(key, value)

    def forward(self, x: Tensor, memory: Memory | Tensor) -> Tensor:
        """x: (B, T, width); memory: of the same frames, or plainly the speech itself, as `prepare` takes it."""
        if isinstance(memory, Tensor):
            return self._plainly(x, memory)
        if memory.keys is None:
            return memory.values
        query = self.query(x).view(*x.shape[:2], self.heads, -1)
        scores = torch.einsum("bthd,btfhd->bthf", query, memory.keys) * query.shape[-1] ** -0.5
        mixed = torch.einsum("bthf,btfhd->bthd", scores.softmax(-1), memory.values)
        return self.out(mixed.flatten(2))

    def _plainly(self, x: Tensor, speech: Tensor) -> Tensor:
        """As published: each frame of x, the first of the speech's, scores all features; a mask leaves its own."""
        batch, frames, width = x.shape
        own = torch.arange(speech.shape[1], device=x.device).repeat_interleave(speech.shape[2])
        mask = own == torch.arange(frames, device=x.device)[:, None]  # (T, S)
        query = self.query(x).view(batch, frames, self.heads, -1).transpose(1, 2)
        keys_values = self.key_value(speech.flatten(1, 2)).view(batch, len(own), 2, self.heads, -1)
        key, value = keys_values.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, S, d) each
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).reshape(batch, frames, width))


class DecoderLayer(nn.Module):
    """Post-norm transformer decoder layer, as torch's TransformerDecoderLayer computes it."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.speech = AlignedAttention(width, heads)
        self.expand = nn.Linear(width, feed_forward)
        self.contract = nn.Linear(feed_forward, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor, memory: Memory | Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """x: (B, T, width); bias and cache as in SelfAttention."""
        x = self.norms[0](x + self.dropout(self.attention(x, bias, cache)))
        x = self.norms[1](x + self.dropout(self.speech(x, memory)))
        return self.norms[2](x + self.dropout(self.contract(self.dropout(F.relu(self.expand(x))))))


class ContextBlock(nn.Module):
    """Residual temporal convolution in the manner of ConvNeXt (Liu et al. 2022), over (B, T, width)."""

    def __init__(self, width: int, kernel: int, expansion: int = 2) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.contract(F.gelu(self.expand(mixed)))
