"""A data set as training and evaluation see it: clips with their split, vertices from the disk, batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codetalker.audio import SAMPLE_RATE
from codetalker.published.arrays import read_arrays
from codetalker.wav2vec import WINDOW_TAIL

from .layouts import ArkitTables, open_layout, split_name
from .spec import DataSpec, Split, read_spec

HELD_OUT = {8: "validation", 9: "test"}  # of every ten clips of a subject, where an own set names no splits


@dataclass(frozen=True)
class Clip:
    """name: SUBJECT_SEQUENCE; split: "" where it is in none"""

    name: str
    subject: str
    split: str


class FaceData:
    """A folder in one of the layouts. Nothing of a clip is read before it is asked for.

    templates: {subject: (V, 3) float32}, empty in `arkit` space; styles: the training subjects that are here, in order
    """

    def __init__(self, folder: str | Path, spec: DataSpec | None = None) -> None:
        self.folder = Path(folder)
        self.layout = open_layout(self.folder)
        self.spec = spec or read_spec(self.folder)
        self.space = "arkit" if isinstance(self.layout, ArkitTables) else "vertices"
        self.given: dict = {}  # templates as they lie there, right or wrong
        if self.space == "vertices":
            self.given = read_arrays(self.folder / "templates.pkl")
        self.clips = self._share_out()
        trained = {clip.subject for clip in self.split("train")}
        named = self.spec.splits["train"].subjects if self.spec.splits else sorted(trained)
        self.styles = [subject for subject in named if subject in trained]

    @property
    def vertices(self) -> int:
        """V, as most of the templates have it; 0 where there is none."""
        counts = Counter(array.size // 3 for array in self.given.values() if isinstance(array, np.ndarray))
        return counts.most_common(1)[0][0] if counts else 0

    @property
    def templates(self) -> dict[str, np.ndarray]:
        return {str(name): np.asarray(array, np.float32).reshape(-1, 3) for name, array in self.given.items()}

    def split(self, name: str) -> list[Clip]:
        return [clip for clip in self.clips if clip.split == name]

    def motion(self, clip: Clip, first: int = 0, frames: int | None = None) -> np.ndarray:
        """(T, V * 3) float32 offsets from the subject's template, or (T, 55), at the spec's fps"""
        every = self.spec.stored_fps // self.spec.fps
        last = None if frames is None else (first + frames) * every
        stored = self.layout.motion(clip.name)[first * every : last : every]
        stored = np.asarray(stored, np.float32).reshape(len(stored), -1)
        return stored - self.template(clip).reshape(-1) if self.space == "vertices" else stored

    def frames(self, clip: Clip) -> int:
        return -(-len(self.layout.motion(clip.name)) // (self.spec.stored_fps // self.spec.fps))

    def template(self, clip: Clip) -> np.ndarray:
        """(V, 3) float32"""
        return np.asarray(self.given[clip.subject], np.float32).reshape(-1, 3)

    def speech(self, clip: Clip) -> np.ndarray:
        """(N,) float32 at 16 kHz"""
        return self.layout.speech(clip.name)

    def style(self, clip: Clip) -> Tensor:
        """(1, styles) one-hot; the first style for a subject that none belongs to"""
        row = torch.zeros(1, len(self.styles))
        row[0, self.styles.index(clip.subject) if clip.subject in self.styles else 0] = 1.0
        return row

    def batch(self, clip: Clip, first: int = 0, frames: int | None = None, heard: bool = True) -> dict[str, Tensor]:
        """speech (1, N), where it is wanted, motion (1, T, M), style (1, styles) of a stretch of a clip"""
        motion = self.motion(clip, first, frames)
        parts = {"motion": torch.from_numpy(motion)[None], "style": self.style(clip)}
        if heard:
            begin, end = (round(edge / self.spec.fps * SAMPLE_RATE) for edge in (first, first + len(motion)))
            parts["speech"] = torch.from_numpy(self.speech(clip)[begin : end + WINDOW_TAIL])[None]
        return parts

    def draw(self, index: int, longest: float, seed: int, heard: bool = True) -> dict[str, Tensor]:
        """The index-th batch of a training: a clip at a time, as published, in another order each time round; `longest`
        seconds of it at most, a random stretch of a longer one."""
        clips, most = self.split("train"), round(longest * self.spec.fps)
        turn, place = divmod(index, len(clips))
        clip = clips[np.random.default_rng((seed, turn)).permutation(len(clips))[place]]
        spare = max(0, self.frames(clip) - most)
        first = np.random.default_rng((seed, turn, place)).integers(spare + 1)
        return self.batch(clip, int(first), most, heard)

    def _share_out(self) -> list[Clip]:
        clips, seen = [], Counter()
        for name in self.layout.names:
            subject, number = split_name(name)
            if self.spec.splits:
                split = next((key for key, one in self.spec.splits.items() if _holds(one, subject, number)), "")
            else:
                split = HELD_OUT.get(seen[subject] % 10, "train")
            seen[subject] += 1
            clips.append(Clip(name, subject, split))
        return clips


def _holds(split: Split, subject: str, number: int | None) -> bool:
    if subject not in split.subjects:
        return False
    return split.sentences is None or (number is not None and split.sentences[0] <= number <= split.sentences[1])
