"""Files of foreign formats, opened without running anything that they hold."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from .errors import UserError

_ARRAY_RECONSTRUCT = np.zeros(0).__reduce__()[0]


def _latin1(text: str, encoding: str) -> bytes:
    """What Python 2 strings are spelt with when Python 3 pickles them under protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Knows numpy arrays beside pickle's own plain types; anything else is an error."""

    ALLOWED = {  # noqa: RUF012 - constant
        ("numpy.core.multiarray", "_reconstruct"): _ARRAY_RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _ARRAY_RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.ALLOWED[module, name]


def read_templates(path: Path, vertices: int) -> dict[str, np.ndarray]:
    """A templates.pkl, {subject: (V, 3) array}, of Python 2 or 3 -> {subject: (V, 3) float32}."""
    try:
        with open(path, "rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except Exception as error:  # a broken pickle raises almost anything
        raise UserError(f"{path} is not a pickle of numpy arrays in a dict and nothing else: {error}") from error
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path} holds no dict of templates")
    templates = {}
    for name, array in content.items():
        if not (isinstance(name, str) and isinstance(array, np.ndarray) and array.dtype.kind == "f"):
            raise UserError(f"{path} must hold float arrays under names, but has {name!r}: {type(array).__name__}")
        if array.shape != (vertices, 3):
            raise UserError(f"{path}: the template {name} has the shape {array.shape} instead of {(vertices, 3)}")
        if not np.isfinite(array).all():
            raise UserError(f"{path}: the template {name} has values that are no numbers")
        templates[name] = np.ascontiguousarray(array, np.float32)
    return templates


def read_topology(path: Path, vertices: int) -> np.ndarray:
    """The triangles of a mesh file (.ply, .obj): (F, 3) int32."""
    import trimesh

    try:
        mesh = trimesh.load(path, process=False, force="mesh")
    except Exception as error:  # trimesh's readers raise almost anything on a broken file
        raise UserError(f"{path} is not a mesh that can be read: {error}") from error
    if len(mesh.vertices) != vertices:
        raise UserError(f"{path} has {len(mesh.vertices)} vertices, but the config says {vertices}")
    return np.ascontiguousarray(mesh.faces, np.int32)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch checkpoint, its `state_dict` entry where it has one, float32.

    A prefix `module.` on all keys, which torch's data parallelism leaves, is taken off.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError ... on a broken file
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path} is not a whole torch checkpoint of tensors alone: {first_line}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()) or not content:
        raise UserError(f"{path} holds no tensors by name")
    if all(name.startswith("module.") for name in content):
        content = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    for name, tensor in content.items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path}: the tensor {name} has values that are no numbers")
    return {name: tensor.float() for name, tensor in content.items()}


def read_config(path: Path) -> dict[str, Any]:
    """A published .yaml; sections (NETWORK, DATA ...) are merged into one level."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not a config that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a config: no names with values in it")
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def read_wav2vec2_config(path: Path) -> dict[str, Any]:
    """The config.json of a wav2vec 2.0 model, or of the folder that holds one."""
    path = path / "config.json" if path.is_dir() else path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a wav2vec2 config: {error}") from error
    if not isinstance(content, dict) or content.get("model_type") != "wav2vec2":
        raise UserError(f"{path} is not a wav2vec2 config: its model_type is not wav2vec2")
    return content
