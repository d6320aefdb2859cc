"""What the 3D view plays: the motion of a job as soon as it is known, by a secret name, and the same speech in other
styles when they are asked for.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from codetalker.audio import SAMPLE_RATE
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.pipeline import CAPTIONS, Job, Moved, enliven, tuned

if TYPE_CHECKING:
    from codetalker.bundle import Bundle

MOST = 200  # takes that are known at a time; their files go with the visitors'
SOUND = "speech.wav"
MIXED = "mixed"  # the motion of a mixture of styles


@dataclass(frozen=True)
class Take:
    """A job whose motion is known. folder: of the visitor's; job: what was asked for; weights: the bundle's name"""

    token: str
    folder: Path
    job: Job
    weights: str
    models: tuple[str, ...]

    def motion(self, name: str) -> Path:
        """name: the style's number in its bundle, or MIXED"""
        return self.folder / f"{name}.json"

    @property
    def sound(self) -> Path:
        return self.folder / SOUND


class Takes:
    """The latest ones, by token. What a visitor's session had is gone when its files are."""

    def __init__(self) -> None:
        self._takes: OrderedDict[str, Take] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, folder: Path, job: Job, weights: str, moved: Moved, name: str) -> Take:
        """Writes sound and motion to `folder`, which must be empty. name: of the style, as a file may be called."""
        take = Take(secrets.token_urlsafe(16), folder, job, weights, tuple(moved.animations))
        soundfile.write(take.sound, moved.speech, SAMPLE_RATE, "PCM_16")
        write_moved(take.motion(name), moved.animations)
        with self._lock:
            self._takes[take.token] = take
            while len(self._takes) > MOST:
                self._takes.popitem(last=False)
        return take

    def find(self, token: str) -> Take | None:
        take = self._takes.get(token)
        return take if take is not None and take.sound.exists() else None


def write_moved(path: Path, animations: Mapping[str, Animation]) -> None:
    """{"fps", "names", "models": [{"name", "motion"}]}, the motion (T, 55) float32 little-endian in base64.

    It appears when it is finished.
    """
    first = next(iter(animations.values()))
    models = [{"name": CAPTIONS[model], "motion": pack(animation)} for model, animation in animations.items()]
    told = {"fps": first.fps, "names": ARKIT_NAMES, "models": models}
    unfinished = path.with_suffix(f".{secrets.token_hex(4)}")
    unfinished.write_text(json.dumps(told, separators=(",", ":")), encoding="utf-8")
    unfinished.replace(path)


def pack(animation: Animation) -> str:
    motion = np.concatenate([animation.weights, animation.head_rotation], 1).astype("<f4")  # (T, 55)
    return base64.b64encode(motion.tobytes()).decode()


def move(take: Take, name: str, style: str, bundle: Bundle) -> Path:
    """The take's speech in another style of its bundle, everything else alike; not for two threads at once.

    name: of the style, as its file is called
    """
    path = take.motion(name)
    if not path.exists():
        speech, _ = soundfile.read(take.sound, dtype="float32")
        heard = bundle.encode(speech)
        animations = []
        for model in take.models:
            if animations and not bundle.shares_features:
                heard = bundle.encode(speech, model=model)
            animations.append(tuned(bundle.generate(heard, style, model, take.job.seed), take.job))
        animations, _ = enliven(animations, speech, take.job.additions, take.job.seed)
        write_moved(path, dict(zip(take.models, animations)))
    return path
