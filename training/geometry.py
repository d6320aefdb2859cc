"""Losses are taken on the face, not on weights: a head's shapes are a fixed linear map from weights to millimetres."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from codetalker.head import Head
from codetalker.motion import ARKIT_NAMES

SAMPLED = 300  # vertices, of the lips and outside them: enough to see every shape
MILLIMETRES = 1000.0  # a metre


class FaceGeometry(nn.Module):
    """Displacements of the lips and of a sample of the other moving vertices of one head, and its inner-lip gap."""

    def __init__(self, head: Head, seed: int = 0) -> None:
        super().__init__()
        rest = head.deform(np.zeros((1, len(ARKIT_NAMES)), np.float32), np.zeros((1, 3), np.float32))
        shapes = head.deform(np.eye(len(ARKIT_NAMES), dtype=np.float32), np.zeros((len(ARKIT_NAMES), 3), np.float32))
        shapes = (shapes - rest) * MILLIMETRES  # (52, V, 3)
        lips = np.unique(head.regions["lips"])
        moving = np.setdiff1d(np.flatnonzero(np.abs(shapes).max((0, 2)) > 0.5), lips)
        draw = np.random.default_rng(seed)
        lips, others = (draw.choice(among, min(SAMPLED, len(among)), replace=False) for among in (lips, moving))

        def basis(vertices: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(shapes[:, vertices])).float()

        upper, lower = head.regions["inner_lip_upper"], head.regions["inner_lip_lower"]
        self.register_buffer("lips", basis(lips).flatten(1))  # (52, 3 L)
        self.register_buffer("others", basis(others).flatten(1))
        self.register_buffer("parting", basis(upper) - basis(lower))  # (52, P, 3)
        parted = torch.from_numpy((rest[0, upper] - rest[0, lower]) * MILLIMETRES).float()
        self.register_buffer("parted", parted)  # (P, 3) at rest

    def gap(self, motion: Tensor) -> Tensor:
        """motion: (..., 55) -> (...), the mean distance of the inner lips in mm"""
        apart = torch.einsum("...k,kpc->...pc", motion[..., : len(ARKIT_NAMES)], self.parting) + self.parted
        return apart.square().sum(-1).add(1e-6).sqrt().mean(-1)

    def distance(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """a, b: (..., 55) -> mean absolute difference per coordinate in mm, (...) over the lips and (...) elsewhere"""
        difference = (a - b)[..., : len(ARKIT_NAMES)]
        return (difference @ self.lips).abs().mean(-1), (difference @ self.others).abs().mean(-1)
