"""Real captured speech with facial motion, as a style of its own beside the articulated ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError
from codetalker.motion import ARKIT_NAMES, MOTION_DIM

STYLE = "capture"
FPS = 30.0
HELD_OUT = 0.2  # share at the end of every recording that is never trained on
PIECE = (5.0, 12.0)  # s: recordings are cut at the stillest frame in this range

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Captured:
    """A piece of a recording. The capture holds mouth and jaw; brows, eyes, tongue and head stay at rest."""

    name: str  # recording and first frame
    split: str  # "train" or "test"
    speech: np.ndarray  # (N,) float32, 16 kHz
    motion: np.ndarray  # (T, 55) float32, 30 fps


def load_capture(folder: str | Path) -> list[Captured]:
    """Pieces of all recordings in `folder`: NAME.flac beside NAME.npz with `weights` (T, K), `names` (K,), `fps` 30.

    A folder that is not there gives an empty list and a line in the log: the models train without it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        log.warning("no capture in %s: training goes on without the style %r", folder, STYLE)
        return []
    pieces = []
    for path in sorted(folder.glob("*.npz")):
        speech, motion = _recording(path)
        boundary = int(len(motion) * (1 - HELD_OUT))
        for split, low, high in (("train", 0, boundary), ("test", boundary, len(motion))):
            for start, end in _cuts(motion, low, high):
                samples = slice(round(start / FPS * SAMPLE_RATE), round(end / FPS * SAMPLE_RATE))
                pieces.append(Captured(f"{path.stem}-{start:05d}", split, speech[samples], motion[start:end]))
    return pieces


def _recording(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Speech and motion of one recording, both cut to the shorter one."""
    sound = path.with_suffix(".flac")
    if not sound.exists():
        raise UserError(f"{path.name} has no {sound.name} beside it")
    speech, rate = soundfile.read(sound, dtype="float32")
    with np.load(path, allow_pickle=False) as file:
        weights, names, fps = file["weights"], [str(name) for name in file["names"]], float(file["fps"])
    if rate != SAMPLE_RATE or speech.ndim != 1 or fps != FPS:
        raise UserError(
            f"{path.stem}: speech must be mono at 16000 Hz and motion at 30 fps, found {rate} Hz, {fps} fps"
        )
    unknown = sorted(set(names) - set(ARKIT_NAMES))
    if unknown or not np.isfinite(weights).all():
        raise UserError(
            f"{path.name}: {'not ARKit: ' + ', '.join(unknown) if unknown else 'weights that are not finite'}"
        )
    motion = np.zeros((min(len(weights), int(len(speech) / SAMPLE_RATE * FPS)), MOTION_DIM), np.float32)
    motion[:, [ARKIT_NAMES.index(name) for name in names]] = weights[: len(motion)].clip(0, 1)
    return speech, motion


def _cuts(motion: np.ndarray, low: int, high: int) -> list[tuple[int, int]]:
    """Frame ranges that cover [low, high), PIECE long but for the last, cut where the face is nearest to rest."""
    shortest, longest = (round(seconds * FPS) for seconds in PIECE)
    effort = motion.sum(1)
    ranges = []
    while high - low > longest:
        cut = low + shortest + int(effort[low + shortest : low + longest].argmin())
        ranges.append((low, cut))
        low = cut
    return [*ranges, (low, high)]
