"""`python -m training.corpus.examples --out assets/speech`: the example recordings of the app, with their phone times.

Spoken by voices whose licences let anyone use the result, so that nothing but this file is behind them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError

from . import voices
from .take import Line, Take
from .voices import Voice

BEFORE, AFTER = 0.3, 0.5  # seconds of silence around the speech
LOUDNESS = -20.0  # dB, rms
FADE = 0.01  # seconds at either end

_TITLE = """# Example speech

Mono, 16 kHz, made by `python -m training.corpus.examples`; `phones.json` has the engines' phone times.
"""
_LICENCE = """
The voices may be used, copied, modified and sold by anyone (the BSD-like licences of Carnegie Mellon University, in
`/usr/share/doc/*/copyright` of their Debian packages); the sentences are this project's own and come under its licence.
"""


@dataclass(frozen=True)
class Example:
    """One recording: a file name without ending, what it shows, who speaks."""

    name: str
    shows: str
    voice: Voice
    line: Line


_BY_NAME = {voice.full_name: voice for voice in voices.RECORDED_ENGLISH}
_SLT, _RMS, _AWB = (_BY_NAME[f"flite:{name}"] for name in ("slt", "rms", "awb"))
_SLT_HTS = _BY_NAME["festival:cmu_us_slt_arctic_hts"]

EXAMPLES = (
    Example(
        "introduction",
        "two sentences with a pause",
        _SLT,
        Line("Hello, I am a voice that has no face. Please lend me one, and watch my lips while I speak."),
    ),
    Example(
        "market",
        "a list, full of closures",
        _RMS,
        Line("My mother bought apples, plums, peppers, bread, butter, and a big bag of mushrooms."),
    ),
    Example(
        "question",
        "questions",
        _SLT_HTS,
        Line("Who would you rather meet tomorrow, Oliver or Emma? Why not both of them?"),
    ),
    Example(
        "moon",
        "rounded lips",
        _AWB,
        Line("The moon rose slowly over the cool blue pool, while two owls watched us from a wooden roof."),
    ),
    Example(
        "ferry",
        "lips on teeth, and th",
        _RMS,
        Line("Fifty-five people waved from the ferry. Then, without a word, five of them walked home through the fog."),
    ),
)


def record(example: Example) -> Take:
    """The example's speech (N,) at 16 kHz, between -1 and 1, with short silences around it, and its phones."""
    (take,) = voices.speak(example.voice, [example.line])
    spoken = [phone for phone in take.phones if phone[0] != "sil"]
    first, last = spoken[0][1], spoken[-1][2]
    begin, end = round((first - BEFORE) * SAMPLE_RATE), round((last + AFTER) * SAMPLE_RATE)
    speech = np.pad(take.speech[max(begin, 0) : end], (max(-begin, 0), max(end - len(take.speech), 0)))
    ramp = np.linspace(0, 1, round(FADE * SAMPLE_RATE), dtype=np.float32)
    speech[: len(ramp)] *= ramp
    speech[-len(ramp) :] *= ramp[::-1]
    speech *= min(10 ** (LOUDNESS / 20) / np.sqrt(np.mean(speech**2)), 0.98 / np.abs(speech).max())
    shift, seconds = begin / SAMPLE_RATE, len(speech) / SAMPLE_RATE
    inner = [(phone, start - shift, stop - shift) for phone, start, stop in take.phones if first <= start < last]
    return Take(take.line, speech, [("sil", 0.0, first - shift), *inner, ("sil", last - shift, seconds)])


def write(out: Path) -> None:
    """A flac per example, README.md with what they say, and phones.json."""
    voices.require({example.voice for example in EXAMPLES})
    out.mkdir(parents=True, exist_ok=True)
    table = ["| file | seconds | voice | shows | text |", "|---|---|---|---|---|"]
    clips = {}
    for example in EXAMPLES:
        take = record(example)
        soundfile.write(out / f"{example.name}.flac", take.speech, SAMPLE_RATE, subtype="PCM_16")
        seconds = len(take.speech) / SAMPLE_RATE
        row = (f"{example.name}.flac", f"{seconds:.1f}", example.voice.full_name, example.shows, example.line.text)
        table.append(f"| {' | '.join(row)} |")
        phones = [[phone, round(start, 3), round(end, 3)] for phone, start, end in take.phones]
        clips[f"{example.name}.flac"] = {"text": example.line.text, "phones": phones}
    (out / "README.md").write_text("\n".join([_TITLE, *table, _LICENCE]), encoding="utf-8")
    rows = [f"{json.dumps(name)}: {json.dumps(clip)}" for name, clip in clips.items()]
    (out / "phones.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.corpus.examples", description="Records the examples.")
    parser.add_argument("--out", type=Path, default=Path("assets/speech"))
    try:
        write(parser.parse_args(arguments).out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
