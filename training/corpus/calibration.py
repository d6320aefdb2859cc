"""How far and how fast the shapes of the mouth move, here and in the real capture.

python -m training.corpus.calibration [--style NAME]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from codetalker.audio import SAMPLE_RATE
from codetalker.motion import ARKIT_NAMES

from .articulation import STYLES, articulate
from .capture import FPS, load_capture

SHAPES = (
    "jawOpen",
    "mouthFunnel",
    "mouthPucker",
    "mouthSmileLeft",
    "mouthRollLower",
    "mouthLowerDownLeft",
    "mouthUpperUpLeft",
)
FIGURES = ("mean", "deviation", "95th percentile", "speed, 95th percentile")


def figures(motions: list[np.ndarray]) -> np.ndarray:
    """(4, len(SHAPES)): FIGURES of each shape over all frames, speed in weight a second. motions: (T, 55), 30 fps."""
    columns = [ARKIT_NAMES.index(name) for name in SHAPES]
    weights = np.concatenate([motion[:, columns] for motion in motions])
    speed = np.concatenate([np.abs(np.diff(motion[:, columns], axis=0)) * FPS for motion in motions])
    return np.stack([weights.mean(0), weights.std(0), np.percentile(weights, 95, 0), np.percentile(speed, 95, 0)])


def sample_corpus(folder: Path, style: str, seconds: float = 600.0) -> list[np.ndarray]:
    """Motions of about `seconds` of the corpus' training speech in one style."""
    speech = np.load(folder / "speech.npy", mmap_mode="r")
    rows = [json.loads(line) for line in (folder / "utterances.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["split"] == "train"]
    total = sum(row["samples"] for row in rows) / SAMPLE_RATE
    motions = []
    for row in rows[:: max(int(total / seconds), 1)]:
        piece = speech[row["start"] : row["start"] + row["samples"]].astype(np.float32) / 32768
        motions.append(articulate(row["phones"], piece, STYLES[style]))
    return motions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("training/data/corpus"))
    parser.add_argument("--capture", type=Path, default=Path("../shared/capture"))
    parser.add_argument("--style", default="neutral", choices=sorted(STYLES))
    args = parser.parse_args()
    # Words with long pauses say little about running speech: only speech15 compares.
    running = [piece.motion for piece in load_capture(args.capture) if piece.name.startswith("speech")]
    rows = [("articulated", figures(sample_corpus(args.corpus, args.style)))]
    if running:
        rows.append(("captured", figures(running)))
    for index, figure in enumerate(FIGURES):
        print(f"{figure:24s}" + "".join(f"{name:>20s}" for name in SHAPES))
        for label, table in rows:
            print(f"  {label:22s}" + "".join(f"{value:20.3f}" for value in table[index]))


if __name__ == "__main__":
    main()
