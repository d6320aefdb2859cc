"""How far and how fast the shapes of the mouth move in speech, articulated and in the real capture.

python -m training.corpus.calibration [--style NAME] [--plot FILE.png]

The capture speaks Mandarin and the corpus does not, so no frame has its like: what compares is each shape's range and
speed over minutes of running speech, pauses left out on both sides by the same measure of loudness.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError
from codetalker.motion import ARKIT_NAMES
from codetalker.prosody import measure

from .articulation import STYLES, articulate
from .capture import FPS, load_capture

RUNNING = "speech"  # recordings of running speech begin so; words between long pauses say little about it
MOVES, ACTIVE = 0.02, 0.1  # a shape is used if it stands above this weight in more than this share of the frames
WITHIN = (0.8, 1.2)  # articulated over captured

Spoken = tuple[np.ndarray, np.ndarray]  # motion (T, 55) at 30 fps, speech (N,) at 16 kHz


class Movement(NamedTuple):
    """Of the 52 shapes, over the frames in which somebody speaks."""

    range: np.ndarray  # (52,) 5th to 95th percentile
    speed: np.ndarray  # (52,) mean of its size, weight a second
    active: np.ndarray  # (52,) share of frames above MOVES


def movement(pieces: list[Spoken]) -> Movement:
    weights, speeds = [], []
    for motion, speech in pieces:
        speaking = np.zeros(len(motion), bool)
        for start, end in measure(speech, len(motion), FPS).phrases:
            speaking[start:end] = True
        shapes = motion[:, : len(ARKIT_NAMES)]
        weights.append(shapes[speaking])
        speeds.append(np.abs(np.diff(shapes, axis=0))[speaking[1:] & speaking[:-1]] * FPS)
    pooled = np.concatenate(weights)
    low, high = np.percentile(pooled, [5, 95], axis=0)
    return Movement(high - low, np.concatenate(speeds).mean(0), (pooled > MOVES).mean(0))


def sample_corpus(folder: Path, style: str, seconds: float) -> list[Spoken]:
    """About `seconds` of the corpus' training speech, articulated in one style."""
    table = folder / "utterances.jsonl"
    if not table.exists():
        raise UserError(f"no corpus in {folder}: make one with `python -m training.corpus`, or name it with --corpus")
    speech = np.load(folder / "speech.npy", mmap_mode="r")
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["split"] == "train"]
    total = sum(row["samples"] for row in rows) / SAMPLE_RATE
    pieces = []
    for row in rows[:: max(int(total / seconds), 1)]:
        piece = speech[row["start"] : row["start"] + row["samples"]].astype(np.float32) / 32768
        pieces.append((articulate(row["phones"], piece, STYLES[style]), piece))
    return pieces


def report(articulated: Movement, captured: Movement) -> tuple[list[int], str]:
    """The shapes that the capture uses, and a table of them with a line for those that are left out."""
    moving = [index for index in range(len(ARKIT_NAMES)) if captured.speed[index] > 0]
    used = [index for index in moving if captured.active[index] > ACTIVE]
    lines = [f"{'':20s}{'range':>10s}{'captured':>10s}{'ratio':>8s}{'speed':>10s}{'captured':>10s}{'ratio':>8s}"]
    for index in used:
        line = f"{ARKIT_NAMES[index]:20s}"
        for ours, theirs in ((articulated.range, captured.range), (articulated.speed, captured.speed)):
            line += f"{ours[index]:10.3f}{theirs[index]:10.3f}{ours[index] / theirs[index]:8.2f}"
        lines.append(line)
    rare = [f"{ARKIT_NAMES[i]} ({captured.active[i]:.0%} of the frames)" for i in moving if i not in used]
    lines.append(f"left out: too seldom for a percentile: {', '.join(rare) or 'none'}; never moved: all others")
    return used, "\n".join(lines)


def plot(articulated: Movement, captured: Movement, used: list[int], style: str, out: Path) -> None:
    """Ranges and speeds side by side; above each pair, articulated over captured."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    places = np.arange(len(used))
    sides = ((f"articulated, {style}", articulated, -0.2), ("captured", captured, 0.2))
    for panel, name, label in zip(
        panels, ("range", "speed"), ("5th to 95th percentile", "mean speed, weight a second")
    ):
        theirs = getattr(captured, name)[used]
        for side, of, shift in sides:
            panel.bar(places + shift, getattr(of, name)[used], 0.38, label=side)
        # 20 % around the capture's value: where the articulated bar should end
        panel.errorbar(
            places - 0.2, theirs, 0.2 * theirs, fmt="none", ecolor="black", capsize=4, label="20 % around it"
        )
        tops = np.maximum(getattr(articulated, name)[used], 1.2 * theirs)
        for place, top, ratio in zip(places, tops, getattr(articulated, name)[used] / theirs):
            panel.text(place, top, f"{ratio:.2f}", ha="center", va="bottom", fontsize=8)
        panel.margins(y=0.12)
        panel.set_ylabel(label)
    panels[0].legend(frameon=False)
    panels[1].set_xticks(places, [ARKIT_NAMES[index] for index in used], rotation=20, ha="right")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.corpus.calibration", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("training/data/corpus"))
    parser.add_argument("--capture", type=Path, default=Path("../shared/capture"))
    parser.add_argument("--style", default="brisk", choices=sorted(STYLES))
    parser.add_argument("--seconds", type=float, default=600.0, help="of the corpus' speech")
    parser.add_argument("--plot", type=Path, default=Path("weights/open/plots/calibration.png"))
    args = parser.parse_args(arguments)
    try:
        running = [one for one in load_capture(args.capture) if one.name.startswith(RUNNING)]
        if not running:
            raise UserError(f"no running speech in {args.capture}: nothing to compare with")
        captured = movement([(one.motion, one.speech) for one in running])
        articulated = movement(sample_corpus(args.corpus, args.style, args.seconds))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    used, table = report(articulated, captured)
    print(table)
    ratios = np.r_[articulated.range[used] / captured.range[used], articulated.speed[used] / captured.speed[used]]
    inside = (ratios >= WITHIN[0]) & (ratios <= WITHIN[1])
    print(f"{inside.sum()} of {len(ratios)} ratios within {WITHIN[0]} to {WITHIN[1]}")
    plot(articulated, captured, used, args.style, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
