"""`python -m benchmarks.shortcut`: what the shortcut of stage 1 does to the motion, on trained weights.

The weights are open ones in the published, non-causal form (`python -m training stage1 --form published`, then
`talker`), the clips held-out ones. The frame that is fed back is a little off, and where the talker then chooses
another code the motions part for good: what counts is whether the lips are any further from the truth.
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
from codetalker.talker import Talker, TalkerGroup
from codetalker.temporal import Shortcut
from training.geometry import FaceGeometry
from training.motion_set import MotionSet

SHORTEST = 180  # frames of a clip
DIFFERENT_MM = 0.05  # mean difference of the lips by which two frames are told apart
HEADING = """
| recomputed at each step | fed back, off by mm | frames that differ % | lips from truth mm | gap from truth mm |
|---|---|---|---|---|""".strip()
NEVER = 10**6
SHORTCUTS = (None, *(Shortcut(*numbers) for numbers in ((2, 15), (2, 10), (4, 15), (2, NEVER))))


@torch.inference_mode()
def fed_back(talker: Talker, truth: Tensor, shortcut: Shortcut | None) -> Tensor:
    """What the predictor would see of each frame, given the true motion's codes: (T, 55) -> (T, 55)."""
    stage1 = talker.autoencoder
    states = stage1.start(shortcut)
    vectors = stage1.lookup(stage1.encode(truth[None]))
    return stage1.readout()(torch.cat([stage1.step(one, states) for one in vectors.split(1, 1)], 1))[0]


def words(shortcut: Shortcut | None) -> str:
    if shortcut is None:
        return "all (exact)"
    return f"last {shortcut.recent}, " + (f"all every {shortcut.refresh}" if shortcut.refresh < NEVER else "never all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("training/runs"))
    parser.add_argument("--head", default="alex")
    options = parser.parse_args()
    motions = MotionSet(options.runs / "motion")
    spec = open_talker(motions.features.shape[1], len(motions.styles), published_form())
    whole = TalkerGroup(spec)
    whole.load_state_dict(load_file(options.runs / "published" / "talker" / "model.safetensors"))
    (talker,) = decoding.arrange(whole.eval()).members
    geometry = FaceGeometry(load_head(options.head))
    clips = [clip for clip in motions.split("test") if clip.frames >= SHORTEST]
    print(HEADING)
    exact: list[tuple[Tensor, Tensor]] = []
    for shortcut in SHORTCUTS:
        rows = []
        for index, clip in enumerate(clips):
            features, truth = (torch.from_numpy(part) for part in motions.read(clip))
            style = torch.eye(len(motions.styles))[motions.styles.index(clip.style)][None]
            seen = fed_back(talker, truth, shortcut)
            made = decoding.decode(talker, features[None], style, shortcut=shortcut).motion()[0]
            if shortcut is None:
                exact.append((seen, made))
            off = geometry.distance(seen, exact[index][0])[0]
            moved = geometry.distance(made, exact[index][1])[0] > DIFFERENT_MM
            lips = geometry.distance(made, truth)[0]
            gap = (geometry.gap(made) - geometry.gap(truth)).abs()
            rows.append([off.mean(), 100 * moved.float().mean(), lips.mean(), gap.mean()])
        means = torch.tensor(rows).mean(0).tolist()
        print(f"| {words(shortcut)} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |", flush=True)
    print(f"\n{len(clips)} clips of {SHORTEST} frames and more")


if __name__ == "__main__":
    main()
