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
