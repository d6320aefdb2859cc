"""The authors' checkpoints of CodeTalker and FaceFormer, into a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from ..bundle import Bundle
from ..errors import UserError
from ..faceformer import FaceFormer
from ..storage import unfilled
from ..talker import Talker, TalkerSpec
from ..wav2vec import Wav2Vec2Encoder, Wav2Vec2Spec
from .arrays import read_templates
from .config import Config, check_autoencoder, check_config, check_kind, check_pair, check_predictor
from .files import read_checkpoint
from .joining import save
from .keys import Table, convert, faceformer_table, stage1_table, stage2_table, wav2vec2_table
from .mesh import read_topology
from .speech import INSIDE, check_speech_config, is_hub_name, read_speech_config, read_speech_weights, split_speech

ROLES = {"codetalker": "talker", "faceformer": "baseline"}  # by kind
Dropped = dict[str, dict[str, str]]  # a file's role -> tensor -> why


@dataclass
class Imported:
    """What an import made. bundle: as it was written, its weights still in the checkpoints; beside: the model that was
    in the folder already, "" for none; templates, faces: of the folder as it is now
    """

    bundle: Bundle
    role: str
    out: Path
    dropped: Dropped
    beside: str
    templates: list[str]
    faces: int


def import_bundle(
    kind: str,
    out: str | Path,
    config: str | Path,
    wav2vec2: str | Path,
    stage1: str | Path | None = None,
    stage2: str | Path | None = None,
    model: str | Path | None = None,
    templates: str | Path | None = None,
    topology: str | Path | None = None,
) -> Imported:
    """Published checkpoints into the bundle `out`, in fp32; nothing is written unless everything fits.

    kind: "codetalker" (stage1, stage2) or "faceformer" (model); wav2vec2: a folder, a config.json or a hub name.
    Where `out` holds a bundle of the same data set already, the model joins it, so that the two stand side by side.
    """
    if kind not in ROLES:
        raise UserError(f"the kind must be one of {', '.join(ROLES)}, not {kind!r}")
    weights = {"stage1": stage1, "stage2": stage2} if kind == "codetalker" else {"model": model}
    files = _present({"config": config, **weights}, {"templates": templates, "topology": topology}, str(wav2vec2))
    checked = check_config(files["config"], kind)
    work = _Work(checked, files, str(wav2vec2))
    made, role = (work.talker() if kind == "codetalker" else work.faceformer()), ROLES[kind]
    bundle = Bundle(
        name=Path(out).resolve().name,
        space="vertices",
        fps=checked.data_set.fps,
        styles_told=dict.fromkeys(checked.subjects, ""),
        encoders={role: work.encoder},
        **{role: made},
    )
    own = work.add_meshes(bundle)
    names = {name: path.name for name, path in files.items()} | {"wav2vec2": Path(wav2vec2).name}
    bundle.origin = {role: {"files": names, "dropped": work.dropped}}
    return Imported(bundle, role, Path(out), work.dropped, *save(bundle, role, Path(out), own))


def _present(
    needed: dict[str, str | Path | None], optional: dict[str, str | Path | None], wav2vec2: str
) -> dict[str, Path]:
    """All files by their roles. Raises UserError, listing all that are not there."""
    given = needed | {name: path for name, path in optional.items() if path is not None}
    there = {name: Path(path) for name, path in given.items() if path is not None and Path(path).is_file()}
    absent = [f"{path or 'a file'} ({name})" for name, path in given.items() if name not in there]
    if not Path(wav2vec2).exists() and not is_hub_name(wav2vec2):
        absent.append(f"{wav2vec2} (wav2vec2)")
    if absent:
        raise UserError(f"missing: {', '.join(absent)}")
    return there


@dataclass
class _Work:
    """An import on its way. files: by role; encoder: there once the model is; dropped: what was met and left out"""

    config: Config
    files: dict[str, Path]
    wav2vec2: str
    encoder: Wav2Vec2Encoder | None = None
    dropped: Dropped = field(default_factory=dict)

    def talker(self) -> Talker:
        stage1, stage2 = self.files["stage1"], self.files["stage2"]
        first, last = read_checkpoint(stage1), read_checkpoint(stage2)
        check_kind(first, stage1, "CodeTalker's stage 1")
        check_kind(last, stage2, "CodeTalker's stage 2")
        check_pair(first, stage1, last, stage2)
        check_autoencoder(self.config, first, stage1)
        check_predictor(self.config, last, stage2)
        last = self._take_speech(last, "stage2")
        with _described_by(self.config.path):
            spec = TalkerSpec(self.config.predictor_spec(self.encoder.dim), self.config.autoencoder_spec())
            made = Talker(spec)
        self._fill(made, last, stage2_table(spec.predictor.layers), "stage2")
        self._fill(made.autoencoder, first, stage1_table(spec.autoencoder), "stage1")
        return made

    def faceformer(self) -> FaceFormer:
        tensors = read_checkpoint(self.files["model"])
        check_kind(tensors, self.files["model"], "FaceFormer")
        check_predictor(self.config, tensors, self.files["model"])
        tensors = self._take_speech(tensors, "model")
        with _described_by(self.config.path):
            made = FaceFormer(self.config.predictor_spec(self.encoder.dim))
        self._fill(made, tensors, faceformer_table(made.spec.layers), "model")
        return made

    def add_meshes(self, bundle: Bundle) -> dict[str, np.ndarray]:
        """Templates and faces. Returns the topology's own mesh, {its name: (V, 3)}, where there is a topology."""
        vertices = self.config.values["vertice_dim"] // 3
        if "templates" in self.files:
            bundle.templates = read_templates(self.files["templates"], vertices)
        if "topology" not in self.files:
            return {}
        mesh = read_topology(self.files["topology"], vertices)
        bundle.faces = mesh.faces
        if mesh.degenerate:
            self.dropped["topology"] = {f"{mesh.degenerate} faces": "degenerate, the same vertex twice"}
        return {self.files["topology"].stem: mesh.vertices}

    def _take_speech(self, tensors: dict[str, Tensor], role: str) -> dict[str, Tensor]:
        """Makes the encoder, of the checkpoint's weights where it has them, else of those beside the wav2vec2's config.

        Returns the other tensors.
        """
        config, source = read_speech_config(self.wav2vec2)
        speech, rest = split_speech(tensors)
        prefix = INSIDE if speech else ""
        if not speech:
            speech, self.files["wav2vec2"] = read_speech_weights(self.wav2vec2, self.files[role])
            role = "wav2vec2"
        check_speech_config(config, source, speech, self.files[role])
        with _described_by(source):
            data_set = self.config.data_set
            self.encoder = Wav2Vec2Encoder(Wav2Vec2Spec(data_set.resample_fps, data_set.speech_per_frame, config))
        self._fill(self.encoder, speech, wav2vec2_table(self.encoder), role, prefix)
        return rest

    def _fill(self, module: nn.Module, tensors: dict[str, Tensor], table: Table, role: str, prefix: str = "") -> None:
        dropped = convert(tensors, table, module, self.files[role], prefix)
        self.dropped[role] = self.dropped.get(role, {}) | dropped


@contextmanager
def _described_by(source: str | Path) -> Iterator[None]:
    """Builds modules without weights. Raises UserError, naming `source`, where its values describe none."""
    try:
        with unfilled():
            yield
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        raise UserError(f"{source} describes no model: {' '.join(str(error).split())}") from error
