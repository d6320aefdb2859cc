"""The corpus as training sees it: speech by memory map, phones by frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError
from codetalker.phones import PHONES

Phones = list[tuple[str, float, float]]  # phone, start and end in seconds
RECORDED = "recorded"  # engine of what people said
PHONE_INDEX = {phone: index for index, phone in enumerate(PHONES)}


@dataclass(frozen=True)
class Utterance:
    """A row of the corpus; its speech is read when asked for."""

    name: str
    voice: str
    split: str
    phones: Phones
    start: int  # samples
    samples: int
    language: str = ""
    engine: str = ""
    text: str = ""

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE


class Corpus:
    """What `python -m training.corpus` wrote: speech.npy beside utterances.jsonl."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in ("speech.npy", "utterances.jsonl") if not (folder / name).exists()]
        if missing:
            raise UserError(
                f"{folder} holds no corpus ({', '.join(missing)} missing): run python -m training.corpus first"
            )
        self._speech = np.load(folder / "speech.npy", mmap_mode="r")
        lines = (folder / "utterances.jsonl").read_text(encoding="utf-8").splitlines()
        self.utterances = [Utterance(**json.loads(line)) for line in lines]

    def split(self, name: str) -> list[Utterance]:
        return [utterance for utterance in self.utterances if utterance.split == name]

    def speech(self, utterance: Utterance) -> np.ndarray:
        """(N,) float32 in [-1, 1]"""
        return self._speech[utterance.start : utterance.start + utterance.samples].astype(np.float32) / 32768.0


def phone_labels(phones: Phones, frames: int, rate: float) -> np.ndarray:
    """(frames,) int64 phone indices at the times i / rate; what no phone covers is silence."""
    labels = np.full(frames, PHONE_INDEX["sil"], np.int64)
    for phone, start, end in phones:
        labels[max(0, int(np.ceil(start * rate))) : max(0, int(np.ceil(end * rate)))] = PHONE_INDEX[phone]
    return labels
