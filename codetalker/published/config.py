"""What a published config says, held against what the tensors say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..autoencoder import AutoencoderSpec, RegionSpec
from ..errors import UserError
from ..layers import sinusoids
from ..predictor import PredictorSpec
from .files import read_config
from .keys import count_layers


@dataclass(frozen=True)
class DataSet:
    """How the published code differs between its two data sets, beyond its configs."""

    name: str
    fps: int
    resample_fps: int  # of wav2vec2's features; 0: not resampled
    speech_per_frame: int
    code_projection: bool
    output_bias: bool


DATA_SETS = {
    "vocaset": DataSet("vocaset", 30, resample_fps=30, speech_per_frame=1, code_projection=False, output_bias=True),
    "biwi": DataSet("BIWI", 25, resample_fps=0, speech_per_frame=2, code_projection=True, output_bias=False),
}
HEADS = 4  # of the predictor; the published code fixes it
FACEFORMER_LAYERS = 1
SIZES = {  # what an import must know, by kind; whole numbers
    "faceformer": ("feature_dim", "period", "vertice_dim"),
    "codetalker": (
        *("feature_dim", "period", "vertice_dim", "num_layers", "face_quan_num", "hidden_size", "num_hidden_layers"),
        *("num_attention_heads", "intermediate_size", "n_embed", "zquant_dim"),
    ),
}
FIXED = {"quant_factor": 0, "INaffine": False, "n_head": HEADS}  # in all that was published
MARKS = {  # a tensor that tells what a checkpoint is
    "quantize.embedding.weight": "CodeTalker's stage 1",
    "feat_map.weight": "CodeTalker's stage 2",
    "vertice_map_r.weight": "FaceFormer",
}
PROJECTED = "encoder.encoder_linear_embedding_post.net.weight"  # of a stage 1 with code projections
TABLE_ERROR = 5e-3  # of a positional table, in 16 bits
LONGEST_TABLE = 10_000  # rows of a positional table that are looked at; published ones have some 600


@dataclass(frozen=True)
class Config:
    """A published config, checked as far as it can be by itself."""

    path: Path
    data_set: DataSet
    values: dict[str, Any]
    subjects: list[str]

    def predictor_spec(self, speech_dim: int) -> PredictorSpec:
        return PredictorSpec(
            motion_dim=self.values["vertice_dim"],
            speech_dim=speech_dim,
            speech_per_frame=self.data_set.speech_per_frame,
            styles=len(self.subjects),
            width=self.values["feature_dim"],
            layers=self.values.get("num_layers", FACEFORMER_LAYERS),
            period=self.values["period"],
            heads=HEADS,
        )

    def autoencoder_spec(self) -> AutoencoderSpec:
        return AutoencoderSpec(
            motion_dim=self.values["vertice_dim"],
            regions=(RegionSpec("face", None, self.values["face_quan_num"]),),
            width=self.values["hidden_size"],
            heads=self.values["num_attention_heads"],
            layers=self.values["num_hidden_layers"],
            feed_forward=self.values["intermediate_size"],
            entries=self.values["n_embed"],
            code_dim=self.values["zquant_dim"],
            code_projection=self.data_set.code_projection,
            output_bias=self.data_set.output_bias,
            negative_slope=self.values["neg"],
        )


def check_config(path: Path, kind: str) -> Config:
    """Reads a config. Raises UserError for what is missing, no number, or not as published."""
    values = read_config(path)
    sizes = SIZES[kind]
    needed = ("dataset", "train_subjects", *sizes, *(("neg",) if kind == "codetalker" else ()))
    missing = [name for name in needed if name not in values]
    if missing:
        where = "; CodeTalker's stage2.yaml and demo.yaml have it all" if kind == "codetalker" else ""
        raise UserError(f"{path} lacks {', '.join(missing)}{where}")
    data_set = DATA_SETS.get(values["dataset"].lower()) if isinstance(values["dataset"], str) else None
    if data_set is None:
        told = ", ".join(known.name for known in DATA_SETS.values())
        raise UserError(f"{path}: the dataset must be one of {told}, not {_shown(values['dataset'])}")
    for name in sizes:
        if not isinstance(values[name], int) or not 0 < values[name] < 2**31:
            raise UserError(f"{path}: {name} must be a whole number above zero, not {_shown(values[name])}")
    if kind == "codetalker" and not isinstance(values["neg"], (int, float)):
        raise UserError(f"{path}: neg must be a number, not {_shown(values['neg'])}")
    for name, only in FIXED.items():
        if values.get(name, only) != only:
            raise UserError(f"{path}: {name} must be {only}, as published, not {_shown(values[name])}")
    if values["vertice_dim"] % 3 or values.get("in_dim", values["vertice_dim"]) != values["vertice_dim"]:
        told = f"vertice_dim is {values['vertice_dim']} and in_dim {_shown(values.get('in_dim'))}"
        raise UserError(f"{path}: {told}, but both are three times the vertices")
    autoencoder = f"stage1_{data_set.name}"
    if values.get("autoencoder", autoencoder) != autoencoder:
        raise UserError(f"{path}: the dataset is {data_set.name}, but the autoencoder {_shown(values['autoencoder'])}")
    if kind == "codetalker" and values["hidden_size"] % values["num_attention_heads"]:
        told = f"hidden_size {values['hidden_size']} is no multiple of num_attention_heads"
        raise UserError(f"{path}: {told} {values['num_attention_heads']}")
    return Config(path, data_set, values, _subjects(path, values["train_subjects"]))


def _subjects(path: Path, told: Any) -> list[str]:
    """The styles' names; a string with spaces in what was published."""
    names = told.split() if isinstance(told, str) else told
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: train_subjects must be names with spaces between, not {_shown(told)}")
    wrong = [name for name in names if not name.isprintable() or set(name) & set(",: ")]
    if wrong:  # as the name of a style it would be taken for a mixture
        raise UserError(f"{path}: train_subjects names {wrong[0]!r}, but commas, colons and spaces part styles")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{path}: train_subjects names {twice[0]} twice")
    return names


def _shown(value: Any) -> str:
    """A value as an error tells it. What aliases make of a YAML can be endless when written out."""
    if isinstance(value, (str, float, bool, type(None))) or (isinstance(value, int) and abs(value) < 1e18):
        return repr(value)[:60]
    return f"a {type(value).__name__}"


def check_kind(tensors: dict[str, Tensor], file: Path, wanted: str) -> None:
    """Raises UserError for a checkpoint that is something else. wanted: of MARKS."""
    found = [kind for mark, kind in MARKS.items() if mark in tensors]
    if found and wanted not in found:
        raise UserError(f"{file} is {found[0]}, not {wanted}")


def check_pair(first: dict[str, Tensor], stage1: Path, last: dict[str, Tensor], stage2: Path) -> None:
    """Raises UserError for a stage 1 and a stage 2 that were not trained together."""
    moved = _axis(first, "encoder.vertice_mapping.0.weight", 1), _axis(last, "vertice_map.weight", 1)
    if None not in moved and moved[0] != moved[1]:
        told = f"the first moves {moved[0] // 3} vertices, the second {moved[1] // 3}"
        raise UserError(f"{stage1} and {stage2} are of different data sets: {told}")
    code = _axis(first, PROJECTED if PROJECTED in first else "encoder.encoder_linear_embedding.net.weight", 0)
    predicted = _axis(last, "feat_map.weight", 0)
    if None not in (code, predicted) and code != predicted:
        told = f"the first codes a frame in {code} numbers, the second predicts {predicted}"
        raise UserError(f"{stage1} and {stage2} don't belong together: {told}")


def check_predictor(config: Config, tensors: dict[str, Tensor], file: Path) -> None:
    """Raises UserError where the config says other than the tensors of stage 2, or of FaceFormer."""
    styles = _axis(tensors, "learnable_style_emb.weight", 0) or _axis(tensors, "obj_vector.weight", 1)
    code_dim = config.values.get("zquant_dim")
    codes = _axis(tensors, "feat_map.weight", 0)
    said = {
        "vertice_dim": _axis(tensors, "vertice_map.weight", 1),
        "feature_dim": _axis(tensors, "vertice_map.weight", 0),
        "num_layers": count_layers(tensors, "transformer_decoder.layers."),
        "face_quan_num": codes // code_dim if codes and code_dim and codes % code_dim == 0 else None,
        "period": _period(tensors, file),
    }
    _contradict(config, said, file)
    if styles not in (None, len(config.subjects)):
        raise UserError(f"{config.path} names {len(config.subjects)} train_subjects, but {file} has {styles} styles")


def check_autoencoder(config: Config, tensors: dict[str, Tensor], file: Path) -> None:
    """Raises UserError where the config says other than the tensors of stage 1."""
    projected = PROJECTED in tensors
    if projected != config.data_set.code_projection:
        there = next(known.name for known in DATA_SETS.values() if known.code_projection == projected)
        raise UserError(f"{config.path} says {config.data_set.name}, but {file} is built as those of {there} are")
    said = {
        "vertice_dim": _axis(tensors, "encoder.vertice_mapping.0.weight", 1),
        "hidden_size": _axis(tensors, "encoder.vertice_mapping.0.weight", 0),
        "num_hidden_layers": count_layers(tensors, "encoder.encoder_transformer.net.") // 2,  # attention and perceptron
        "intermediate_size": _axis(tensors, "encoder.encoder_transformer.net.1.fn.fn.l1.weight", 0),
        "n_embed": _axis(tensors, "quantize.embedding.weight", 0),
        "zquant_dim": _axis(tensors, "quantize.embedding.weight", 1),
    }
    _contradict(config, said, file)


def _contradict(config: Config, said: dict[str, int | None], file: Path) -> None:
    wrong = [
        f"{name} is {config.values[name]}, but {size} in the tensors"
        for name, size in said.items()
        if size and config.values.get(name, size) != size
    ]
    if wrong:
        raise UserError(f"{config.path} is not the config of {file.name}: {'; '.join(wrong)}")


def _axis(tensors: dict[str, Tensor], name: str, axis: int) -> int | None:
    """The size of one axis of a matrix, None where there is no such matrix."""
    tensor = tensors.get(name)
    return None if tensor is None or tensor.dim() != 2 else tensor.shape[axis]


def _period(tensors: dict[str, Tensor], file: Path) -> int | None:
    """The frames after which the checkpoint's own positional table repeats; None where it has none."""
    table = tensors.get("PPE.pe")
    if table is None:
        return None
    rows = table[0, :LONGEST_TABLE].float() if table.dim() == 3 and table.numel() else table
    if rows.dim() == 2:
        again = ((rows[1:] - rows[0]).abs().amax(1) < TABLE_ERROR).nonzero()
        period = int(again[0]) + 1 if len(again) else len(rows)
        formula = sinusoids(torch.arange(len(rows)) % period, rows.shape[1])
        if rows.shape == formula.shape and torch.allclose(rows, formula, atol=TABLE_ERROR):
            return period
    raise UserError(f"{file}: PPE.pe is not the positional table of the published models")
