"""The authors' checkpoints of CodeTalker and FaceFormer, into a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .autoencoder import AutoencoderSpec, RegionSpec
from .bundle import Bundle, load, save_bundle
from .errors import UserError
from .faceformer import FaceFormer
from .foreign import read_checkpoint, read_config, read_templates, read_topology, read_wav2vec2_config
from .layers import sinusoids
from .predictor import PredictorSpec
from .published_keys import convert, faceformer_table, stage1_table, stage2_table, wav2vec2_table
from .storage import DESCRIPTION
from .talker import Talker, TalkerSpec
from .wav2vec import Wav2Vec2Encoder, Wav2Vec2Spec


@dataclass(frozen=True)
class DataSet:
    """How the published code differs between its two data sets, beyond its configs."""

    fps: int
    resample_fps: int  # of wav2vec2's features; 0: not resampled
    speech_per_frame: int
    code_projection: bool
    output_bias: bool


DATA_SETS = {
    "vocaset": DataSet(fps=30, resample_fps=30, speech_per_frame=1, code_projection=False, output_bias=True),
    "BIWI": DataSet(fps=25, resample_fps=0, speech_per_frame=2, code_projection=True, output_bias=False),
}
HEADS = 4  # of the predictor; the published code fixes it
FACEFORMER_LAYERS = 1
FROM_CONFIG = {  # what an import must know, by kind
    "faceformer": ("dataset", "feature_dim", "period", "train_subjects", "vertice_dim"),
    "codetalker": (
        *("dataset", "feature_dim", "period", "train_subjects", "vertice_dim", "num_layers", "face_quan_num"),
        *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "n_embed", "zquant_dim"),
        *("neg", "quant_factor", "INaffine"),
    ),
}


def _check_period(tensors: dict[str, Tensor], period: int, file: Path) -> None:
    """The checkpoint's own positional table tells the period that it was trained with."""
    table = tensors["PPE.pe"][0]
    formula = sinusoids(torch.arange(len(table)) % period, table.shape[1])
    if not torch.allclose(table, formula, atol=1e-4):
        raise UserError(f"{file}: its positional table does not repeat every {period} frames, as the config says")


def _predictor_spec(config: dict[str, Any], data_set: DataSet, speech_dim: int, layers: int) -> PredictorSpec:
    return PredictorSpec(
        motion_dim=config["vertice_dim"],
        speech_dim=speech_dim,
        speech_per_frame=data_set.speech_per_frame,
        styles=len(config["train_subjects"].split()),
        width=config["feature_dim"],
        layers=layers,
        period=config["period"],
        heads=HEADS,
    )


def _autoencoder_spec(config: dict[str, Any], data_set: DataSet) -> AutoencoderSpec:
    return AutoencoderSpec(
        motion_dim=config["vertice_dim"],
        regions=(RegionSpec("face", None, config["face_quan_num"]),),
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        feed_forward=config["intermediate_size"],
        entries=config["n_embed"],
        code_dim=config["zquant_dim"],
        code_projection=data_set.code_projection,
        output_bias=data_set.output_bias,
        negative_slope=config["neg"],
    )


def _checked_config(path: Path, kind: str) -> dict[str, Any]:
    config = read_config(path)
    missing = [name for name in FROM_CONFIG[kind] if name not in config]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}")
    if config["dataset"] not in DATA_SETS:
        raise UserError(f"{path}: the dataset must be one of {', '.join(DATA_SETS)}, not {config['dataset']!r}")
    for name, only in (("quant_factor", 0), ("INaffine", False)):
        if config.get(name, only) != only:
            raise UserError(f"{path}: {name} must be {only}, as published, not {config[name]!r}")
    return config


def import_bundle(
    kind: str,
    out: Path,
    config: Path,
    wav2vec2: Path,
    stage1: Path | None = None,
    stage2: Path | None = None,
    model: Path | None = None,
    templates: Path | None = None,
    topology: Path | None = None,
) -> Bundle:
    """Published checkpoints into the bundle `out`, in fp32; nothing is written unless everything fits.

    kind: "codetalker" (stage1, stage2) or "faceformer" (model). Where `out` holds a bundle of the same data set
    already, the model joins it, so that the two stand side by side.
    """
    if kind not in FROM_CONFIG:
        raise UserError(f"the kind must be one of {', '.join(FROM_CONFIG)}, not {kind!r}")
    files = {"config": config, "wav2vec2": wav2vec2}
    files |= {"stage1": stage1, "stage2": stage2} if kind == "codetalker" else {"model": model}
    files |= {name: path for name, path in (("templates", templates), ("topology", topology)) if path is not None}
    absent = [f"{path or 'a file'} ({name})" for name, path in files.items() if path is None or not Path(path).exists()]
    if absent:
        raise UserError(f"missing: {', '.join(absent)}")
    files = {name: Path(path) for name, path in files.items()}
    values = _checked_config(files["config"], kind)
    data_set = DATA_SETS[values["dataset"]]
    wav2vec2_config = read_wav2vec2_config(files["wav2vec2"])
    layers = values["num_layers"] if kind == "codetalker" else FACEFORMER_LAYERS
    try:
        encoder = Wav2Vec2Encoder(Wav2Vec2Spec(data_set.resample_fps, data_set.speech_per_frame, wav2vec2_config))
        predictor = _predictor_spec(values, data_set, encoder.dim, layers)
        if kind == "codetalker":
            made: Talker | FaceFormer = Talker(TalkerSpec(predictor, _autoencoder_spec(values, data_set)))
        else:
            made = FaceFormer(predictor)
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{files['config']} and {files['wav2vec2']} describe no model: {error}") from error
    last = files["stage2" if kind == "codetalker" else "model"]
    tensors = read_checkpoint(last)
    own_table = stage2_table(layers) if kind == "codetalker" else faceformer_table(layers)
    dropped = {last.name: convert(tensors, [(own_table, made), (wav2vec2_table(encoder), encoder)], last)}
    _check_period(tensors, values["period"], last)
    if isinstance(made, Talker):
        first = files["stage1"]
        table = stage1_table(made.spec.autoencoder)
        dropped[first.name] = convert(read_checkpoint(first), [(table, made.autoencoder)], first)
    role = "talker" if kind == "codetalker" else "baseline"
    vertices = values["vertice_dim"] // 3
    bundle = Bundle(
        name=Path(out).name,
        space="vertices",
        fps=data_set.fps,
        styles_told=dict.fromkeys(values["train_subjects"].split(), ""),
        encoders={role: encoder},
        templates=read_templates(files["templates"], vertices) if templates else {},
        faces=read_topology(files["topology"], vertices) if topology else None,
        origin={role: {"files": {name: path.name for name, path in files.items()}, "dropped": dropped}},
        **{role: made},
    )
    if (Path(out) / DESCRIPTION).exists():
        bundle = _joined(load(out), bundle, role)
    save_bundle(bundle, out)
    return bundle.to("cpu")


def _joined(there: Bundle, new: Bundle, role: str) -> Bundle:
    """The bundle that is there already, with the model of `new` in its role."""
    for name in ("space", "fps", "styles"):
        if getattr(there, name) != getattr(new, name):
            told = f"{name} {getattr(there, name)} and {getattr(new, name)}"
            raise UserError(f"the bundle {there.name} is of another data set ({told}): import into another folder")
    there.encoders[role] = new.encoders[role]
    setattr(there, role, getattr(new, role))
    there.templates, there.faces = new.templates or there.templates, there.faces if new.faces is None else new.faces
    there.origin[role] = new.origin[role]
    return there
