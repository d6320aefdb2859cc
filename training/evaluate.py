"""`python -m training.evaluate`: talker beside baseline, on held-out speech and on recordings of people.

Held-out clips are judged by the field's measures on the vertices of our head, in millimetres. Recordings of people have
no true motion: they are judged from phone times, by the `report(names, weights, fps, phones)` of the script that
--lipsync names.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import codetalker
from codetalker import metrics
from codetalker.bundle import MODELS, Bundle
from codetalker.errors import UserError
from codetalker.head import Head, load_head
from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.windows import Heard

from .geometry import MILLIMETRES
from .motion_set import FPS, MotionSet
from .speech import real_clips

POOLED_BY = {"closure_recall": "bilabials", "closure_precision": "closures"}  # shares of counted events
REAL = (
    "closure_recall",
    "closure_precision",
    "silence_closed",
    "aperture_r",
    "round_r",
    "lag_ms",
    "gap95_mm",
    "jitter",
)


def of_people(
    bundle: Bundle, model: str, clips: list, report: Callable[..., dict], style: str | None
) -> dict[str, float]:
    """Figures of the recordings, pooled: shares of events by their counts, the rest by the mean."""
    rows = []
    for _, speech, phones in tqdm(clips, f"people, {model}", leave=False):
        animation = bundle.generate(bundle.encode(speech, model), style, model)
        rows.append(report(list(ARKIT_NAMES), animation.weights, animation.fps, phones))
    pooled = {}
    for name in REAL:
        kept = [row for row in rows if row[name] is not None]
        counts = [row[POOLED_BY[name]] if name in POOLED_BY else 1 for row in kept]
        pooled[name] = float(np.average([row[name] for row in kept], weights=counts))
    return pooled


def against_truth(bundle: Bundle, model: str, motions: MotionSet, split: str, head: Head) -> dict[str, float]:
    """LVE in mm^2, FDD signed and absolute in mm^2, MVE and MOD in mm, each held-out clip in its own style."""
    true, made = [], []
    for clip in tqdm(motions.split(split), f"{split}, {model}", leave=False):
        features, motion = motions.read(clip)
        animation = bundle.generate(Heard(torch.from_numpy(features)[None]), clip.style, model)
        for one, kept in ((Animation.from_motion(motion, FPS), true), (animation, made)):
            still = np.zeros_like(one.head_rotation)  # a turned head would drown the face
            kept.append(head.deform(one.weights, still) * MILLIMETRES)
    rest = head.deform(np.zeros((1, len(ARKIT_NAMES)), np.float32), np.zeros((1, 3), np.float32))[0] * MILLIMETRES
    lips, upper = head.regions["lips"], head.regions["upper_face"]
    inner = head.regions["inner_lip_upper"], head.regions["inner_lip_lower"]
    neutral = [rest] * len(true)
    return {
        "LVE mm2": metrics.lip_vertex_error(true, made, lips),
        "FDD mm2": metrics.face_dynamics_deviation(true, made, neutral, upper),
        "|FDD| mm2": metrics.face_dynamics_deviation(true, made, neutral, upper, absolute=True),
        "MVE mm": metrics.mean_vertex_error(true, made),
        "MOD mm": metrics.mouth_opening_difference(true, made, *inner),
    }


def load_report(path: Path) -> Callable[..., dict]:
    """The measuring function of a script outside this project."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.report


def table(figures: dict[str, dict[str, float]]) -> str:
    """A row a measure, a column a model."""
    names = list(next(iter(figures.values())))
    lines = [f"{'':20}" + "".join(f"{model:>12}" for model in figures)]
    lines += [f"{name:20}" + "".join(f"{figures[model][name]:12.3f}" for model in figures) for name in names]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.partition(": ")[2])
    parser.add_argument("--weights", type=Path, default=Path("weights/open"))
    parser.add_argument(
        "--motion", type=Path, default=Path("training/runs/motion"), help="of python -m training motion"
    )
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    parser.add_argument("--head", default="alex")
    parser.add_argument("--real", type=Path, default=Path("../shared/speech"), help="recordings with phones.json")
    parser.add_argument("--lipsync", type=Path, default=Path("../shared/tools/lipsync.py"))
    parser.add_argument("--style", help="in which the recordings are spoken (default: the bundle's first)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        bundle = codetalker.load(options.weights)
        figures: dict[str, dict[str, float]] = {model: {} for model in MODELS if getattr(bundle, model) is not None}
        motions = MotionSet(options.motion) if (options.motion / "clips.jsonl").exists() else None
        clips = real_clips(options.real) if options.lipsync.exists() else []
        for model, row in figures.items():
            if motions is not None:
                row |= against_truth(bundle, model, motions, options.split, load_head(options.head))
            if clips:
                row |= of_people(bundle, model, clips, load_report(options.lipsync), options.style)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(figures))
    print(f"{len(motions.split(options.split)) if motions else 0} held-out clips, {len(clips)} recordings of people")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
