"""`python -m training STAGE`: the recipe of the open bundle, stage by stage or whole.

Each stage goes on from its last checkpoint in --runs and leaves model.safetensors beside it; the next one reads that.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from codetalker.autoencoder import Autoencoder
from codetalker.bundle import Bundle, load, save_bundle
from codetalker.errors import UserError
from codetalker.faceformer import FaceFormer
from codetalker.specs import open_autoencoder, open_faceformer, open_talker, published_form
from codetalker.speech_encoder import MelEncoder, MelSpec
from codetalker.talker import TalkerGroup

from . import motion_set, plots, speech, stage1, talker
from .above import AboveConfig
from .corpus.articulation import STYLES
from .datasets import FaceData, open_data
from .loop import open_process
from .own_motion import prepare_own
from .runs import finish, finished
from .vertices import VertexConfig, VertexRecipe

CAPTURE_SEEN = "a real person's lips and jaw, captured; brows, eyes and head at rest"
OPEN = Path("weights/open")
STAGES = ("speech", "motion", "stage1", "talker", "baseline", "bundle", "plots")
RUNS = ("stage1", "mouth", "above", "baseline")  # folders with a log
TRAINED = ("speech", "stage1", "talker", "baseline")  # by all processes; the rest is done by one


class Recipe:
    """The stages in order, each a method of its name. data: one's own in ARKit weights, in place of the corpus."""

    def __init__(self, options: argparse.Namespace, data: FaceData | None = None) -> None:
        self.options, self.data = options, data
        self.stages = STAGES if data is None else STAGES[1:]
        self.motion_folder = options.runs / "motion"
        self.autoencoder = {"open": open_autoencoder, "published": published_form}[options.form]()
        self.models = options.runs if options.form == "open" else options.runs / options.form

    def _config(self, config: object) -> object:
        """The stage's own numbers, or as many steps as asked for."""
        return replace(config, steps=self.options.steps) if self.options.steps else config

    def _encoder(self) -> nn.Module:
        """The speech encoder of these runs; one's own data may be heard by the open bundle's."""
        folder = self.options.runs / "speech"
        if self.data is not None and not (folder / "model.safetensors").exists():
            return load(OPEN).encoders["talker"]
        return finished(MelEncoder(MelSpec()), folder)

    def speech(self) -> None:
        o = self.options
        model = speech.train(o.corpus, o.runs, o.real, o.device, self._config(speech.SpeechConfig()))
        finish(model, o.runs / "speech")

    def motion(self) -> None:
        o, encoder = self.options, self._encoder()
        if self.data is not None:
            prepare_own(self.data, encoder, self.motion_folder)
            return
        config = motion_set.MotionSetConfig()
        motion_set.prepare(o.corpus, encoder, self.motion_folder, o.capture, config)

    def stage1(self) -> None:
        o = self.options
        if self.data is not None:
            with open_process(o.device).main_process_first():
                if not (self.motion_folder / "clips.jsonl").exists():
                    self.motion()
        config = self._config(stage1.Stage1Config())
        model = stage1.train(self.motion_folder, self.models, o.device, config, self.autoencoder)
        finish(model, self.models / "stage1")

    def talker(self) -> None:
        frozen = finished(Autoencoder(self.autoencoder), self.models / "stage1")
        configs = [self._config(one()) for one in (talker.TalkerConfig, AboveConfig)]
        model = talker.train_talker(frozen, self.motion_folder, self.models, self.options.device, *configs)
        finish(model, self.models / "talker")

    def baseline(self) -> None:
        config = self._config(talker.TalkerConfig())
        model = talker.train_baseline(self.motion_folder, self.models, self.options.device, config)
        finish(model, self.models / "baseline")

    def bundle(self) -> None:
        models, encoder = self.models, self._encoder()
        names = motion_set.styles() if self.data is None else self.data.styles
        made = finished(TalkerGroup(open_talker(encoder.dim, len(names), self.autoencoder)), models / "talker")
        beside = finished(FaceFormer(open_faceformer(encoder.dim, len(names))), models / "baseline")
        told = {name: STYLES[name].seen if name in STYLES else CAPTURE_SEEN for name in names}
        if self.data is not None:
            told = dict.fromkeys(names, "")
        encoders = {"talker": encoder, "baseline": encoder}
        name = "open" if self.data is None else self.data.spec.name
        save_bundle(Bundle(name, "arkit", motion_set.FPS, told, encoders, made, beside), self.options.out, half=True)

    def plots(self) -> None:
        folders = [self.options.runs / "speech", *(self.models / name for name in RUNS)]
        plots.draw(folders, self.options.plots or self.models / "plots")


def _recipe(options: argparse.Namespace) -> Recipe | VertexRecipe:
    """By what --data holds. Its folder is checked before anything else."""
    data = None if options.data is None else open_data(options.data)
    options.runs = options.runs or Path("training/runs", *([data.spec.name] if data else []))
    options.plots = options.out and options.out / "plots"
    options.out = options.out or (OPEN if data is None else Path("weights", data.spec.name))
    if data is None or data.space == "arkit":
        return Recipe(options, data)
    config = VertexConfig(steps=options.steps or 0, fine_tune=not options.frozen)
    plotted = options.plots or options.runs / "plots"
    return VertexRecipe(
        data, options.runs, options.device, options.wav2vec2, options.out, plotted, options.topology, config
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument(
        "--corpus", type=Path, default=Path("training/data/corpus"), help="of python -m training.corpus"
    )
    parser.add_argument("--runs", type=Path, help="checkpoints and logs (default: training/runs)")
    parser.add_argument("--data", type=Path, help="VOCASET, BIWI or your own instead: see training/README.md")
    parser.add_argument("--wav2vec2", help="of --data with vertices: a folder, or a name on the hub")
    parser.add_argument("--frozen", action="store_true", help="wav2vec 2.0 stays as it is given")
    parser.add_argument("--topology", type=Path, help="of --data with vertices: a .ply or .obj, for the faces")
    parser.add_argument(
        "--capture", type=Path, default=Path("../shared/capture"), help="real motion, where there is some"
    )
    parser.add_argument(
        "--real", type=Path, default=Path("../shared/speech"), help="recordings with phones.json, for the log"
    )
    parser.add_argument(
        "--form", choices=("open", "published"), default="open", help="of stage 1; see codetalker.specs"
    )
    parser.add_argument(
        "--out", type=Path, help="where the bundle goes (default: weights/open, or by --data), or plots"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, help="instead of the stage's own number")
    options = parser.parse_args(arguments)
    try:
        process = open_process(options.device)
        recipe = _recipe(options)
        for stage in recipe.stages if options.stage == "all" else (options.stage,):
            if stage not in recipe.stages:
                raise UserError(f"{options.data} has the stages {', '.join(recipe.stages)}, not {stage}")
            begun = time.monotonic()
            if process.is_main_process or stage in TRAINED:
                getattr(recipe, stage)()
            process.wait_for_everyone()
            process.print(f"{stage}: {(time.monotonic() - begun) / 60:.1f} min")
        process.end_training()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
