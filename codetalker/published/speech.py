"""The wav2vec 2.0 of a published model: its config and, where the checkpoint has none, its weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import UserError
from .files import read_checkpoint, read_json
from .keys import count_layers, older_name

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that is there
INSIDE = "audio_encoder."  # what its tensors' names begin with inside a published checkpoint
IN_FOLDER = "wav2vec2."  # and in the files of a model with a head (CTC, pretraining)
CONVOLUTION = re.compile(r"feature_extractor\.conv_layers\.\d\.conv\.weight")
WIDTHS = {  # of the config -> the tensor whose first axis it is
    "hidden_size": "feature_projection.projection.weight",
    "intermediate_size": "encoder.layers.0.feed_forward.intermediate_dense.weight",
}
UNUSED = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}  # what hides speech in training, and has a tensor for it


def is_hub_name(source: str) -> bool:
    """Whether it can only be a name on the Hugging Face hub, such as facebook/wav2vec2-base-960h."""
    return not Path(source).exists() and HUB_NAME.fullmatch(source) is not None and not source.endswith(".json")


def read_speech_config(source: str) -> tuple[dict[str, Any], str]:
    """The config of a folder, a config.json or a hub name, and where it was found."""
    path = _fetch(source, ("config.json",)) if is_hub_name(source) else Path(source)
    if path.is_dir():
        path = path / "config.json"
    content = read_json(path)
    if content.get("model_type") != "wav2vec2":
        told = repr(content.get("model_type"))[:60]
        raise UserError(f"{path} is not the config of a wav2vec2: its model_type is {told}")
    return _completed(content, path), str(path)


def _completed(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """With transformers' defaults for what it doesn't say, which are the sizes of wav2vec2-base."""
    from transformers import Wav2Vec2Config

    try:
        return Wav2Vec2Config(**content | UNUSED).to_dict()
    except Exception as error:  # whatever transformers makes of values that make no sense
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} is not the config of a wav2vec2: {reason}") from error


def split_speech(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A checkpoint's tensors into those of the speech encoder, by their names in it, and the others."""
    own = {older_name(name[len(INSIDE) :]): tensor for name, tensor in tensors.items() if name.startswith(INSIDE)}
    return own, {name: tensor for name, tensor in tensors.items() if not name.startswith(INSIDE)}


def read_speech_weights(source: str, checkpoint: Path) -> tuple[dict[str, Tensor], Path]:
    """The weights beside the config, for a checkpoint without them, and their file."""
    if is_hub_name(source):
        path = _fetch(source, WEIGHTS)
    else:
        there = [Path(source) / name for name in WEIGHTS if (Path(source) / name).is_file()]
        if not there:
            told = f"{checkpoint} has no {INSIDE}* tensors, and {source} holds neither {' nor '.join(WEIGHTS)}"
            raise UserError(f"{told}: give the folder of a whole wav2vec2")
        path = there[0]
    return {older_name(name.removeprefix(IN_FOLDER)): tensor for name, tensor in read_checkpoint(path).items()}, path


def check_speech_config(config: dict[str, Any], source: str, tensors: dict[str, Tensor], file: Path) -> None:
    """Raises UserError where the config's sizes are not those of the tensors."""
    convolutions = [tensors[name] for name in sorted(tensors) if CONVOLUTION.fullmatch(name)]
    told: dict[str, Any] = {
        "num_hidden_layers": count_layers(tensors, "encoder.layers."),
        "conv_dim": [len(weight) for weight in convolutions],
        "conv_kernel": [weight.shape[-1] for weight in convolutions],
    }
    told |= {name: len(tensors[tensor]) for name, tensor in WIDTHS.items() if tensor in tensors}
    for name, size in told.items():
        if config[name] != size:
            raise UserError(f"{source} says {name} {str(config[name])[:60]}, but the wav2vec2 of {file} has {size}")


def _fetch(name: str, files: tuple[str, ...]) -> Path:
    """The first of `files` that the hub has of the model `name`, from the cache or the network."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    reason = ""
    for file in files:
        try:
            return Path(hf_hub_download(name, file))
        except LocalEntryNotFoundError:
            reason = "the Hugging Face hub can't be reached, and no copy is kept here"
        except EntryNotFoundError:
            reason = f"it has no {' or '.join(files)}"
        except Exception as error:  # repository unknown, gated, name malformed, network broken off ...
            reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
    raise UserError(f"{name} is no folder here and can't be fetched by that name: {reason}")
