"""`python -m training.evaluate`: the talker beside the baseline and two rivals, in one table.

Held-out clips are judged by the field's measures on the vertices of our head, in millimetres. Recordings of people have
no true motion: they are judged from phone times, by the `report(names, weights, fps, phones)` of the script that
--lipsync names. With --data, a bundle of vertices is judged on VOCASET, BIWI or one's own by their protocols. With
--streamed, the recordings are heard live, and stand beside the talker that hears them whole.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import codetalker
from codetalker.audio import SAMPLE_RATE
from codetalker.bundle import MODELS, Bundle
from codetalker.errors import UserError
from codetalker.head import load_head
from codetalker.motion import Animation
from codetalker.streaming import Stream

from .datasets import FaceData, open_data
from .judging import (
    Figures,
    HeldOut,
    against_truth,
    held_out,
    held_out_of,
    in_noise,
    of_people,
    over_seeds,
    people_of,
    real_time_factor,
    separability,
    spread,
)
from .motion_set import MotionSet
from .protocols import UPPER_REGIONS, official_split, on_data, read_mask
from .rivals import Loudness, Visemes
from .speech import real_clips

__all__ = ["against_truth", "load_report", "main", "of_people", "table"]

Table = dict[str, Figures]
NOISE = 10.0  # dB, how far it lies below the speech
EACH = 12  # recordings of each speaker of the corpus who is kept for testing
TIMED = 8  # held-out clips, where there are no recordings of people
LOOK_AHEADS = (0.0, 0.06, 0.1, 0.2)  # seconds, of streams
CHUNK = SAMPLE_RATE // 10  # samples that a stream gets at a time


def load_report(path: Path) -> Callable[..., dict]:
    """The measuring function of a script outside this project."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.report


def table(figures: Table) -> str:
    """A row a measure, a column a model; "-" where a model has no such measure."""
    names = list(dict.fromkeys(name for row in figures.values() for name in row))
    width = max(20, *(len(name) + 2 for name in names))
    lines = [" " * width + "".join(f"{model:>14}" for model in figures)]
    lines += [f"{name:{width}}" + "".join(_cell(row.get(name)) for row in figures.values()) for name in names]
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return f"{'-':>14}"
    return f"{value:14.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:14.3e}"


def on_open(options: argparse.Namespace, bundle: Bundle, data: FaceData | None) -> tuple[Table, list[str]]:
    """The whole table of an open bundle, and what is to be said below it. data: one's own ARKit motion, held out."""
    if bundle.space != "arkit":
        raise UserError(f"the bundle {bundle.name} moves vertices: name the data to judge it on, by --data")
    motions = MotionSet(options.motion) if (options.motion / "clips.jsonl").exists() else None
    if data is not None:
        clips = held_out_of(data, official_split(data, options.split), bundle)
    else:
        clips = held_out(motions, options.split, options.corpus, options.capture) if motions else []
    if options.clips and clips:
        clips = [clips[index] for index in np.unique(np.linspace(0, len(clips) - 1, options.clips).astype(int))]
    people = people_heard(options) if options.lipsync.exists() else {}
    rivals, notes = _rivals(bundle, motions)
    models = {name: bundle for name in MODELS if getattr(bundle, name) is not None}
    figures = {}
    for name, one in (models | rivals).items():
        figures[name], told = _row(one, name, options, clips, people)
        notes += told
    counts = Counter(clip.group for clip in clips)
    held = " and ".join(f"{count} {group}" for group, count in counts.items()) or "no"
    notes.append(f"{held} held-out clips, {len(bundle.styles)} styles")
    notes += [f"{len(heard)} recordings: {name.strip() or 'people'}" for name, heard in people.items()]
    notes.append(f"real-time factor on {torch.get_num_threads()} threads, {bundle.device.type}")
    return figures, notes


def people_heard(options: argparse.Namespace) -> dict[str, list]:
    """Recordings of people by what stands before their rows: those of --real, the same in noise, the groups
    asked for, and each of the corpus' speakers that training never heard."""
    real = real_clips(options.real)
    groups = {"": real, f"{NOISE:g} dB noise ": in_noise(real, NOISE)} if real else {}
    for name, _, firsts in (group.partition("=") for group in options.group):
        heard = [clip for clip in real if clip[0].startswith(tuple(filter(None, firsts.split(","))))]
        if not heard:
            raise UserError(f"--group {name}={firsts}: no recording in {options.real} has a name that begins so")
        groups[f"{name} "] = heard
    return groups | {f"{voice} ": heard for voice, heard in people_of(options.corpus, EACH).items()}


def _row(
    one: Bundle | Loudness | Visemes,
    name: str,
    options: argparse.Namespace,
    clips: list[HeldOut],
    people: dict[str, list],
) -> tuple[Figures, list[str]]:
    """All figures of one model or rival."""
    row, notes, head = {}, [], load_head(options.head)
    silent = sum(clip.speech is None for clip in clips) if isinstance(one, Visemes) else 0
    if silent:
        notes.append(f"{name}: the speech of {silent} held-out clips is not here (--corpus, --capture)")
    elif clips:
        row |= against_truth(one, name, clips, head)
    for group, heard in people.items():
        judged = of_people(one, name, heard, load_report(options.lipsync), options.style)
        row |= {group + measure: figure for measure, figure in judged.items()}
    if isinstance(one, Bundle) and clips:
        row |= over_seeds(one, name, clips, head) | separability(one, name, clips, one.styles)
    spoken = [clip.speech for clip in spread(clips, TIMED) if clip.speech is not None] if clips else []
    if timed := [speech for _, speech, _ in people.get("", [])] or spoken:
        row["real-time factor"] = real_time_factor(one, name, timed)
    return row, notes


def _rivals(bundle: Bundle, motions: MotionSet | None) -> tuple[dict[str, object], list[str]]:
    rivals, notes = {}, []
    if motions is not None:
        rivals["loudness"] = Loudness(bundle, motions)
    else:
        notes.append("loudness: left out, there are no training clips to fit the jaw on (--motion)")
    if Visemes.installed():
        rivals["pocketsphinx"] = Visemes()
    else:
        notes.append("pocketsphinx: left out, it is not installed (pip install pocketsphinx)")
    return rivals, notes


class Live:
    """A bundle that hears speech as it is spoken; it encodes and generates as a bundle does. seconds: of CPU, so far"""

    def __init__(self, bundle: Bundle, look_ahead: float) -> None:
        self.bundle, self.look_ahead, self.seconds = bundle, look_ahead, 0.0

    def encode(self, speech: np.ndarray, model: str) -> np.ndarray:
        return speech

    def generate(self, speech: np.ndarray, style: str | None, model: str) -> Animation:
        stream, begun = Stream(self.bundle, style, model, self.look_ahead), time.process_time()
        made = [stream.push(speech[start : start + CHUNK]) for start in range(0, len(speech), CHUNK)]
        made.append(stream.finish())
        self.seconds += time.process_time() - begun
        return Animation.from_motion(np.concatenate(made), self.bundle.fps)


def on_streams(options: argparse.Namespace, bundle: Bundle) -> tuple[Table, list[str]]:
    """The talker that hears recordings of people whole, beside itself hearing them live."""
    people = real_clips(options.real) if options.lipsync.exists() else []
    if not people:
        raise UserError(f"--streamed needs recordings of people: {options.real}/phones.json, and {options.lipsync}")
    report = load_report(options.lipsync)
    figures = {"whole": of_people(bundle, "talker", people, report, options.style)}
    seconds = sum(len(speech) for _, speech, _ in people) / SAMPLE_RATE
    for look_ahead in LOOK_AHEADS:
        live, name = Live(bundle, look_ahead), f"{1000 * look_ahead:.0f} ms"
        figures[name] = of_people(live, "talker", people, report, options.style)
        figures[name]["CPU seconds a second"] = live.seconds / seconds
    told = f"in chunks of {CHUNK / SAMPLE_RATE:g} s, on {torch.get_num_threads()} threads"
    return figures, [f"{len(people)} recordings of people, {seconds:.0f} s, {told}"]


def on_vertices(options: argparse.Namespace, bundle: Bundle, data: FaceData) -> tuple[Table, list[str]]:
    """The field's measures on a data set, with its masks."""
    if options.lips is None or options.upper is None:
        raise UserError("--data needs --lips and --upper, the masks: BIWI's lve.txt and fdd.txt, or a FLAME_masks.pkl")
    split = official_split(data, options.split)
    lips = read_mask(options.lips, ("lips",), data.vertices)
    upper = read_mask(options.upper, UPPER_REGIONS, data.vertices)
    present = [name for name in MODELS if getattr(bundle, name) is not None]
    figures = {name: on_data(bundle, name, data, split, lips, upper) for name in present}
    told = f"{len(data.split(split))} sequences of {data.spec.name}'s {split}"
    return figures, [f"{told}; masks of {len(lips)} lip and {len(upper)} upper-face vertices"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.partition(": ")[2])
    parser.add_argument("--weights", type=Path, default=Path("weights/open"))
    parser.add_argument(
        "--motion", type=Path, default=Path("training/runs/motion"), help="of python -m training motion"
    )
    parser.add_argument("--split", default="test", help="validation or test; of BIWI test-a (test) or test-b")
    parser.add_argument("--head", default="alex")
    parser.add_argument("--corpus", type=Path, default=Path("training/data/corpus"), help="the held-out clips' speech")
    parser.add_argument("--capture", type=Path, default=Path("../shared/capture"), help="that of the captured ones")
    parser.add_argument("--clips", type=int, help="at most so many held-out clips")
    parser.add_argument("--real", type=Path, default=Path("../shared/speech"), help="recordings with phones.json")
    parser.add_argument(
        "--group", action="append", default=[], metavar="NAME=FIRST,FIRST", help="rows of some of them, by file name"
    )
    parser.add_argument("--lipsync", type=Path, default=Path("../shared/tools/lipsync.py"))
    parser.add_argument("--style", help="in which the recordings are spoken (default: the bundle's first)")
    parser.add_argument("--streamed", action="store_true", help="judge what is lost by hearing the recordings live")
    parser.add_argument("--data", type=Path, help="judge on VOCASET, BIWI or your own instead")
    parser.add_argument("--lips", type=Path, help="of --data: vertex numbers in a text, or a FLAME_masks.pkl")
    parser.add_argument("--upper", type=Path, help="the same of the upper face")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        bundle = codetalker.load(options.weights)
        data = None if options.data is None else open_data(options.data)
        judge = on_open if data is None or data.space == "arkit" else on_vertices
        figures, notes = on_streams(options, bundle) if options.streamed else judge(options, bundle, data)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(figures))
    print(*notes, sep="\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
