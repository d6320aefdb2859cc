"""A face's profile, and which height of one profile belongs to which of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import grey_closing

STEP = 0.001  # metres between the samples of a profile
ABOVE, BELOW = 0.075, 0.105  # metres of profile above and below the tip of the nose
STRIP = 0.002  # metres, half the width of the strip along the midline
HOLE, HOLLOW = 21, 0.008  # samples, metres: what is narrower and deeper is a mouth's opening, and bridged
CHEEK = 0.022  # metres beside the tip of the nose
NOSE = (0.25, 0.88)  # where the tip of a nose may be, of a mesh's height
STRETCH = 0.2  # what it costs to stretch one profile against another by a sample, against differences of about one

LEVELS = np.arange(-BELOW, ABOVE + 1e-9, STEP)  # (N,) of a profile's samples, from the tip of the nose


@dataclass(frozen=True)
class Profile:
    """tip: (3,) of the nose; depth: (N,) how far behind it the midline is at LEVELS; NaN beyond the mesh"""

    tip: np.ndarray
    depth: np.ndarray


def find_profile(points: np.ndarray) -> Profile:
    """points: (P, 3) spread densely over a head in metres that looks to +z"""
    low, high = points[:, 1].min(), points[:, 1].max()
    height = (points[:, 1] - low) / max(high - low, 1e-12)
    among = points[(height > NOSE[0]) & (height < NOSE[1])]
    tip = among[among[:, 2].argmax()].copy()
    tip[0] = find_middle(points, tip)
    strip = points[np.abs(points[:, 0] - tip[0]) < STRIP]
    cells = np.round((strip[:, 1] - tip[1] - LEVELS[0]) / STEP).astype(int)
    inside = (cells >= 0) & (cells < len(LEVELS))
    depth = np.full(len(LEVELS), -np.inf)
    np.maximum.at(depth, cells[inside], strip[inside, 2])
    known = np.isfinite(depth)
    depth = np.interp(LEVELS, LEVELS[known], depth[known], left=np.nan, right=np.nan) if known.any() else depth * np.nan
    filled = grey_closing(np.nan_to_num(depth, nan=-1.0), size=HOLE)
    return Profile(tip, np.where(filled - depth > HOLLOW, filled, depth) - tip[2])


def find_middle(points: np.ndarray, tip: np.ndarray) -> float:
    """The x of the plane about which the face is most alike on both sides"""
    near = points[(np.abs(points[:, 1] - tip[1]) < 0.06) & (points[:, 2] > tip[2] - 0.06)]
    size, half = 0.002, 30
    cells = np.round((near[:, :2] - tip[:2]) / size).astype(int) + half + 8
    inside = ((cells >= 0) & (cells < 2 * (half + 8) + 1)).all(1)
    front = np.full((2 * (half + 8) + 1,) * 2, -np.inf)
    np.maximum.at(front, tuple(cells[inside].T), near[inside, 2])
    costs = []
    for shift in range(-5, 6):
        middle = half + 8 + shift
        left, right = front[middle : middle + half], front[middle : middle - half : -1]
        known = np.isfinite(left) & np.isfinite(right)
        differ = np.abs(left[known] - right[known]).clip(0, 0.01)
        costs.append(differ.mean() if len(differ) > 200 else np.inf)
    best = int(np.argmin(costs)) if np.isfinite(costs).any() else 5
    return float(tip[0] + (best - 5) * size)


def nose_length(points: np.ndarray, tip: np.ndarray) -> tuple[float, float]:
    """How far the tip of the nose stands out before the cheeks on either side, metres; infinite without a cheek"""
    level = points[np.abs(points[:, 1] - tip[1]) < 0.003]
    out = []
    for side in (1.0, -1.0):
        cheek = level[np.abs((level[:, 0] - tip[0]) * side - CHEEK) < 0.003]
        out.append(float(tip[2] - cheek[:, 2].max()) if len(cheek) else np.inf)
    return min(out), max(out)


def match_levels(one: Profile, other: Profile) -> tuple[np.ndarray, float]:
    """-> (M, 2) levels of both, from the tip of the nose, that belong together; the mean difference, about 1 to 2

    Dynamic time warping outward from the tips, slopes from a half to two (Sakoe and Chiba 1978).
    """
    first, second = _features(one.depth), _features(other.depth)
    tip = int(np.abs(LEVELS).argmin())
    below, cost_below = _warp(first[tip::-1], second[tip::-1])
    above, cost_above = _warp(first[tip:], second[tip:])
    rows = np.concatenate([(tip - below)[::-1], tip + above[1:]])
    return LEVELS[rows], 0.5 * (cost_below + cost_above)


def _warp(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, float]:
    count = len(one)
    local = np.abs(one[:, None] - other[None]).sum(-1)
    local = np.where(np.isfinite(local), local, 2.0)
    total, back = np.full((count + 2, count + 2), np.inf), np.zeros((count, count), int)
    total[2, 2] = local[0, 0]  # two rows and columns of infinity before
    for i in range(count):
        for j in range(count):
            if i == j == 0:
                continue
            here = local[i, j]
            ways = (
                total[i + 1, j + 1] + 2 * here,
                total[i, j + 1] + 1.5 * (local[i - 1, j] + here) + STRETCH,
                total[i + 1, j] + 1.5 * (local[i, j - 1] + here) + STRETCH,
            )
            back[i, j] = way = ways.index(min(ways))
            total[i + 2, j + 2] = ways[way]
    total = total[2:, 2:] / (np.arange(count)[:, None] + np.arange(count) + 1)
    ends = [(count - 1, j) for j in range(count)] + [(i, count - 1) for i in range(count)]
    i, j = end = min(ends, key=lambda place: total[place])
    pairs = [end]
    while i > 0 or j > 0:
        step = ((1, 1), (2, 1), (1, 2))[back[i, j]]
        i, j = i - step[0], j - step[1]
        pairs.append((i, j))
    return np.array(pairs[::-1]), float(total[end])


def _features(depth: np.ndarray) -> np.ndarray:
    """(N,) -> (N, 3): depth, slope and bend, each about one in size; NaN where the mesh has ended"""
    known = np.isfinite(depth)
    if not known.any():
        return np.full((len(depth), 3), np.nan)
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / 2.0) ** 2)
    filled = np.interp(np.arange(len(depth)), np.flatnonzero(known), depth[known])
    even = np.convolve(np.pad(filled, 9, mode="edge"), kernel / kernel.sum(), mode="valid")
    slope = np.tanh(np.gradient(even, STEP))
    features = np.stack([even / 0.02, 1.2 * slope, np.gradient(slope, STEP) / 400.0], 1)
    features[~known] = np.nan
    return features
