"""The authors' checkpoints and configs, opened without running anything that they hold."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ..errors import UserError
from ..storage import read_tensors

UNKNOWN_CLASS = re.compile(r"GLOBAL (\S+)")  # what torch's restricted unpickler says it met


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: torch's, of its `state_dict` entry where it has one, or .safetensors.

    They stay in the file until they are used. A prefix `module.` on all of them, which torch's data parallelism leaves,
    is taken off.
    """
    content = read_tensors(path) if path.suffix == ".safetensors" else _load(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path} holds no tensors by name")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UserError(f"{path} must hold tensors by name alone, but {str(name)[:60]!r} is no tensor")
        if tensor.layout != torch.strided or tensor.is_meta or tensor.nbytes > tensor.untyped_storage().nbytes():
            raise UserError(f"{path}: the tensor {name} is not stored whole")
    if all(name.startswith("module.") for name in content):
        return {name.removeprefix("module."): tensor for name, tensor in content.items()}
    return dict(content)


def _load(path: Path) -> Any:
    try:
        # files of torch before 1.6 are no zip, and can't be mapped into memory
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError ... on a broken file
        unknown = UNKNOWN_CLASS.search(str(error))
        reason = f"it asks for {unknown[1]}" if unknown else "it is cut short or damaged"
        raise UserError(f"{path} is not a torch checkpoint of tensors alone: {reason}") from error


def read_config(path: Path) -> dict[str, Any]:
    """A published .yaml; sections (NETWORK, DATA ...) are merged into one level."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} is not a config that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a config: no names with values in it")
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON that can be read: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no names with values")
    return content
