"""`python -m benchmarks.shortcut`: what the shortcut of stage 1 does to the motion, on trained weights.

The weights are open ones in the published, non-causal form (`python -m training stage1 --form published`, then
`talker`), the clips held-out ones. Codes that differ change the past that the next frame sees, so the motions part for
good: what counts is whether the lips are any further from the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from codetalker import decoding
from codetalker.head import load_head
from codetalker.specs import open_talker, published_form
from codetalker.talker import Talker
from codetalker.temporal import Shortcut
from training.geometry import FaceGeometry
from training.motion_set import MotionSet

SHORTEST = 120  # frames of a clip
SHORTCUTS = (None, *(Shortcut(*numbers) for numbers in ((8, 15), (8, 30), (4, 15), (8, 10**6), (1, 10**6))))


def figures(exact: Tensor, made: Tensor, truth: Tensor, geometry: FaceGeometry) -> dict[str, float]:
    """(T, 55) each: how far the lips are from the exact decode's and from the truth, in mm."""
    moved, _ = geometry.distance(made, exact)
    return {
        "lips to exact mm": float(moved.mean()),
        "frames off by 0.1 mm %": 100 * float((moved > 0.1).float().mean()),
        "lips to truth mm": float(geometry.distance(made, truth)[0].mean()),
        "gap to truth mm": float((geometry.gap(made) - geometry.gap(truth)).abs().mean()),
        "step mm": float(geometry.distance(made[1:], made[:-1])[0].mean()),
    }


def words(shortcut: Shortcut | None) -> str:
    return "exact" if shortcut is None else f"last {shortcut.recent}, all every {shortcut.refresh}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("training/runs/published"))
    parser.add_argument("--head", default="alex")
    options = parser.parse_args()
    motions = MotionSet(options.runs / "motion")
    spec = open_talker(motions.features.shape[1], len(motions.styles), published_form())
    talker = Talker(spec)
    talker.load_state_dict(load_file(options.runs / "talker" / "model.safetensors"))
    decoding.arrange(talker.eval())
    geometry = FaceGeometry(load_head(options.head))
    clips = [clip for clip in motions.split("test") if clip.frames >= SHORTEST]
    exact: list[Tensor] = []
    for shortcut in SHORTCUTS:
        rows = []
        for index, clip in enumerate(clips):
            features, truth = (torch.from_numpy(part) for part in motions.read(clip))
            style = torch.eye(len(motions.styles))[motions.styles.index(clip.style)][None]
            made = decoding.decode(talker, features[None], style, shortcut=shortcut).motion()[0]
            if shortcut is None:
                exact.append(made)
            rows.append(figures(exact[index], made, truth, geometry))
        means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        print(f"{words(shortcut):40}" + "  ".join(f"{name} {value:.3f}" for name, value in means.items()), flush=True)
    print(f"{len(clips)} clips")


if __name__ == "__main__":
    main()
