"""Motion over time: ARKit weights with a head rotation, or the vertices of a published model's template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import UserError

# Apple's ARFaceAnchor.BlendShapeLocation, in the order in which Live Link Face writes its columns.
ARKIT_NAMES = (
    "eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft "
    "eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight "
    "jawForward jawRight jawLeft jawOpen mouthClose mouthFunnel mouthPucker mouthRight mouthLeft "
    "mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight "
    "mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper "
    "mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight "
    "browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight "
    "cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut"
).split()
ROTATION_NAMES = ["headPitch", "headYaw", "headRoll"]  # radians about x (to the head's left), y (up), z (forward)
MOTION_DIM = len(ARKIT_NAMES) + len(ROTATION_NAMES)  # 55


@dataclass(frozen=True)
class Animation:
    """A motion in `arkit` space; any head with ARKit shapes can play it.

    weights: (T, 52) float32 in [0, 1], columns as ARKIT_NAMES
    head_rotation: (T, 3) float32, radians: pitch (nod down is positive), yaw (to the head's left), roll
    fps: frames a second
    """

    weights: np.ndarray
    head_rotation: np.ndarray
    fps: float

    @classmethod
    def from_motion(cls, motion: np.ndarray, fps: float) -> Animation:
        """motion: (T, 55), the weights beside the rotation, as the models emit it."""
        motion = np.asarray(motion, np.float32)
        weights = np.clip(motion[:, : len(ARKIT_NAMES)], 0.0, 1.0)
        return cls(weights, motion[:, len(ARKIT_NAMES) :], float(fps))

    def __len__(self) -> int:
        return len(self.weights)

    def save(self, path: str | Path) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(
                file, names=np.array(ARKIT_NAMES), weights=self.weights, head_rotation=self.head_rotation, fps=self.fps
            )


@dataclass(frozen=True)
class VertexAnimation:
    """A motion in `vertices` space, of the published models.

    vertices: (T, V, 3) float32, template: (V, 3) float32, in the data set's unit; fps: frames a second
    """

    vertices: np.ndarray
    template: np.ndarray
    fps: float

    def __len__(self) -> int:
        return len(self.vertices)

    def save(self, path: str | Path) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, vertices=self.vertices, template=self.template, fps=self.fps)


def load_animation(path: str | Path) -> Animation | VertexAnimation:
    """Reads what `save` wrote; columns of an `arkit` file may stand in any order, missing ones are zero.

    Raises UserError for anything that is not such a file; nothing is ever unpickled.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{Path(path).name} is not a motion file (.npz): {error}") from error
    missing = {"fps"} - set(arrays) or (set() if "vertices" in arrays else {"names", "weights"} - set(arrays))
    if missing:
        raise UserError(f"{Path(path).name} holds {sorted(arrays)}, not a motion: {sorted(missing)} missing")
    fps = float(arrays["fps"])
    if "vertices" in arrays:
        return VertexAnimation(arrays["vertices"], arrays["template"], fps)
    columns = {str(name): column for column, name in enumerate(arrays["names"])}
    weights = np.zeros((len(arrays["weights"]), len(ARKIT_NAMES)), np.float32)
    for target, name in enumerate(ARKIT_NAMES):
        if name in columns:
            weights[:, target] = np.clip(arrays["weights"][:, columns[name]], 0.0, 1.0)
    rotation = arrays.get("head_rotation", np.zeros((len(weights), len(ROTATION_NAMES)), np.float32))
    return Animation(weights, np.asarray(rotation, np.float32), fps)
