"""A GPU that the host lends for one call at a time, as ZeroGPU of Hugging Face Spaces does; elsewhere there is none.

The bundle itself stays on the CPU. A call goes to a process that the host starts beside its GPU: the folder of the
weights and the speech go there, a motion comes back. Where no GPU is to be had, the CPU does it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codetalker.audio import SAMPLE_RATE
from codetalker.bundle import Bundle, load
from codetalker.errors import UserError
from codetalker.motion import Animation, VertexAnimation
from codetalker.windows import Heard

from .log import tell

try:
    import spaces
except ImportError:  # any other host
    spaces = None

START_SECONDS = 10.0  # of a call: the process starts, the weights are loaded
HEAR_SPEED = 20.0  # seconds of speech in a second, at least; measured on the CPU, which is slower
MOVE_SPEED = 2.0


def is_lent() -> bool:
    """Whether this host lends GPUs."""
    return spaces is not None and os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def open_bundle(folder: Path) -> Bundle:
    return Lent(**vars(load(folder, device="cpu")), folder=Path(folder))


@dataclass
class Lent(Bundle):
    """A bundle whose models run where the host lends a GPU. folder: of its weights"""

    folder: Path = Path()

    def encode(self, speech: np.ndarray, model: str = "talker", decoding: str = "auto") -> Heard:
        here = functools.partial(super().encode, speech, model, decoding)
        return _there_or_here(functools.partial(_encode, str(self.folder), speech, model, decoding), here)

    def generate(
        self,
        heard: Heard,
        style: str | None = None,
        model: str = "talker",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        template: str | np.ndarray | None = None,
    ) -> Animation | VertexAnimation:
        frames = heard.frames or heard.features.shape[1]  # no fewer than there are
        there = functools.partial(_generate, str(self.folder), frames / self.fps, heard, style, model, seed, template)
        return _there_or_here(there, functools.partial(super().generate, heard, style, model, seed, progress, template))


def _there_or_here(there: Callable[[], Any], here: Callable[[], Any]) -> Any:
    try:
        return there()
    except UserError:
        raise
    except Exception as error:  # none free, or this visitor's share of it is used up
        tell("no gpu lent", error=error)
        return here()


def _seconds_to_hear(folder: str, speech: np.ndarray, *rest: Any) -> int:
    return round(START_SECONDS + len(speech) / SAMPLE_RATE / HEAR_SPEED)


def _seconds_to_move(folder: str, seconds: float, *rest: Any) -> int:
    return round(START_SECONDS + seconds / MOVE_SPEED)


def _lend(duration: Callable[..., int]) -> Callable[[Callable], Callable]:
    """duration: seconds, of the arguments"""
    return spaces.GPU(duration=duration) if spaces is not None else lambda function: function


@_lend(_seconds_to_hear)
def _encode(folder: str, speech: np.ndarray, model: str, decoding: str) -> Heard:
    return _on(_loaded(folder).encode(speech, model, decoding), "cpu")


@_lend(_seconds_to_move)
def _generate(
    folder: str, seconds: float, heard: Heard, style: str | None, model: str, seed: int, template: Any
) -> Animation | VertexAnimation:
    bundle = _loaded(folder)
    return bundle.generate(_on(heard, bundle.device), style, model, seed, None, template)


@functools.cache
def _loaded(folder: str) -> Bundle:
    """In the process beside the GPU, which outlives the call."""
    import torch

    return load(folder, device="cuda" if torch.cuda.is_available() else "cpu")


def _on(heard: Heard, device: Any) -> Heard:
    return replace(heard, features=heard.features.to(device))
