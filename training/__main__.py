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
from safetensors.torch import load_file, save_file
from torch import nn

from codetalker.autoencoder import Autoencoder
from codetalker.bundle import Bundle, save_bundle
from codetalker.errors import UserError
from codetalker.faceformer import FaceFormer
from codetalker.specs import open_autoencoder, open_faceformer, open_talker, published_form
from codetalker.speech_encoder import MelEncoder, MelSpec
from codetalker.talker import Talker

from . import motion_set, speech, stage1, talker
from .corpus.articulation import STYLES

CAPTURE_SEEN = "a real person's lips and jaw, captured; brows, eyes and head at rest"
STAGES = ("speech", "motion", "stage1", "talker", "baseline", "bundle")


def _finish(model: nn.Module, folder: Path) -> None:
    save_file(
        {name: tensor.contiguous() for name, tensor in model.cpu().state_dict().items()}, folder / "model.safetensors"
    )


def _finished(model: nn.Module, folder: Path) -> nn.Module:
    weights = folder / "model.safetensors"
    if not weights.exists():
        raise UserError(f"{weights} is missing: run python -m training {folder.name} first")
    model.load_state_dict(load_file(weights))
    return model.eval()


class Recipe:
    """The stages in order, each a method of its name."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.motion_folder = options.runs / "motion"
        self.autoencoder = {"open": open_autoencoder, "published": published_form}[options.form]()

    def _config(self, config: object) -> object:
        """The stage's own numbers, or as many steps as asked for."""
        return replace(config, steps=self.options.steps) if self.options.steps else config

    def speech(self) -> None:
        o = self.options
        model = speech.train(o.corpus, o.runs, o.real, o.device, self._config(speech.SpeechConfig()))
        _finish(model, o.runs / "speech")

    def motion(self) -> None:
        o = self.options
        encoder = _finished(MelEncoder(MelSpec()), o.runs / "speech")
        config = motion_set.MotionSetConfig()
        motion_set.prepare(o.corpus, encoder, self.motion_folder, o.capture, config)

    def stage1(self) -> None:
        o = self.options
        config = self._config(stage1.Stage1Config())
        model = stage1.train(self.motion_folder, o.runs, o.device, config, self.autoencoder)
        _finish(model, o.runs / "stage1")

    def talker(self) -> None:
        o = self.options
        frozen = _finished(Autoencoder(self.autoencoder), o.runs / "stage1")
        model = talker.train_talker(frozen, self.motion_folder, o.runs, o.device, self._config(talker.TalkerConfig()))
        _finish(model, o.runs / "talker")

    def baseline(self) -> None:
        o = self.options
        model = talker.train_baseline(self.motion_folder, o.runs, o.device, self._config(talker.TalkerConfig()))
        _finish(model, o.runs / "baseline")

    def bundle(self) -> None:
        runs, names = self.options.runs, motion_set.styles()
        encoder = _finished(MelEncoder(MelSpec()), runs / "speech")
        made = _finished(Talker(open_talker(encoder.dim, len(names), self.autoencoder)), runs / "talker")
        beside = _finished(FaceFormer(open_faceformer(encoder.dim, len(names))), runs / "baseline")
        told = {name: STYLES[name].seen if name in STYLES else CAPTURE_SEEN for name in names}
        encoders = {"talker": encoder, "baseline": encoder}
        save_bundle(Bundle("open", "arkit", motion_set.FPS, told, encoders, made, beside), self.options.out, half=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument(
        "--corpus", type=Path, default=Path("training/data/corpus"), help="of python -m training.corpus"
    )
    parser.add_argument("--runs", type=Path, default=Path("training/runs"), help="checkpoints and logs")
    parser.add_argument(
        "--capture", type=Path, default=Path("../shared/capture"), help="real motion, where there is some"
    )
    parser.add_argument(
        "--real", type=Path, default=Path("../shared/speech"), help="recordings with phones.json, for the log"
    )
    parser.add_argument(
        "--form", choices=("open", "published"), default="open", help="of stage 1; see codetalker.specs"
    )
    parser.add_argument("--out", type=Path, default=Path("weights/open"), help="where the bundle goes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, help="instead of the stage's own number")
    options = parser.parse_args(arguments)
    recipe = Recipe(options)
    try:
        for stage in STAGES if options.stage == "all" else (options.stage,):
            begun = time.monotonic()
            getattr(recipe, stage)()
            print(f"{stage}: {(time.monotonic() - begun) / 60:.1f} min")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
