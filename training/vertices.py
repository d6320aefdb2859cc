"""Trains the published form, stage 1, talker and FaceFormer, on vertices: VOCASET, BIWI or one's own.

As published: a clip at a time, whole; stage 1 by the absolute error and gradients of the codebook; the talker
teacher-forced, by the squared error of features and of motion; wav2vec 2.0 learns along, but for its convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codetalker.autoencoder import Autoencoder
from codetalker.bundle import Bundle, save_bundle
from codetalker.errors import UserError
from codetalker.faceformer import FaceFormer
from codetalker.published.keys import convert, wav2vec2_table
from codetalker.published.mesh import read_topology
from codetalker.published.speech import check_speech_config, read_speech_config, read_speech_weights
from codetalker.talker import Talker
from codetalker.wav2vec import Wav2Vec2Encoder, Wav2Vec2Spec

from . import plots
from .datasets import FaceData
from .loop import LoopConfig, fit
from .runs import finish, finished
from .stage1 import code_use

OWN_FULL = 0.4  # share of the run from which on `own_frames` are the model's own
JUDGED = 20  # validation clips at most, in the log


@dataclass(frozen=True)
class VertexConfig:
    """The published runs' numbers.

    epochs: of stage 1 and of stage 2; steps: of either, 0: as the epochs make it
    own_frames: share of its own frames among the baseline's inputs. The published FaceFormer is unrolled in training,
    which this stands for at two passes a step; the published talker sees true frames alone.
    """

    epochs: tuple[int, int] = (200, 100)
    steps: int = 0
    learning_rate: float = 1e-4
    longest: float = 20.0  # seconds of a clip; longer ones give a random stretch each time
    motion_weight: float = 1.0
    code_weight: float = 1.0
    own_frames: float = 0.9
    fine_tune: bool = True  # wav2vec 2.0's transformer; False: it stays as it was given
    seed: int = 0

    def loop(self, epochs: int, clips: int, weight_decay: float) -> LoopConfig:
        steps = self.steps or epochs * clips
        return LoopConfig(steps, self.learning_rate, weight_decay=weight_decay, half=False, seed=self.seed)


class Listener(nn.Module):
    """A talker, or a baseline, with the speech encoder that learns beside it."""

    def __init__(self, encoder: Wav2Vec2Encoder, model: Talker | FaceFormer, fine_tune: bool = True) -> None:
        super().__init__()
        self.encoder, self.model, self.fine_tune = encoder, model, fine_tune
        encoder.requires_grad_(fine_tune)
        encoder.model.freeze_feature_encoder()

    def train(self, mode: bool = True) -> Listener:
        super().train(mode)
        self.encoder.train(mode and self.fine_tune)
        return self

    def losses(self, batch: dict[str, Tensor], own: float = 0.0) -> dict[str, Tensor]:
        """batch: of FaceData.batch, one clip"""
        return self.model.losses(self.encoder(batch["speech"]), batch["motion"], batch["style"], own).losses


def read_encoder(source: str, data: FaceData) -> Wav2Vec2Encoder:
    """wav2vec 2.0 of a folder or a name on the hub, as the published form of the data hears by it."""
    config, told = read_speech_config(source)
    tensors, path = read_speech_weights(source, Path(source))
    check_speech_config(config, told, tensors, path)
    form = data.spec.form
    encoder = Wav2Vec2Encoder(Wav2Vec2Spec(form.resample_fps, form.speech_per_frame, config))
    convert(tensors, wav2vec2_table(encoder), encoder, path)
    return encoder


def train_stage1(data: FaceData, out: Path, device: str, config: VertexConfig) -> Autoencoder:
    """Trains, or goes on from `out`, and returns stage 1 with averaged weights."""
    torch.manual_seed(config.seed)
    stage1 = Autoencoder(data.spec.autoencoder(data.vertices)).to(device)

    def draw(index: int) -> dict[str, Tensor]:
        return data.draw(index, config.longest, config.seed, heard=False)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        return stage1.losses(batch["motion"].to(device))[0]

    def evaluate(averaged: Autoencoder) -> dict[str, Any]:
        made, error = [], 0.0
        for clip in data.split("validation")[:JUDGED]:
            motion = data.batch(clip, 0, round(config.longest * data.spec.fps), heard=False)["motion"].to(device)
            made.append(averaged(motion))
            error += float((made[-1].motion - motion).abs().mean())
        if not made:
            return {}
        codes = torch.cat([one.codes for one in made], 1)[0]  # (frames, Q)
        return {"unseen": float(f"{error / len(made):.5g}"), **code_use(averaged, codes)}

    loop = config.loop(config.epochs[0], len(data.split("train")), weight_decay=0.01)
    return fit(stage1, losses, draw, out / "stage1", loop, evaluate)


def train_listener(
    listener: Listener, data: FaceData, out: Path, device: str, config: VertexConfig, own_frames: float = 0.0
) -> Listener:
    """Trains stage 2, or goes on from `out`, and returns it with averaged weights."""
    torch.manual_seed(config.seed)
    listener = listener.to(device)
    weights = {"motion": config.motion_weight, "code": config.code_weight}
    loop = config.loop(config.epochs[1], len(data.split("train")), weight_decay=0.0)

    def draw(index: int) -> dict[str, Tensor]:
        return data.draw(index, config.longest, config.seed)

    def losses(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        batch = {name: part.to(device) for name, part in batch.items()}
        own = own_frames * min(1.0, step / (OWN_FULL * loop.steps))
        return {name: weights[name] * term for name, term in listener.losses(batch, own).items()}

    def evaluate(averaged: Listener) -> dict[str, float]:
        sums: dict[str, float] = {}
        clips = data.split("validation")[:JUDGED]
        for clip in clips:
            batch = data.batch(clip, 0, round(config.longest * data.spec.fps))
            for name, term in averaged.losses({key: part.to(device) for key, part in batch.items()}).items():
                sums[f"unseen_{name}"] = sums.get(f"unseen_{name}", 0.0) + float(term) / len(clips)
        return {name: float(f"{total:.5g}") for name, total in sums.items()}

    return fit(listener, losses, draw, out, loop, evaluate)


class VertexRecipe:
    """The stages of `python -m training` on vertices, each a method of its name."""

    stages = ("stage1", "talker", "baseline", "bundle", "plots")

    def __init__(
        self, data: FaceData, runs: Path, device: str, wav2vec2: str | None, out: Path, plotted: Path,
        topology: Path | None = None, config: VertexConfig | None = None,
    ) -> None:  # fmt: skip
        """runs, out, plotted: where checkpoints, the bundle and plots go; topology: a .ply or .obj whose faces the
        bundle takes."""
        self.data, self.runs, self.device, self.out, self.plotted = data, runs, device, out, plotted
        self.wav2vec2, self.topology, self.config = wav2vec2, topology, config or VertexConfig()

    def stage1(self) -> None:
        finish(train_stage1(self.data, self.runs, self.device, self.config), self.runs / "stage1")

    def talker(self) -> None:
        encoder = self._encoder()
        frozen = finished(Autoencoder(self.data.spec.autoencoder(self.data.vertices)), self.runs / "stage1")
        self._train("talker", encoder, self._talker(encoder.dim, frozen), own_frames=0.0)

    def baseline(self) -> None:
        encoder = self._encoder()
        self._train("baseline", encoder, self._baseline(encoder.dim), self.config.own_frames)

    def bundle(self) -> None:
        """Whichever of talker and baseline is there, with the training's templates."""
        made = {name: self._made(name) for name in ("talker", "baseline") if _is_finished(self.runs / name)}
        if not made:
            raise UserError(f"{self.runs} holds neither talker nor baseline: run python -m training talker first")
        bundle = Bundle(
            name=self.data.spec.name,
            space="vertices",
            fps=self.data.spec.fps,
            styles_told=dict.fromkeys(self.data.styles, ""),
            encoders={name: listener.encoder for name, listener in made.items()},
            templates=self.data.templates,
            **{name: listener.model for name, listener in made.items()},
        )
        if self.topology is not None:
            bundle.faces = read_topology(self.topology, self.data.vertices).faces
        save_bundle(bundle, self.out)

    def plots(self) -> None:
        plots.draw([self.runs / name for name in self.stages[:3]], self.plotted)

    def _encoder(self) -> Wav2Vec2Encoder:
        if self.wav2vec2 is None:
            raise UserError(
                "--wav2vec2 must name a wav2vec 2.0, a folder or on the hub: the published form hears by it"
            )
        return read_encoder(self.wav2vec2, self.data)

    def _talker(self, speech_dim: int, stage1: Autoencoder | None = None) -> Talker:
        return Talker(self.data.spec.talker(self.data.vertices, speech_dim, self.data.styles), stage1)

    def _baseline(self, speech_dim: int) -> FaceFormer:
        return FaceFormer(self.data.spec.faceformer(self.data.vertices, speech_dim, self.data.styles))

    def _train(self, name: str, encoder: Wav2Vec2Encoder, model: Talker | FaceFormer, own_frames: float) -> None:
        listener = Listener(encoder, model, self.config.fine_tune)
        made = train_listener(listener, self.data, self.runs / name, self.device, self.config, own_frames)
        finish(made, self.runs / name)

    def _made(self, name: str) -> Listener:
        """A finished stage. Of wav2vec 2.0 the config alone is read: its weights are in the run."""
        if self.wav2vec2 is None:
            raise UserError("--wav2vec2 must be given again for the bundle: it has the speech encoder's sizes")
        form = self.data.spec.form
        config = read_speech_config(self.wav2vec2)[0]
        encoder = Wav2Vec2Encoder(Wav2Vec2Spec(form.resample_fps, form.speech_per_frame, config))
        model = self._talker(encoder.dim) if name == "talker" else self._baseline(encoder.dim)
        return finished(Listener(encoder, model), self.runs / name)


def _is_finished(folder: Path) -> bool:
    return (folder / "model.safetensors").exists()
