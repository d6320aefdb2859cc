"""Motion over time: ARKit weights with a head rotation, or the vertices of a published model's template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

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
SAVED_TOGETHER = 64  # frames of vertices
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


class LinearVertices:
    """Vertices over time as a linear map of some numbers a frame, computed when they are asked for.

    Read it like an array (T, V, 3), in blocks: a minute of BIWI is 500 MB. latents: (T, R), basis: (R, V * 3), at the
    latents' zero the vertices are `rest` (V, 3); all float32.
    """

    def __init__(self, latents: np.ndarray, basis: np.ndarray, rest: np.ndarray) -> None:
        self.latents, self.basis, self.rest = latents, basis, rest

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.latents), *self.rest.shape

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        latents = self.latents[rows]
        return self.rest + (latents @ self.basis).reshape(*latents.shape[:-1], *self.rest.shape)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True)
class VertexAnimation:
    """A motion in `vertices` space, of the published models.

    vertices: (T, V, 3) float32, template: (V, 3) float32, in the data set's unit; fps: frames a second
    faces: (F, 3) int32, the triangles, where they are known
    """

    vertices: np.ndarray | LinearVertices
    template: np.ndarray
    fps: float
    faces: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.vertices)

    def save(self, path: str | Path) -> None:
        """An .npz, written block by block."""
        arrays = {"template": self.template, "fps": np.asarray(self.fps)}
        if self.faces is not None:
            arrays["faces"] = self.faces
        with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(self), *self.template.shape)}
            with archive.open("vertices.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, len(self), SAVED_TOGETHER):
                    file.write(self.vertices[start : start + SAVED_TOGETHER].astype("<f4").tobytes())


def load_animation(path: str | Path) -> Animation | VertexAnimation:
    """Reads what `save` wrote; columns of an `arkit` file may stand in any order, missing ones are zero.

    Raises UserError for anything that is not such a file; nothing is ever unpickled.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{Path(path).name} is not a motion file (.npz): {error}") from error
    missing = {"fps"} | ({"template"} if "vertices" in arrays else {"names", "weights"})
    missing -= set(arrays)
    if missing:
        raise UserError(f"{Path(path).name} holds {sorted(arrays)}, not a motion: {sorted(missing)} missing")
    fps = float(arrays["fps"])
    if "vertices" in arrays:
        return _vertex_animation(arrays, fps, Path(path).name)
    columns = {str(name): column for column, name in enumerate(arrays["names"])}
    weights = np.zeros((len(arrays["weights"]), len(ARKIT_NAMES)), np.float32)
    for target, name in enumerate(ARKIT_NAMES):
        if name in columns:
            weights[:, target] = np.clip(arrays["weights"][:, columns[name]], 0.0, 1.0)
    rotation = arrays.get("head_rotation", np.zeros((len(weights), len(ROTATION_NAMES)), np.float32))
    return Animation(weights, np.asarray(rotation, np.float32), fps)


def _vertex_animation(arrays: dict[str, np.ndarray], fps: float, name: str) -> VertexAnimation:
    vertices, template, faces = arrays["vertices"], arrays["template"], arrays.get("faces")
    if vertices.ndim != 3 or vertices.shape[1:] != template.shape or template.shape[1:] != (3,) or not len(vertices):
        raise UserError(f"{name}: vertices {vertices.shape} and template {template.shape} are not (T, V, 3) and (V, 3)")
    if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in (vertices, template)):
        raise UserError(f"{name}: vertices and template must be numbers, all of them finite")
    if faces is not None:
        whole = faces.ndim == 2 and faces.shape[1] == 3 and faces.dtype.kind in "iu"
        if not whole or (faces.size and not 0 <= faces.min() <= faces.max() < len(template)):
            raise UserError(f"{name}: faces must be (F, 3) indices of its {len(template)} vertices")
        faces = faces.astype(np.int32)
    return VertexAnimation(vertices.astype(np.float32, copy=False), template.astype(np.float32), fps, faces)
