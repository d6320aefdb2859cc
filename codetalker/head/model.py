"""A head: a neutral mesh with ARKit shapes, that weights and a rotation of the head deform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..motion import ARKIT_NAMES
from .gltf import Material

MOVES = 1e-6  # of the head's height: what moves less under every shape stands still


@dataclass(frozen=True)
class Part:
    """One primitive of a head: ranges of its vertices and faces, and what they are made of."""

    name: str  # of its mesh and material
    vertices: slice
    faces: slice
    material: Material


@dataclass(frozen=True)
class Neck:
    """Where the head turns. pivot: (3,) metres; share: (V,) how much of the rotation each vertex follows, 0 to 1."""

    pivot: np.ndarray
    share: np.ndarray


@dataclass(frozen=True, eq=False)  # two heads are the same one or not: arrays have no ==
class Head:
    """All arrays are in metres, y up, the face looking to +z.

    vertices: (V, 3) float32, faces: (F, 3) int32, shapes: (52, V, 3) float32 offsets, in the order of ARKIT_NAMES,
    colours: (V, 4) float32 linear with alpha, the material's colour included, texcoords: (V, 2) float32,
    textures: (H, W, 4) uint8 sRGB each, missing: shapes that the file lacks (all zero here),
    regions: vertex indices; "inner_lip_upper" and "inner_lip_lower" are paired
    notes: what was guessed, approximated or left out of the file, in words
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    parts: list[Part]
    shapes: np.ndarray
    colours: np.ndarray
    texcoords: np.ndarray
    textures: list[np.ndarray]
    missing: list[str]
    regions: dict[str, np.ndarray]
    neck: Neck
    extras: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Most of a head stands still under every shape: the product runs over the vertices that move.
        moving = np.flatnonzero(np.abs(self.shapes).max((0, 2)) > MOVES * np.ptp(self.vertices[:, 1]))
        basis = np.ascontiguousarray(self.shapes[:, moving]).reshape(len(self.shapes), -1)
        object.__setattr__(self, "_moving", moving)
        object.__setattr__(self, "_basis", basis)

    @property
    def has_shapes(self) -> bool:
        """Whether any ARKit shape moves it; a published model's bare template has none."""
        return len(self.missing) < len(ARKIT_NAMES)

    def deform(self, weights: np.ndarray, head_rotation: np.ndarray | None = None) -> np.ndarray:
        """weights: (B, 52), head_rotation: (B, 3) pitch, yaw, roll in radians -> vertices (B, V, 3) float32, metres

        The rotation fades out down the neck, so that shoulders stay put.
        """
        weights = np.asarray(weights, np.float32)
        result = np.repeat(self.vertices[None], len(weights), 0)
        result[:, self._moving] += (weights @ self._basis).reshape(len(weights), -1, 3)
        if head_rotation is None or not np.any(head_rotation):
            return result
        # x' = x + share * (R - 1) (x - pivot); linear in between, which is invisible at the angles of a speaking head
        turn = rotation_matrices(head_rotation) - np.eye(3, dtype=np.float32)  # (B, 3, 3)
        centred = result - self.neck.pivot
        centred *= self.neck.share[:, None]
        result += centred @ turn.transpose(0, 2, 1)
        return result


def rotation_matrices(head_rotation: np.ndarray) -> np.ndarray:
    """(B, 3) pitch about x, yaw about y, roll about z, radians -> (B, 3, 3) float32; roll comes first"""
    angles = np.asarray(head_rotation, np.float64)
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    matrix = np.empty((len(angles), 3, 3))
    matrix[:, 0] = np.stack([cy * cz + sy * sx * sz, -cy * sz + sy * sx * cz, sy * cx], 1)
    matrix[:, 1] = np.stack([cx * sz, cx * cz, -sx], 1)
    matrix[:, 2] = np.stack([-sy * cz + cy * sx * sz, sy * sz + cy * sx * cz, cy * cx], 1)
    return matrix.astype(np.float32)


def find_neck(vertices: np.ndarray, jaw_open: np.ndarray) -> Neck:
    """From the chin (what jawOpen moves most) down to the neck's base the rotation fades out.

    vertices, jaw_open: (V, 3)
    """
    top, bottom = vertices[:, 1].max(), vertices[:, 1].min()
    travel = np.linalg.norm(jaw_open, axis=1)
    chin = vertices[travel > 0.6 * travel.max(), 1].min() if travel.max() > 0 else bottom
    face = top - chin
    upper = chin - 0.03 * face  # just below the chin, so that the face turns as one
    base = max(bottom, chin - 0.42 * face)  # collar height of a head with shoulders
    if upper - base < 0.1 * face:  # a mask or a head cut off at the chin: all of it turns
        base = upper - face
        upper = bottom
    level = np.clip((vertices[:, 1] - base) / (upper - base), 0.0, 1.0)
    share = (level * level * (3.0 - 2.0 * level)).astype(np.float32)
    throat = vertices[(vertices[:, 1] < upper) & (vertices[:, 1] > base)]
    depth = throat[:, 2].mean() if len(throat) else vertices[:, 2].mean()
    return Neck(np.array([vertices[:, 0].mean(), 0.5 * (upper + base), depth], np.float32), share)
