"""The field's measures on vertices, each with its variant named; vertices are (T, V, 3), in the data set's unit.

Published tables mix variants: CodeTalker squares the distance in LVE where MeshTalk does not. Every function here says
which it is, and those pooled over sequences take lists of sequences. A sequence's prediction may be a few frames longer
or shorter than its truth; both are cut to the shorter one, as the published evaluation script does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Vertices = np.ndarray  # (T, V, 3)


def lip_vertex_error(truth: Sequence[Vertices], predicted: Sequence[Vertices], lips: np.ndarray) -> float:
    """LVE after CodeTalker: maximum over lip vertices of the *squared* distance, mean over all frames pooled.

    lips: (L,) vertex indices. In unit squared; a long sequence weighs more than a short one.
    """
    return float(np.concatenate([d.max(1) for d in _squared_distances(truth, predicted, lips)]).mean())


def lip_vertex_distance(truth: Sequence[Vertices], predicted: Sequence[Vertices], lips: np.ndarray) -> float:
    """LVE after MeshTalk: maximum over lip vertices of the distance, not squared, mean over all frames pooled."""
    return float(np.sqrt(np.concatenate([d.max(1) for d in _squared_distances(truth, predicted, lips)])).mean())


def mean_vertex_error(truth: Sequence[Vertices], predicted: Sequence[Vertices]) -> float:
    """MVE: distance (not squared), mean over all vertices and all frames pooled."""
    return float(np.concatenate([np.sqrt(d).mean(1) for d in _squared_distances(truth, predicted, slice(None))]).mean())


def upper_face_dynamics(vertices: Vertices, template: np.ndarray, upper_face: np.ndarray) -> float:
    """How much the upper face moves: mean over its vertices of the standard deviation in time (population, ddof 0)
    of the *squared* displacement from the template. template: (V, 3); upper_face: (U,) vertex indices."""
    displacement = np.asarray(vertices, np.float64)[:, upper_face] - np.asarray(template, np.float64)[upper_face]
    return float(np.square(displacement).sum(-1).std(0).mean())


def face_dynamics_deviation(
    truth: Sequence[Vertices],
    predicted: Sequence[Vertices],
    templates: Sequence[np.ndarray],
    upper_face: np.ndarray,
    absolute: bool = False,
) -> float:
    """FDD: upper-face dynamics of the truth less that of the prediction, averaged over sequences.

    Signed as published: errors of opposite sign cancel, a negative value is a face livelier than the truth. `absolute`
    averages the magnitudes instead. templates: a (V, 3) for each sequence.
    """
    differences = [
        upper_face_dynamics(t, template, upper_face) - upper_face_dynamics(p, template, upper_face)
        for (t, p), template in zip(_pairs(truth, predicted), templates, strict=True)
    ]
    return float(np.mean(np.abs(differences) if absolute else differences))


def mouth_opening(vertices: Vertices, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """(T,) mean distance of paired inner-lip vertices; upper, lower: (K,) vertex indices, k-th facing k-th."""
    vertices = np.asarray(vertices, np.float64)
    return np.linalg.norm(vertices[:, upper] - vertices[:, lower], axis=-1).mean(1)


def mouth_opening_difference(
    truth: Sequence[Vertices], predicted: Sequence[Vertices], upper: np.ndarray, lower: np.ndarray
) -> float:
    """MOD: absolute difference of `mouth_opening`, mean over all frames pooled."""
    pairs = _pairs(truth, predicted)
    return float(
        np.concatenate(
            [np.abs(mouth_opening(t, upper, lower) - mouth_opening(p, upper, lower)) for t, p in pairs]
        ).mean()
    )


def mouth_opening_correlation(
    truth: Vertices, predicted: Vertices, upper: np.ndarray, lower: np.ndarray
) -> float | None:
    """Pearson's r of `mouth_opening` over the frames of one sequence; None where the true mouth doesn't move."""
    ((truth, predicted),) = _pairs([truth], [predicted])
    true, made = (mouth_opening(vertices, upper, lower) for vertices in (truth, predicted))
    if true.std() < 1e-6 * (1.0 + np.abs(true).max()):
        return None
    return float(np.corrcoef(true, made)[0, 1]) if made.std() > 0 else 0.0


def acceleration(vertices: Vertices, chosen: np.ndarray | slice = slice(None)) -> float:
    """Mean size of the second difference of chosen vertices, over frames and vertices: in unit a frame, squared.
    Jitter raises it; over that of the truth it says how restless a motion is."""
    return float(np.linalg.norm(np.diff(np.asarray(vertices, np.float64)[:, chosen], n=2, axis=0), axis=-1).mean())


def diversity(takes: Sequence[Vertices], chosen: np.ndarray | slice = slice(None)) -> float:
    """Root mean squared distance of chosen vertices from their mean over the takes of one speech (population)."""
    takes = np.stack([np.asarray(take, np.float64)[:, chosen] for take in takes])
    return float(np.sqrt(np.square(takes - takes.mean(0)).sum(-1).mean()))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of the Gaussians of two sets of features, squared as in FID (Heusel et al. 2017, eq. 6).

    a: (N, D), b: (M, D); covariances with ddof 1.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    first, second = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    distance = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first) + np.trace(second) - 2 * shared
    return max(0.0, float(distance))  # rounding can leave it below


class Tally:
    """All measures of pairs of sequences that are seen one after the other, since a data set's don't fit into memory.

    Equal to the functions above over all sequences at once. FD is of frames' displacement from the template and of
    its change to the next frame, at FD_VERTICES of lips and upper face, on the truth's FD_AXES main axes.
    """

    FD_VERTICES, FD_AXES = 200, 32

    def __init__(
        self, lips: np.ndarray, upper_face: np.ndarray, inner: tuple[np.ndarray, np.ndarray] | None = None
    ) -> None:
        """Vertex indices; inner: of the upper and the lower inner lip, the k-th facing each other, for MOD."""
        self.lips, self.upper_face, self.inner = lips, upper_face, inner
        both = np.union1d(lips, upper_face)
        self.sampled = both[np.linspace(0, len(both) - 1, min(self.FD_VERTICES, len(both))).astype(int)]
        self.frames: list[int] = []
        self.rows: list[dict[str, float]] = []
        self.features: tuple[list[np.ndarray], list[np.ndarray]] = [], []
        self.acceleration: list[tuple[float, float]] = []
        self.opening: list[tuple[int, float]] = []  # frames, correlation

    def add(self, truth: Vertices, predicted: Vertices, template: np.ndarray) -> None:
        """truth, predicted: (T, V, 3), cut to the shorter one; template: (V, 3)"""
        ((truth, predicted),) = _pairs([truth], [predicted])
        one = ([truth], [predicted])
        row = {
            "LVE": lip_vertex_error(*one, self.lips),
            "LVE unsquared": lip_vertex_distance(*one, self.lips),
            "FDD": face_dynamics_deviation(*one, [template], self.upper_face),
            "MVE": mean_vertex_error(*one),
        }
        if self.inner is not None:
            row["MOD"] = mouth_opening_difference(*one, *self.inner)
            followed = mouth_opening_correlation(truth, predicted, *self.inner)
            self.opening += [] if followed is None else [(len(truth), followed)]
        self.rows.append(row)
        self.frames.append(len(truth))
        if len(truth) > 2:
            self.acceleration.append(tuple(acceleration(vertices, self.lips) for vertices in (truth, predicted)))
        for kept, vertices in zip(self.features, (truth, predicted)):
            moved = (vertices[:, self.sampled] - template[self.sampled]).reshape(len(vertices), -1)
            kept.append(np.concatenate([moved[:-1], np.diff(moved, axis=0)], 1).astype(np.float32))

    def join(self, other: Tally) -> None:
        """Takes in the sequences of another tally of the same vertices."""
        self.frames += other.frames
        self.rows += other.rows
        self.acceleration += other.acceleration
        self.opening += other.opening
        for kept, theirs in zip(self.features, other.features):
            kept += theirs

    def figures(self, unit: str) -> dict[str, float]:
        """By name and unit. LVE, MVE, MOD: frames pooled; opening r: sequences averaged by length; FDD: sequences
        averaged; jitter: over that of the truth."""
        pooled = {
            name: float(np.average([row[name] for row in self.rows], weights=self.frames)) for name in self.rows[0]
        }
        differences = np.array([row["FDD"] for row in self.rows])
        figures = {
            f"LVE {unit}2": pooled["LVE"],
            f"FDD {unit}2": float(differences.mean()),
            f"|FDD| {unit}2": float(np.abs(differences).mean()),
            f"MVE {unit}": pooled["MVE"],
        }
        if "MOD" in pooled:
            figures[f"MOD {unit}"] = pooled["MOD"]
        if self.opening:
            frames, followed = zip(*self.opening)
            figures["opening r"] = float(np.average(followed, weights=frames))
        figures[f"LVE unsquared {unit}"] = pooled["LVE unsquared"]
        figures[f"FD {unit}2"] = self._frechet()
        if self.acceleration:
            true, made = np.sum(self.acceleration, 0)
            figures["jitter / truth"] = float(made / max(true, 1e-12))
        return figures

    def _frechet(self) -> float:
        true, made = (np.concatenate(kept) for kept in self.features)
        centre = true.mean(0)
        axes = np.linalg.svd((true - centre)[:: max(1, len(true) // 2000)], full_matrices=False)[2][: self.FD_AXES]
        return frechet_distance((true - centre) @ axes.T, (made - centre) @ axes.T)


def _pairs(truth: Sequence[Vertices], predicted: Sequence[Vertices]) -> list[tuple[Vertices, Vertices]]:
    if len(truth) != len(predicted) or not len(truth):
        raise ValueError(f"{len(truth)} true and {len(predicted)} predicted sequences: there must be as many, and some")
    pairs = []
    for index, (t, p) in enumerate(zip(truth, predicted)):
        frames = min(len(t), len(p))
        if t.shape[1:] != p.shape[1:] or t.ndim != 3 or frames == 0:
            raise ValueError(f"sequence {index}: truth {t.shape} and prediction {p.shape} are not both (T, V, 3)")
        pairs.append((t[:frames], p[:frames]))
    return pairs


def _squared_distances(
    truth: Sequence[Vertices], predicted: Sequence[Vertices], vertices: np.ndarray | slice
) -> list[np.ndarray]:
    """(T, L) squared distances of each sequence's chosen vertices."""
    return [np.square(t[:, vertices].astype(np.float64) - p[:, vertices]).sum(-1) for t, p in _pairs(truth, predicted)]
