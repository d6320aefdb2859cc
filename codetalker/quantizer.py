"""Vector quantisation: each feature becomes its nearest entry of a codebook."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

DEAD_SHARE = 0.03  # an entry used less than this share of the average is dead and starts anew


@dataclass
class Quantized:
    """vectors: (..., C), entries with straight-through gradients; codes: (...) int64; loss, perplexity: ()."""

    vectors: Tensor
    codes: Tensor
    loss: Tensor
    perplexity: Tensor


class Quantizer(nn.Module):
    """A codebook of K entries of C numbers, trained in one of two ways.

    decay 0: by gradients, codebook and commitment loss (van den Oord et al. 2017, eq. 3), as published.
    decay > 0: entries are moving averages of the features that chose them (their appendix A.1); they start as features
    of the first batch, and dead ones restart as features of the current one. An all-zero codebook is one that no data
    has reached; the averages themselves are not among the weights, a training's checkpoint has them beside these.
    """

    def __init__(self, entries: int, width: int, decay: float = 0.0, commitment: float = 0.25) -> None:
        super().__init__()
        self.decay, self.commitment = decay, commitment
        start = (
            torch.zeros(entries, width) if decay else torch.empty(entries, width).uniform_(-1 / entries, 1 / entries)
        )
        self.codebook = nn.Parameter(start, requires_grad=not decay)
        self.register_buffer("counts", None, persistent=False)
        self.register_buffer("sums", None, persistent=False)

    def nearest(self, features: Tensor) -> Tensor:
        """features: (..., C) -> codes (...) int64."""
        flat = features.reshape(-1, features.shape[-1]).float()
        with torch.autocast(flat.device.type, enabled=False):  # near entries differ in bits that bfloat16 hasn't
            distance = (self.codebook**2).sum(1) - 2 * flat @ self.codebook.T  # less |feature|^2, the same for all
        return distance.argmin(1).view(features.shape[:-1])

    def lookup(self, codes: Tensor) -> Tensor:
        """codes: (...) -> vectors (..., C)."""
        return F.embedding(codes, self.codebook)

    def forward(self, features: Tensor) -> Quantized:
        """features: (..., C). In training with a decay, the entries move too."""
        features = features.float()
        if self.training and self.decay and not self.codebook.any():
            self._begin(features)
        codes = self.nearest(features)
        vectors = self.lookup(codes)
        usage = torch.bincount(codes.flatten(), minlength=len(self.codebook)).float()
        loss = self.commitment * F.mse_loss(features, vectors.detach())
        if not self.decay:
            loss = loss + F.mse_loss(vectors, features.detach())
        if self.training and self.decay:
            self._follow(features, codes, usage)
        share = usage / usage.sum()
        perplexity = torch.exp(-(share * share.clamp_min(1e-10).log()).sum())
        return Quantized(features + (vectors - features).detach(), codes, loss, perplexity)

    @torch.no_grad()
    def _begin(self, features: Tensor) -> None:
        self.codebook.copy_(self._draw(features, len(self.codebook)))

    @torch.no_grad()
    def _follow(self, features: Tensor, codes: Tensor, usage: Tensor) -> None:
        flat, codes = features.reshape(-1, features.shape[-1]), codes.flatten()
        usage = _over_processes(usage)
        chosen = _over_processes(torch.zeros_like(self.codebook).index_add_(0, codes, flat))
        average = usage.sum() / len(usage)
        if self.counts is None:
            self.counts = average.expand(len(usage)).clone()
            self.sums = self.codebook * self.counts[:, None]
        self.counts.lerp_(usage, 1 - self.decay)
        self.sums.lerp_(chosen, 1 - self.decay)
        dead = self.counts < DEAD_SHARE * average
        if dead.any():
            self.counts[dead] = average
            self.sums[dead] = self._draw(features, int(dead.sum())) * average
        self.codebook.copy_(self.sums / self.counts[:, None])

    @staticmethod
    def _draw(features: Tensor, count: int) -> Tensor:
        """`count` features at random, slightly shaken, so that repeated ones part."""
        flat = features.detach().reshape(-1, features.shape[-1])
        chosen = flat[torch.randint(len(flat), (count,), device=flat.device)]
        return _over_processes(chosen + 1e-3 * flat.std() * torch.randn_like(chosen), first=True)


def _over_processes(own: Tensor, first: bool = False) -> Tensor:
    """The mean of what the processes of a training have, or what the first has: their codebooks stay the same."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return own
    shared = own.clone()
    if first:
        distributed.broadcast(shared, 0)
    else:
        distributed.all_reduce(shared)
        shared /= distributed.get_world_size()
    return shared
