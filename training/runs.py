"""What a stage leaves in its folder when it is done, for the next one."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from codetalker.errors import UserError


def finish(model: nn.Module, folder: Path) -> None:
    """A kill at any moment leaves an older one whole."""
    temporary = folder / "model.partial"
    save_file({name: tensor.contiguous() for name, tensor in model.cpu().state_dict().items()}, temporary)
    os.replace(temporary, folder / "model.safetensors")


def finished(model: nn.Module, folder: Path) -> nn.Module:
    weights = folder / "model.safetensors"
    if not weights.exists():
        raise UserError(f"{weights} is missing: run python -m training {folder.name} first")
    try:
        model.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise UserError(f"{weights} is of other data or another form: give this training other --runs") from error
    return model.eval()
