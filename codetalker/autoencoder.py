"""Stage 1: facial motion into codes and back, region by region."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Readout
from .quantizer import Quantizer
from .temporal import PrefixState, Shortcut, StackState, TemporalStack


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
        every, covered = set(range(self.motion_dim)), set(self.channels)
        if len(covered) < len(self.channels) or not covered <= every:
            raise ValueError(f"regions {[region.name for region in self.regions]} do not cover each channel once")
        if covered < every and not self.causal:
            raise ValueError("the published form leaves no channel to others")
        if not self.causal and any(region.smoothing > 1 for region in self.regions):
            raise ValueError("smoothing belongs to the causal form; the published one has none")

    @property
    def channels(self) -> list[int]:
        """Of the motion, those that the regions cover, region after region."""
        return [c for region in self.regions for c in (region.channels or range(self.motion_dim))]

    @property
    def causal(self) -> bool:
        return self.window > 0

    @property
    def slots(self) -> int:
        """Codes a frame, over all regions (Q)."""
        return sum(region.parts for region in self.regions)


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
        stack = (spec.width, spec.heads, spec.layers, spec.feed_forward, spec.window, spec.negative_slope)
        self.encoder = TemporalStack(*stack)
        self.code_out = nn.Linear(spec.width, code) if spec.code_projection else nn.Identity()
        self.quantizer = Quantizer(spec.entries, spec.code_dim, spec.decay)
        self.code_in = nn.Linear(code, spec.width) if spec.code_projection else nn.Identity()
        self.decoder = TemporalStack(*stack)
        self.motion_out = nn.Linear(spec.width, channels, bias=spec.output_bias)
        self.register_buffer("glide", _hann(region.smoothing), persistent=False)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def features(self, motion: Tensor) -> Tensor:
        """motion: (B, T, channels) -> (B, T, parts, C), before quantisation."""
        x = F.leaky_relu(self.motion_in((motion - self.mean) / self.std), self.negative_slope)
        return self.code_out(self.encoder(x)).unflatten(2, (self.parts, -1))

    def latents(self, vectors: Tensor) -> Tensor:
        """vectors: (B, T, parts, C) -> what the last layer reads, (B, T, width)."""
        return self.decoder(self.code_in(vectors.flatten(2)))

    def decode(self, vectors: Tensor) -> Tensor:
        """vectors: (B, T, parts, C) -> motion (B, T, channels)."""
        motion = self._motion(self.latents(vectors))
        if len(self.glide) == 1:
            return motion
        past = motion[:, :1].expand(-1, len(self.glide) - 1, -1)  # before it began, the face was as in its first frame
        return torch.cat([past, motion], 1).unfold(1, len(self.glide), 1) @ self.glide

    def step(self, vectors: Tensor, state: StackState | PrefixState) -> Tensor:
        """The next frame, (B, 1, parts, C), to its motion (causal) or its latent (published)."""
        x = self.code_in(vectors.flatten(2))
        if isinstance(state, PrefixState):
            return self.decoder.last(x, state)
        motion = self._motion(self.decoder.step(x, state))
        if len(self.glide) == 1:
            return motion
        past = motion.expand(-1, len(self.glide) - 1, -1) if state.decoded is None else state.decoded[:, 1:]
        state.decoded = torch.cat([past, motion], 1)
        return (self.glide @ state.decoded)[:, None]

    def readout(self) -> Readout:
        """From latents to motion, mean and std included."""
        weight, bias = self.motion_out.weight, self.motion_out.bias
        bias = self.mean if bias is None else bias * self.std + self.mean
        return Readout(weight if bool((self.std == 1).all()) else weight * self.std[:, None], bias)

    def _motion(self, latents: Tensor) -> Tensor:
        return self.motion_out(latents) * self.std + self.mean


@dataclass
class Reconstruction:
    """What stage 1 makes of a motion: motion (B, T, M), codes (B, T, Q), the quantizers' loss () and perplexities."""

    motion: Tensor
    codes: Tensor
    code_loss: Tensor
    perplexity: dict[str, Tensor] = field(default_factory=dict)


class Autoencoder(nn.Module):
    """Stage 1 of CodeTalker (Xing et al. 2023, sec. 3.1), over one region (published) or several (open).

    Channels that no region covers are another's: their motion is zero.
    """

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.regions = nn.ModuleDict({region.name: RegionCoder(spec, region) for region in spec.regions})
        self.parts = [region.parts for region in spec.regions]
        self.sizes = [len(region.channels or range(spec.motion_dim)) for region in spec.regions]
        order = torch.tensor(spec.channels)
        self.in_order = torch.equal(order, torch.arange(spec.motion_dim))
        self.register_buffer("order", order, persistent=False)
        inverse = torch.full((spec.motion_dim,), len(order))  # where none has it: the zero that `_join` appends
        inverse[order] = torch.arange(len(order))
        self.register_buffer("inverse", inverse, persistent=False)
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

    def decode(self, vectors: Tensor) -> Tensor:
        """vectors: (B, T, Q, C) -> motion (B, T, M)."""
        coders = zip(self.regions.values(), vectors.split(self.parts, 2))
        return self._join([coder.decode(part) for coder, part in coders])

    def only(self, spec: AutoencoderSpec) -> Autoencoder:
        """Some of the regions, the same modules, as a stage 1 of its own."""
        made = Autoencoder(spec)
        for region in spec.regions:
            made.regions[region.name] = self.regions[region.name]
        return made

    def latents(self, vectors: Tensor) -> Tensor:
        """`decode` of a non-causal spec, less the readout: (B, T, Q, C) -> (B, T, regions * width)."""
        coders = zip(self.regions.values(), vectors.split(self.parts, 2))
        return torch.cat([coder.latents(part) for coder, part in coders], -1)

    def readout(self) -> Readout | None:
        """The linear map from latents to motion; a causal spec has none, its motion is all there is."""
        if self.spec.causal:
            return None
        weights, biases = zip(*(coder.readout() for coder in self.regions.values()))
        if self.in_order and len(weights) == 1:
            return Readout(weights[0], biases[0])
        return Readout(torch.block_diag(*weights)[self.inverse], torch.cat(biases)[self.inverse])

    def start(self, shortcut: Shortcut | None = None) -> list[StackState | PrefixState]:
        """The state of `step` before the first frame. shortcut: of a non-causal spec, see there; None is exact."""
        return [coder.decoder.start(shortcut) for coder in self.regions.values()]

    def step(self, vectors: Tensor, states: list[StackState | PrefixState]) -> Tensor:
        """The next frame, (B, 1, Q, C), equal to the last of `decode` over all so far: motion (B, 1, M), or of a
        non-causal spec the last of `latents`, (B, 1, regions * width)."""
        coders = zip(self.regions.values(), vectors.split(self.parts, 2), states)
        made = [coder.step(part, state) for coder, part, state in coders]
        return self._join(made) if self.spec.causal else torch.cat(made, -1)

    def _split(self, motion: Tensor) -> tuple[Tensor, ...]:
        return (motion if self.in_order else motion[..., self.order]).split(self.sizes, -1)

    def _join(self, motions: list[Tensor]) -> Tensor:
        if self.in_order:
            return motions[0] if len(motions) == 1 else torch.cat(motions, -1)
        return torch.cat([*motions, torch.zeros_like(motions[0][..., :1])], -1)[..., self.inverse]
