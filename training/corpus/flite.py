"""flite and its recorded voices, by its command; labels are CMU phones with their ends."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import soundfile

from codetalker.errors import UserError

from .phone_maps import ENGLISH, Phones, UnknownSound, from_table, share_out
from .take import Line, Take, make_take

LATENESS = {"rms": 0.008, "awb": 0.010, "slt": 0.005}  # seconds, against forced alignment


def installed(voice: str) -> bool:
    return shutil.which("flite") is not None and voice in LATENESS


def speak(voice: str, lines: Iterable[Line]) -> Iterator[Take]:
    """Takes of the lines by "rms", "awb" or "slt"."""
    if not installed(voice):
        raise UserError("flite is missing; install it with `apt install flite`.")
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "take.wav"
        for line in lines:
            stretch = f"duration_stretch={1 / line.tempo:.3f}"
            command = ["flite", "-voice", voice, "-psdur", "--setf", stretch, "-t", line.text, "-o", str(wave)]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            speech, rate = soundfile.read(wave, dtype="float32")
            try:
                yield make_take(line, speech, rate, _labels(printed), LATENESS[voice])
            except UnknownSound:
                continue


def _labels(printed: str) -> Phones:
    """printed: "pau:0.131 hh:0.234 ...", names and ends; a long text prints several such rows, each from zero"""
    phones: Phones = []
    start = offset = previous = 0.0
    for name, _, end in (word.rpartition(":") for word in printed.split()):
        if float(end) < previous:
            offset = start
        previous = float(end)
        phones += share_out(from_table(ENGLISH, name), start, offset + previous)
        start = offset + previous
    return phones
