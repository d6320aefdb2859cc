"""What a stage leaves in its folder, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from codetalker.errors import UserError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write to, which then takes the place of `path`: a kill or a full disk leaves there what was there."""
    temporary = path.with_suffix(".partial")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch tells of a full disk by a RuntimeError
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path} could not be written, and is as it was: {error}") from error


def finish(model: nn.Module, folder: Path) -> None:
    """Of several processes, which have the same model, one writes it."""
    from accelerate import PartialState

    process = PartialState()
    if process.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / "model.safetensors") as temporary:
            save_file({name: tensor.contiguous() for name, tensor in model.cpu().state_dict().items()}, temporary)
    process.wait_for_everyone()


def finished(model: nn.Module, folder: Path) -> nn.Module:
    weights = folder / "model.safetensors"
    if not weights.exists():
        raise UserError(f"{weights} is missing: run python -m training {folder.name} first")
    try:
        model.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise UserError(f"{weights} is of other data or another form: give this training other --runs") from error
    return model.eval()
