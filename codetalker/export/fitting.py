"""Moving vertices as ARKit weights, by bounded least squares, for a head of the same topology that has the shapes."""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

from ..errors import UserError
from ..head import Head
from ..motion import ROTATION_NAMES, Animation, VertexAnimation

TOGETHER = 32  # frames read at a time
# Shapes overlap, and some hardly move: without a price on weights, large ones would cancel out. Of their mean square.
PRICE = 1e-5


def fit_weights(animation: VertexAnimation, head: Head) -> tuple[Animation, float]:
    """The weights in [0, 1] that bring the head nearest to each frame, its rotation at rest; and how far off it stays,
    the root mean square over vertices and frames, of the head's height.

    Raises UserError for a head without shapes, or with other vertices.
    """
    if not head.has_shapes or len(head.vertices) != len(animation.template):
        raise UserError(
            f"ARKit weights need a head of the {len(animation.template)} vertices that move, with ARKit shapes: "
            f"{head.name} has {len(head.vertices)} vertices and {len(head.shapes) - len(head.missing)} shapes"
        )
    basis = head.shapes.reshape(len(head.shapes), -1)  # (52, 3 V)
    gram = (basis @ basis.T).astype(np.float64)
    used = np.flatnonzero(np.diag(gram) > 0)
    priced = gram[np.ix_(used, used)] + PRICE * np.diag(gram)[used].mean() * np.eye(len(used))
    root = np.linalg.cholesky(priced)  # ||root.T w - root^-1 moments|| is the same problem, in 52 rows instead of 3 V
    weights = np.zeros((len(animation), len(basis)), np.float32)
    unexplained = 0.0
    for start in range(0, len(animation), TOGETHER):
        block = animation.vertices[start : start + TOGETHER] - animation.template
        block = block.reshape(len(block), -1)
        moments = (block @ basis[used].T).astype(np.float64)
        for row, target in enumerate(np.linalg.solve(root, moments.T).T, start):
            weights[row, used] = np.clip(lsq_linear(root.T, target, (0.0, 1.0), method="bvls").x, 0.0, 1.0)
        block -= weights[start : start + len(block)] @ basis
        unexplained += float(np.square(block, dtype=np.float64).sum())
    off = np.sqrt(unexplained / (len(animation) * len(animation.template)))
    rotation = np.zeros((len(animation), len(ROTATION_NAMES)), np.float32)
    return Animation(weights, rotation, animation.fps), float(off / np.ptp(head.vertices[:, 1]))
