"""Stage 1: facial motion into codes and back, region by region."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import BiasRows, CausalBias, KeyValueCache, SelfAttention, sinusoids
from .quantizer import Quantizer

KERNEL = 5  # frames, of the convolution on each side


@dataclass(frozen=True)
class RegionSpec:
    """A part of the face with its own codes.

    channels: of the motion; None for all of them
    parts: codes a frame (the paper's H)
    temperature: at which stage 2 draws this region's codes; 0 takes the nearest
    smoothing: frames up to the present one that the decoded motion is averaged over: draws jump where faces glide
    """

    name: str
    channels: tuple[int, ...] | None
    parts: int
    temperature: float = 0.0
    smoothing: int = 1


@dataclass(frozen=True)
class AutoencoderSpec:
    motion_dim: int  # numbers a frame
    regions: tuple[RegionSpec, ...]
    width: int
    heads: int
    layers: int  # on each side
    feed_forward: int
    entries: int  # of each codebook
    code_dim: int  # numbers of an entry
    code_projection: bool  # a linear layer on each side of the code; without it, parts * code_dim must be the width
    output_bias: bool = True  # of the last layer
    window: int = 0  # frames that a frame sees, causally; 0: the published form, which sees all, before and after
    decay: float = 0.0  # of the quantizer
    negative_slope: float = 0.2  # of the leaky rectifiers

    def __post_init__(self) -> None:
        for region in self.regions:
            if not self.code_projection and region.parts * self.code_dim != self.width:
                raise ValueError(f"{region.parts} parts x code_dim {self.code_dim} is not the width {self.width}")
        covered = [c for region in self.regions for c in (region.channels or range(self.motion_dim))]
        if sorted(covered) != list(range(self.motion_dim)):
            raise ValueError(f"regions {[region.name for region in self.regions]} do not cover each channel once")

    @property
    def causal(self) -> bool:
        return self.window > 0

    @property
    def slots(self) -> int:
        """Codes a frame, over all regions (Q)."""
        return sum(region.parts for region in self.regions)


@dataclass
class StackState:
    """Past of a causal stack: the convolution's last inputs (B, width, KERNEL), a cache for each layer, and the frames
    that smoothing still needs."""

    rows: BiasRows
    caches: list[KeyValueCache]
    recent: Tensor | None = None
    position: int = 0
    decoded: Tensor | None = None  # (B, smoothing, channels)


class Block(nn.Module):
    """Pre-norm transformer layer; scores are scaled by the whole width, as in the published code."""

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(spec.width)
        self.attention = SelfAttention(spec.width, spec.heads, bias=False, scale=spec.width**-0.5)
        self.mlp_norm = nn.LayerNorm(spec.width)
        self.expand = nn.Linear(spec.width, spec.feed_forward)
        self.contract = nn.Linear(spec.feed_forward, spec.width)

    def _mlp(self, x: Tensor) -> Tensor:
        return x + self.contract(F.gelu(self.expand(self.mlp_norm(x)), approximate="tanh"))

    def forward(self, x: Tensor, bias: Tensor | None, cache: KeyValueCache | None = None) -> Tensor:
        return self._mlp(x + self.attention(self.attention_norm(x), bias, cache))

    def last(self, x: Tensor) -> Tensor:
        """The last frame alone, (B, 1, width), without a bias."""
        return self._mlp(x[:, -1:] + self.attention.last(self.attention_norm(x)))


class TemporalStack(nn.Module):
    """Convolution, rectifier, transformer: (B, T, width) -> (B, T, width).

    Published (window 0): sees all frames; instance norm over time; and every frame gets the positional encoding of
    position 0, because the published code indexes its table by the batch axis.
    Causal: sees `window` frames of the past; no norm over time; distance enters as ALiBi's bias.
    """

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.window, self.negative_slope = spec.window, spec.negative_slope
        self.conv = nn.Conv1d(spec.width, spec.width, KERNEL)
        self.embed = nn.Linear(spec.width, spec.width)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.layers))
        self.bias = CausalBias(spec.heads, period=1, window=spec.window) if spec.window else None
        self.register_buffer("origin", sinusoids(torch.zeros(1), spec.width), persistent=False)

    def _into_blocks(self, x: Tensor) -> Tensor:
        sides = (KERNEL - 1, 0) if self.window else (KERNEL // 2, KERNEL // 2)
        x = self.conv(F.pad(x.transpose(1, 2), sides, mode="replicate"))
        x = F.leaky_relu(x, self.negative_slope)
        if self.window:
            return self.embed(x.transpose(1, 2))
        return self.embed(F.instance_norm(x).transpose(1, 2)) + self.origin

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        x = self._into_blocks(x)
        bias = self.bias(frames) if self.window else None
        for block in self.blocks:
            x = block(x, bias)
        return x

    def last(self, x: Tensor) -> Tensor:
        """The last frame of a non-causal stack, (B, 1, width): its last layer computes that frame only."""
        x = self._into_blocks(x)
        for block in self.blocks[:-1]:
            x = block(x, None)
        return self.blocks[-1].last(x)

    def start(self) -> StackState:
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


def _hann(frames: int) -> Tensor:
    """Weights of the last `frames` frames, a Hann window of sum one."""
    window = torch.hann_window(frames + 2, periodic=False)[1:-1]
    return window / window.sum()


class RegionCoder(nn.Module):
    """Codes for one region: encoder, codebook, decoder. Motion is taken relative to `mean`, in units of `std`."""

    def __init__(self, spec: AutoencoderSpec, region: RegionSpec) -> None:
        super().__init__()
        channels = len(region.channels or range(spec.motion_dim))
        code = region.parts * spec.code_dim
        self.parts, self.negative_slope = region.parts, spec.negative_slope
        self.motion_in = nn.Linear(channels, spec.width)
        self.encoder = TemporalStack(spec)
        self.code_out = nn.Linear(spec.width, code) if spec.code_projection else nn.Identity()
        self.quantizer = Quantizer(spec.entries, spec.code_dim, spec.decay)
        self.code_in = nn.Linear(code, spec.width) if spec.code_projection else nn.Identity()
        self.decoder = TemporalStack(spec)
        self.motion_out = nn.Linear(spec.width, channels, bias=spec.output_bias)
        self.register_buffer("glide", _hann(region.smoothing), persistent=False)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def features(self, motion: Tensor) -> Tensor:
        """motion: (B, T, channels) -> (B, T, parts, C), before quantisation."""
        x = F.leaky_relu(self.motion_in((motion - self.mean) / self.std), self.negative_slope)
        return self.code_out(self.encoder(x)).unflatten(2, (self.parts, -1))

    def decode(self, vectors: Tensor) -> Tensor:
        """vectors: (B, T, parts, C) -> motion (B, T, channels)."""
        motion = self._motion(self.decoder(self.code_in(vectors.flatten(2))))
        if len(self.glide) == 1:
            return motion
        past = motion[:, :1].expand(-1, len(self.glide) - 1, -1)  # before it began, the face was as in its first frame
        return torch.cat([past, motion], 1).unfold(1, len(self.glide), 1) @ self.glide

    def decode_last(self, vectors: Tensor) -> Tensor:
        return self._motion(self.decoder.last(self.code_in(vectors.flatten(2))))

    def decode_step(self, vectors: Tensor, state: StackState) -> Tensor:
        motion = self._motion(self.decoder.step(self.code_in(vectors.flatten(2)), state))
        if len(self.glide) == 1:
            return motion
        past = motion.expand(-1, len(self.glide) - 1, -1) if state.decoded is None else state.decoded[:, 1:]
        state.decoded = torch.cat([past, motion], 1)
        return (self.glide @ state.decoded)[:, None]

    def _motion(self, hidden: Tensor) -> Tensor:
        return self.motion_out(hidden) * self.std + self.mean


@dataclass
class Reconstruction:
    """What stage 1 makes of a motion: motion (B, T, M), codes (B, T, Q), the quantizers' loss () and perplexities."""

    motion: Tensor
    codes: Tensor
    code_loss: Tensor
    perplexity: dict[str, Tensor] = field(default_factory=dict)


class Autoencoder(nn.Module):
    """Stage 1 of CodeTalker (Xing et al. 2023, sec. 3.1), over one region (published) or several (open)."""

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.regions = nn.ModuleDict({region.name: RegionCoder(spec, region) for region in spec.regions})
        self.parts = [region.parts for region in spec.regions]
        channels = [list(region.channels or range(spec.motion_dim)) for region in spec.regions]
        self.sizes = [len(own) for own in channels]
        order = torch.tensor([channel for own in channels for channel in own])  # motion channels, region after region
        self.in_order = torch.equal(order, torch.arange(spec.motion_dim))
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("inverse", order.argsort(), persistent=False)
        self.bounds = list(accumulate(self.parts, initial=0))

    @torch.no_grad()
    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Sets what the regions subtract and divide by; mean, std: (M,). For the start of a training."""
        for coder, own_mean, own_std in zip(self.regions.values(), self._split(mean), self._split(std)):
            coder.mean.copy_(own_mean)
            coder.std.copy_(own_std)

    def forward(self, motion: Tensor) -> Reconstruction:
        """motion: (B, T, M) -> its reconstruction, with gradients; in training the codebooks follow."""
        motions, codes, loss, perplexity = [], [], 0.0, {}
        for (name, coder), own in zip(self.regions.items(), self._split(motion)):
            quantized = coder.quantizer(coder.features(own))
            motions.append(coder.decode(quantized.vectors))
            codes.append(quantized.codes)
            loss = loss + quantized.loss
            perplexity[name] = quantized.perplexity
        return Reconstruction(self._join(motions), torch.cat(codes, 2), loss, perplexity)

    def losses(self, motion: Tensor) -> tuple[dict[str, Tensor], Reconstruction]:
        """The paper's eq. 4 in the regions' own units: mean absolute error of the motion, and the code losses."""
        made = self(motion)
        std = self._join([coder.std for coder in self.regions.values()])
        return {"motion": ((made.motion - motion) / std).abs().mean(), "code": made.code_loss}, made

    def encode(self, motion: Tensor) -> Tensor:
        """motion: (B, T, M) -> codes (B, T, Q)."""
        coders = zip(self.regions.values(), self._split(motion))
        return torch.cat([coder.quantizer.nearest(coder.features(own)) for coder, own in coders], 2)

    def lookup(self, codes: Tensor) -> Tensor:
        """codes: (B, T, Q) -> vectors (B, T, Q, C)."""
        own = codes.split(self.parts, 2)
        return torch.cat([coder.quantizer.lookup(part) for coder, part in zip(self.regions.values(), own)], 2)

    def codebooks(self) -> Tensor:
        """(Q, K, C): the codebook of each slot."""
        books = [coder.quantizer.codebook.expand(coder.parts, -1, -1) for coder in self.regions.values()]
        return torch.cat(books)

    def decode(self, vectors: Tensor, known: Tensor | None = None) -> Tensor:
        """vectors: (B, T, Q, C) -> motion (B, T, M). known: (B, T, M), from which the drawn regions are taken."""
        if vectors.shape[1] == 1 and not self.spec.causal:
            return self.decode(vectors.repeat(1, 2, 1, 1))[:, :1]  # one frame has no variance over time; as published
        parts = vectors.split(self.parts, 2)
        motions = [None] * len(parts) if known is None else list(self._split(known))
        for index, (coder, region) in enumerate(zip(self.regions.values(), self.spec.regions)):
            if known is None or not region.temperature:
                motions[index] = coder.decode(parts[index])
        return self._join(motions)

    def decode_last(self, vectors: Tensor) -> Tensor:
        """The last frame of `decode`, (B, 1, M), for a non-causal spec: cheaper, and the same."""
        if vectors.shape[1] == 1:
            return self.decode(vectors)
        parts = vectors.split(self.parts, 2)
        return self._join([coder.decode_last(part) for coder, part in zip(self.regions.values(), parts)])

    def start(self) -> list[StackState]:
        """The state of `decode_step` before the first frame; for a causal spec."""
        return [coder.decoder.start() for coder in self.regions.values()]

    def decode_step(self, vectors: Tensor, states: list[StackState]) -> Tensor:
        """The next frame: (B, 1, Q, C) -> (B, 1, M), equal to `decode` over all frames so far; for a causal spec."""
        parts = vectors.split(self.parts, 2)
        coders = zip(self.regions.values(), parts, states)
        return self._join([coder.decode_step(part, state) for coder, part, state in coders])

    def _split(self, motion: Tensor) -> tuple[Tensor, ...]:
        return (motion if self.in_order else motion[..., self.order]).split(self.sizes, -1)

    def _join(self, motions: list[Tensor]) -> Tensor:
        joined = motions[0] if len(motions) == 1 else torch.cat(motions, -1)
        return joined if self.in_order else joined[..., self.inverse]
