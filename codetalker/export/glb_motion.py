"""The motion in an animated GLB: weights of morph targets with ARKit's names, and our own files' turning head."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import UserError
from ..head.gltf_data import Data, Malformed, split_glb
from ..head.spellings import arkit_name
from ..motion import ARKIT_NAMES, Animation

MAX_BYTES = 64 * 2**20
MAX_SECONDS = 3600.0
RATES = (10.0, 120.0)  # frames a second
OURS = "CodeTalker"  # the generator that glb.py writes; other files' bones have rest poses of their own


def read_glb_motion(path: str | Path) -> Animation:
    """The file's first animation, put on an even grid of frames.

    Raises UserError for a file without one, without ARKit shapes in it, or unsound.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path.name} is larger than {MAX_BYTES // 2**20} MB")
        tree, binary = split_glb(path.read_bytes())
        return _motion(tree, Data(tree, binary))
    except OSError as error:
        raise UserError(f"{path.name} can't be read: {error.strerror}") from error
    except Malformed as error:
        raise UserError(f"{path.name} holds no motion that can be read: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path.name} is no sound glTF file: {error!r}") from error


def _motion(tree: dict, data: Data) -> Animation:
    if not tree.get("animations"):
        raise Malformed("it has no animation")
    recorded = tree["animations"][0]
    tracks: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # by shape, or "turn": (K,) seconds and (K, width) values
    for channel in recorded["channels"]:
        sampler, target = recorded["samplers"][channel["sampler"]], channel["target"]
        node = tree["nodes"][target.get("node", -1)]
        if target["path"] == "weights":
            times, values = _keys(data, sampler, "SCALAR")
            names = tree["meshes"][node["mesh"]].get("extras", {}).get("targetNames", [])
            for name, column in zip(names, values.reshape(len(times), -1).T):
                if arkit_name(str(name)) in ARKIT_NAMES:
                    tracks.setdefault(arkit_name(str(name)), (times, column[:, None]))
        elif target["path"] == "rotation" and tree["asset"].get("generator") == OURS:
            tracks["turn"] = _keys(data, sampler, "VEC4")
    if not set(tracks) - {"turn"}:
        raise Malformed("no ARKit shape moves in it")
    return _even(tracks)


def _keys(data: Data, sampler: dict, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """(K,) seconds that never fall, and what belongs to each"""
    times = data.accessor(sampler["input"], "SCALAR")[:, 0].astype(np.float64)
    values = data.accessor(sampler["output"], kind)
    if sampler.get("interpolation") == "CUBICSPLINE":  # tangent, value, tangent for each key
        values = values.reshape(len(times), 3, -1)[:, 1]
    if len(times) < 1 or (np.diff(times) < 0).any() or times[0] < 0 or times[-1] > MAX_SECONDS:
        raise Malformed(f"its times don't rise from 0 to {MAX_SECONDS:g} s at most")
    return times, values.reshape(len(times), -1)


def _even(tracks: dict[str, tuple[np.ndarray, np.ndarray]]) -> Animation:
    longest = max((times for times, _ in tracks.values()), key=len)
    steps = np.diff(longest)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0 / 30.0
    fps = round(float(np.clip(1.0 / step, *RATES)), 3)
    frames = round(max(times[-1] for times, _ in tracks.values()) * fps) + 1
    at = np.arange(frames) / fps
    weights = np.zeros((frames, len(ARKIT_NAMES)), np.float32)
    for column, name in enumerate(ARKIT_NAMES):
        if name in tracks:
            times, values = tracks[name]
            weights[:, column] = np.clip(np.interp(at, times, values[:, 0]), 0.0, 1.0)
    rotation = np.zeros((frames, 3), np.float32)
    if "turn" in tracks:
        times, angles = tracks["turn"][0], _angles(tracks["turn"][1])
        rotation = np.stack([np.interp(at, times, column) for column in angles.T], 1).astype(np.float32)
    return Animation(weights, rotation, fps)


def _angles(quaternions: np.ndarray) -> np.ndarray:
    """(K, 4) x y z w -> (K, 3) pitch, yaw, roll in radians, as glb.quaternions takes them"""
    x, y, z, w = (quaternions / np.maximum(np.linalg.norm(quaternions, axis=1, keepdims=True), 1e-9)).T
    pitch = np.arcsin(np.clip(2 * (x * w - y * z), -1, 1))
    yaw = np.arctan2(2 * (x * z + y * w), 1 - 2 * (x * x + y * y))
    roll = np.arctan2(2 * (x * y + z * w), 1 - 2 * (x * x + z * z))
    return np.stack([pitch, yaw, roll], 1)
