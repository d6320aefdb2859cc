"""Locks of hair: tapered tubes that grow from the scalp, are combed along it, and hang where it ends."""

from __future__ import annotations

import numpy as np

from . import average
from .anatomy import smoothstep
from .field import Field
from .parts import Material, Part, grid_faces, joined
from .person import Hair, Locks
from .scalp import hairline

HAIR = Material("hair", 0.50)
GOLDEN = 0.6180339887
HUGS_ABOVE = 12.0  # mm: hair lies on the head above the ears and hangs freely below


def locks(field: Field, style: Hair) -> list[Part]:
    """One part, or none."""
    rng = np.random.default_rng(field.anatomy.person.seed + 1)
    layers = [_layer(field, style, layer, rng) for layer in style.locks]
    return [joined("hair", layers)] if layers else []


def _roots(field: Field, style: Hair, layer: Locks, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) on the scalp, evenly spread, where hair grows; N is at most the layer's count."""
    index = np.arange(layer.count)
    if layer.joined:
        azimuth = np.radians(np.linspace(*layer.azimuth, layer.count))
        return _on_scalp(field, azimuth, np.full(layer.count, np.radians(layer.polar[0])))
    u = (index + rng.uniform(0.2, 0.8, layer.count)) / layer.count
    v = (index * GOLDEN + rng.uniform(0, 0.15, layer.count)) % 1.0
    azimuth = np.radians(layer.azimuth[0] + (layer.azimuth[1] - layer.azimuth[0]) * u)
    if layer.mirrored:
        azimuth *= np.where(index % 2, -1.0, 1.0)
    polar = np.radians(layer.polar[0] + (layer.polar[1] - layer.polar[0]) * v)
    roots = _on_scalp(field, azimuth, polar)
    return roots[hairline(style, field.anatomy.unplace(roots)) > 1.0]


def _on_scalp(field: Field, azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
    direction = np.column_stack([np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)])
    return field.cast(np.tile(average.CENTRE, (len(azimuth), 1)), direction)


def _away(style: Hair, p: np.ndarray) -> np.ndarray:
    """(N, 3) unit vectors away from the parting."""
    a = np.array(style.parting, float)
    b = np.array(style.parting_front or style.parting, float)
    t = np.clip((p - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0.0, 1.0)
    away = p - a - t[:, None] * (b - a)
    return away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 4.0)


def _paths(field: Field, style: Hair, layer: Locks, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(rows, N, 3) middles of the locks and the directions in which their surface looks."""
    p = _roots(field, style, layer, rng)
    count = len(p)
    length = layer.length * rng.uniform(0.86, 1.10, count)
    jitter = rng.normal(0.0, 0.02 if layer.joined else 0.10, (count, 3))
    height = rng.uniform(0.75, 1.25, count)
    length = np.where(np.arange(count) % 2, length, 0.97 * length) if layer.joined else length
    heading = np.zeros_like(p)
    cut = layer.cut + rng.uniform(-5.0, 5.0, count)
    points, normals = [], []
    hug_from = field.anatomy.place([(0.0, HUGS_ABOVE, 0.0)])[0, 1]
    for row in range(layer.rows):
        t = row / (layer.rows - 1)
        normal = field.normals(p)
        wanted = (1.0 - t) ** 0.7 * (layer.away * _away(style, p) + np.array(layer.comb)) + jitter
        wanted = wanted + layer.fall * (0.3 + 1.7 * t) * np.array([0.0, -1.0, 0.0])
        inward = (average.CENTRE - [0.0, 0.0, 25.0] - p) * [1.0, 0.0, 1.0]
        wanted += layer.under * t**2 * inward / np.linalg.norm(inward, axis=1, keepdims=True)
        hugs = smoothstep((p[:, 1] - hug_from) / 25.0)[:, None]
        wanted -= hugs * (wanted * normal).sum(1, keepdims=True) * normal
        wanted /= np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), 1e-6)
        heading = wanted if row == 0 else 0.45 * heading + 0.55 * wanted
        heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-6)
        rise = np.sin(np.pi * np.clip(0.12 + 0.80 * t, 0.0, 1.0)) ** 0.8
        level = style.volume * (0.55 + 0.45 * rise) + layer.lift * height * rise
        level = np.maximum(level, 1.0)
        out = field(p) - level
        p = p - (out * np.where(out > 0, hugs[:, 0] * 0.8, 1.0))[:, None] * normal
        points.append(p.copy())
        normals.append(normal)
        left = layer.rows - 1 - row
        step = np.minimum(length / (layer.rows - 1), np.maximum(p[:, 1] - cut, 1.0) / max(left, 1) * 1.05)
        p = p + heading * step[:, None]
    return np.stack(points), np.stack(normals)


def _layer(field: Field, style: Hair, layer: Locks, rng: np.random.Generator) -> Part:
    middle, normal = _paths(field, style, layer, rng)
    t = np.linspace(0.0, 1.0, len(middle))[:, None, None]
    tint = np.array(style.colour) + (np.array(style.tips) - np.array(style.colour)) * t**1.4
    tone = layer.tone * rng.uniform(0.90, 1.12, (1, middle.shape[1], 1))
    colours = tint * tone * (0.78 + 0.22 * np.minimum(1.0, 3.0 * t))
    return (_sheet if layer.joined else _strips)(layer, middle, normal, colours, t, rng)


def _sheet(
    layer: Locks, middle: np.ndarray, normal: np.ndarray, colours: np.ndarray, t: np.ndarray, rng: np.random.Generator
) -> Part:
    """Locks side by side as one surface with an inside, every other one a little higher."""
    ridge = np.where(np.arange(middle.shape[1]) % 2, 1.0, -1.0)[:, None]
    ridge = ridge + rng.uniform(-0.5, 0.5, ridge.shape)
    outside = middle + layer.thick * layer.width * 0.5 * ridge * np.minimum(1.0, 3.0 * t) * normal
    faces = grid_faces(*middle.shape[:2])
    free = len(middle) // 3  # rows on the scalp, whose inside is never seen
    inner = grid_faces(len(middle) - free, middle.shape[1])[:, ::-1] + middle[..., 0].size
    faces = np.vstack([faces, inner])
    points = np.vstack([outside.reshape(-1, 3), (middle - 1.8 * normal)[free:].reshape(-1, 3)])
    colours = np.vstack([(colours * (1.0 + 0.08 * ridge)).reshape(-1, 3), 0.55 * colours[free:].reshape(-1, 3)])
    return Part("locks", HAIR, points, faces, np.clip(colours, 0.0, 1.0))


def _strips(
    layer: Locks, middle: np.ndarray, normal: np.ndarray, colours: np.ndarray, t: np.ndarray, rng: np.random.Generator
) -> Part:
    """Each lock a flat tube of four columns, arched outside, tapered at both ends."""
    rows, count = middle.shape[:2]
    heading = np.gradient(middle, axis=0)
    side = _unit(np.cross(heading, normal))
    out = _unit(np.cross(side, heading))
    phase = rng.uniform(0.0, 2 * np.pi, (1, count, 1))
    middle = middle + layer.curl * t * np.sin(2.2 * np.pi * t + phase) * side
    from_root = 0.35 + 0.65 * np.sin(0.5 * np.pi * np.minimum(2.5 * t, 1.0))
    width = layer.width * rng.uniform(0.8, 1.2, (1, count, 1)) * from_root * (1 - (1 - layer.blunt) * t**4)
    thick = layer.thick * width
    columns = [middle - 0.5 * width * side - 0.5 * thick * out, middle + thick * out,
               middle + 0.5 * width * side - 0.5 * thick * out, middle - 0.6 * thick * out]  # fmt: skip
    points = np.stack(columns, 2).transpose(1, 0, 2, 3).reshape(-1, 3)  # (count, rows, 4 columns, 3)
    colours = colours[:, :, None] * np.array([0.86, 1.08, 0.86, 0.6])[None, None, :, None]
    faces = (grid_faces(rows, 4, True)[:, ::-1][None] + (np.arange(count) * rows * 4)[:, None, None]).reshape(-1, 3)
    return Part("locks", HAIR, points, faces, np.clip(colours.transpose(1, 0, 2, 3).reshape(-1, 3), 0.0, 1.0))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6)
