"""The spoken dialogues of the adventure game Flight of the Amazon Queen, with their subtitles, from its one data file.

The file opens with a table of what it holds: `QTBL`, the version (8 bytes), how the sound is packed (1: MPEG layer 3),
then a count and for each entry name (12), number of the file, offset and size, big-endian. Of these are read
NAME.DOG (dialogues: what the hero may say, and what he is answered), NAME.CUT (scenes) and the .SB sounds. A line's
sounds are numbered by its parts; a part ends at an asterisk, which two letters or digits of stage direction follow.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

PATH = Path("/usr/share/scummvm/flight-of-the-amazon-queen/queen.1c")
ENTRY = struct.Struct(">12sBII")
HEADER = 20  # bytes of every entry that is no sound
LEVEL = 96  # bytes of a dialogue's level of choices
DIRECTION = re.compile(r"XY.{11}|..", re.DOTALL)
HERO = "joe"


def lines() -> Iterator[tuple[str, np.ndarray, int, str]]:
    """Speaker, speech (N,) float32, its sample rate and what is said, of all sounds that have a subtitle."""
    whole = PATH.read_bytes()
    count = int.from_bytes(whole[13:15], "big")
    entries = {
        name.split(b"\0")[0].decode("ascii"): whole[start : start + size]
        for name, _, start, size in ENTRY.iter_unpack(whole[15 : 15 + count * ENTRY.size])
    }
    for name, entry in entries.items():
        stem, _, kind = name.rpartition(".")
        if kind not in ("DOG", "CUT"):
            continue
        for speaker, key, line in (_dialogue if kind == "DOG" else _scene)(stem, entry[HEADER:]):
            for number, part in enumerate(line.split("*")):
                sound = entries.get(f"{key}{number + 1:X}.SB")
                said = DIRECTION.sub("", part, count=1) if number else part
                if sound and said.strip():
                    speech, rate = soundfile.read(io.BytesIO(sound), dtype="float32")
                    yield speaker, speech, rate, said.strip()


def _dialogue(stem: str, data: bytes) -> Iterator[tuple[str, str, str]]:
    """Speaker, sounds' key and line of a dialogue: the hero's lines, the other's, and both when they meet again."""
    levels, _, key, of_hero, of_other = struct.unpack(">5h", data[:10])
    other, _, again = struct.unpack(">3H", data[22:28])
    hero = 32 + abs(levels) * LEVEL
    whom = re.sub(r"\d+$", "", stem).lower()
    yield HERO, f"{key:02}SSSSJ", _text(data, hero + 4)[0]
    for speaker, mark, at, count in ((HERO, "J", hero, of_hero), (whom, "P", other, of_other)):
        for _ in range(count):
            number = int.from_bytes(data[at + 2 : at + 4], "big")
            line, at = _text(data, at + 4, align=4)
            yield speaker, f"{key:02}{number:04X}{mark}", line
    for speaker, mark in ((whom, "P"), (HERO, "J")):
        line, again = _text(data, again)
        yield speaker, f"{key:02}XXXX{mark}", line


def _scene(stem: str, data: bytes) -> Iterator[tuple[str, str, str]]:
    """The same of a scene, which doesn't tell simply who speaks: a line for each of its objects."""
    count, at = abs(int.from_bytes(data[2:4], "big", signed=True)), int.from_bytes(data[8:10], "big")
    _, at = _text(data, at)  # how the hero stands
    for number in range(1, count + 1):
        line, at = _text(data, at)
        yield "scenes", f"{stem:_<5}{number:02}", line


def _text(data: bytes, at: int, align: int = 2) -> tuple[str, int]:
    """The text at `at`, its length before it, and where the next begins."""
    length, at = data[at], at + 1
    text = data[at : at + length].split(b"\0")[0].decode("latin-1")
    return text, (at + length + align - 1) // align * align if length else at
