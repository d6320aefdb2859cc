"""How a bundle lies on disk: a description in JSON beside safetensors, and the specs that it names."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from .autoencoder import AutoencoderSpec, RegionSpec
from .errors import UserError
from .faceformer import FaceFormer
from .outputs import staging
from .predictor import PredictorSpec
from .shelf import DESCRIPTION
from .talker import Talker, TalkerGroup, TalkerGroupSpec, TalkerSpec
from .wav2vec import Wav2Vec2Encoder, Wav2Vec2Spec

FORMAT = 1
SPACES = ("arkit", "vertices")


@contextmanager
def unfilled() -> Iterator[None]:
    """Modules built inside, in this thread, have no weights yet: to draw random ones for `fill` to replace takes longer
    than to read the true ones.
    """
    owner = threading.get_ident()

    def empty(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or threading.get_ident() != owner:
            return parameter
        return nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)

    hook = register_module_parameter_registration_hook(empty)
    try:
        yield
    finally:
        hook.remove()


def build_encoder(kind: str, values: dict[str, Any]) -> nn.Module:
    """The speech encoder of a bundle's description, without its weights."""
    if kind == "mel":
        from .speech_encoder import MelEncoder, MelSpec

        return MelEncoder(MelSpec(**values))
    if kind == "wav2vec2":
        return Wav2Vec2Encoder(Wav2Vec2Spec(**values))
    raise ValueError(f'speech encoders are of kind "mel" or "wav2vec2", not {kind!r}')


def build_talker(values: dict[str, Any]) -> Talker | TalkerGroup:
    """The talker of a bundle's description, or several that make one face, without its weights."""
    if "members" in values:
        return TalkerGroup(TalkerGroupSpec(tuple(map(_talker_spec, values["members"]))))
    return Talker(_talker_spec(values))


def build_baseline(values: dict[str, Any]) -> FaceFormer:
    return FaceFormer(PredictorSpec(**values))


def _talker_spec(values: dict[str, Any]) -> TalkerSpec:
    """From what `asdict` and JSON made of it."""
    autoencoder = dict(values["autoencoder"])
    regions = [dict(region) for region in autoencoder.pop("regions")]
    for region in regions:
        region["channels"] = None if region["channels"] is None else tuple(region["channels"])
    autoencoder = AutoencoderSpec(regions=tuple(RegionSpec(**region) for region in regions), **autoencoder)
    return TalkerSpec(PredictorSpec(**values["predictor"]), autoencoder, values["code_loss"])


def write(folder: Path, description: dict[str, Any], weights: dict[str, dict[str, Tensor]], half: set[str]) -> None:
    """Writes the description and a file for each of `weights`, each replaced only by a finished one.

    half: names of the files to store in 16 bits. After an error all is as it was, a folder that was not there too.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with staging(folder) as staged:
            for name, tensors in weights.items():
                _write_tensors(staged / f"{name}.safetensors", tensors, name in half)
            write_description(staged, description)
            for path in staged.iterdir():  # safetensors makes files that their owner alone may read
                shutil.copymode(staged / DESCRIPTION, path)
    except BaseException as error:
        for path in created:
            with suppress(OSError):
                path.rmdir()
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            raise UserError(f"{folder} is a file or lies in one: a bundle is a folder") from error
        raise


def _write_tensors(path: Path, tensors: dict[str, Tensor], half: bool) -> None:
    """What lies in one piece already is not copied."""
    stored = {
        key: (tensor.half() if half and tensor.is_floating_point() else tensor).cpu().contiguous()
        for key, tensor in tensors.items()
    }
    try:
        save_file(stored, path)
    except SafetensorError as error:  # the disk is full, most likely
        raise UserError(f"can't write {path.name}: {error}") from error


def write_description(folder: Path, description: dict[str, Any]) -> None:
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def pack_templates(templates: dict[str, np.ndarray], faces: np.ndarray | None) -> dict[str, Tensor]:
    """The tensors of templates.safetensors; the names of the templates stand in the description, in this order."""
    tensors = {str(index): torch.from_numpy(array) for index, array in enumerate(templates.values())}
    return tensors if faces is None else tensors | {"faces": torch.from_numpy(faces)}


def unpack_templates(folder: Path, description: dict[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """name -> (V, 3) float32, and the faces (F, 3) int32, of a bundle that has them."""
    names = description.get("templates") or []
    tensors = read_tensors(folder / "templates.safetensors") if names else {}
    if missing := [name for index, name in enumerate(names) if str(index) not in tensors]:
        raise UserError(f"{folder / 'templates.safetensors'} lacks the template {missing[0]} of {DESCRIPTION}")
    faces = tensors.get("faces")
    templates = {name: tensors[str(index)].numpy() for index, name in enumerate(names)}
    return templates, None if faces is None else faces.numpy()


def read_description(folder: Path) -> dict[str, Any]:
    """A bundle's description as it stands in its JSON, of the right format and space."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no bundle in {folder}: {DESCRIPTION} is missing") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a bundle's description: {error}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError(f"{path} is not the description of a bundle of format {FORMAT}")
    if description.get("space") not in SPACES:
        raise UserError(f"{path}: space must be one of {', '.join(SPACES)}, not {description.get('space')!r}")
    return description


def read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from error


def fill(module: nn.Module, path: Path) -> None:
    """Loads weights strictly, 16-bit ones widened, others not copied: they stay in the file until they are used.

    Raises UserError naming what does not fit the description.
    """
    tensors, wanted = read_tensors(path), module.state_dict()
    wrong = [f"{name} is missing" for name in wanted if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in wanted]
    wrong += [
        f"{name} has the shape {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    if wrong:
        rest = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(f"{path} contradicts {DESCRIPTION}: {', '.join(wrong[:3])}{rest}")
    module.load_state_dict({name: tensors[name].to(wanted[name].dtype) for name in wanted}, assign=True)
