"""`python -m benchmarks.decoding`: the plain autoregressive loop against ours, at the full published sizes.

Randomly initialised models and speech features: weights decide what is said, not how long it takes. The plain loop
recomputes predictor, stage 1 and the vertices of the whole prefix at each frame, as the published code does. Each case
runs in a process of its own, for its peak memory; all times of a line are from one run.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codetalker import decoding
from codetalker.autoencoder import AutoencoderSpec, RegionSpec
from codetalker.predictor import PredictorSpec
from codetalker.talker import Talker, TalkerSpec
from codetalker.windows import FAST, TOGETHER, WINDOW_SECONDS, cross_fade, window_starts

SPEECH_DIM = 768  # of wav2vec2-base


@dataclass(frozen=True)
class Size:
    """Of a published model, from its paper and configs."""

    vertices: int
    fps: int
    styles: int
    parts: int
    code_dim: int
    projected: bool
    layers: int  # of stage 2
    per_frame: int  # speech features


SIZES = {
    "vocaset": Size(5_023, 30, 8, 16, 64, False, 6, 1),
    "biwi": Size(23_370, 25, 6, 8, 128, True, 12, 2),
}


def build(size: Size, device: str) -> Talker:
    """A model of that size whose random codes move it."""
    torch.manual_seed(0)
    regions = (RegionSpec("face", None, size.parts),)
    stage1 = AutoencoderSpec(
        3 * size.vertices, regions, 1024, 8, 6, 1536, 256, size.code_dim, size.projected, output_bias=not size.projected
    )
    predictor = PredictorSpec(
        3 * size.vertices, SPEECH_DIM, size.per_frame, size.styles, 1024, size.layers, period=size.fps
    )
    talker = Talker(TalkerSpec(predictor, stage1)).eval()
    nn.init.normal_(talker.feature_map.weight, std=0.05)
    return talker.to(device)


def timed(work: Callable[[], Tensor]) -> tuple[Tensor, float]:
    begin = time.perf_counter()
    made = work()
    made.flatten()[0].item()  # waits for a GPU
    return made, time.perf_counter() - begin


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def case(name: str, seconds: int, device: str, plain: bool) -> dict[str, float | str]:
    """One line of the table."""
    size = SIZES[name]
    talker = build(size, device)
    style = torch.eye(size.styles, device=device)[:1]
    frames = seconds * size.fps
    torch.manual_seed(1)
    features = torch.randn(1, frames * size.per_frame, SPEECH_DIM, device=device)
    line: dict[str, float | str] = {"size": name, "seconds": seconds, "frames": frames}
    if plain:
        truth, line["plain"] = timed(lambda: decoding.generate_plainly(talker, features, style))
    _, line["once"] = timed(lambda: decoding.arrange(talker).predictor.fused_bias)
    decoding.generate(talker, features[:, : 4 * size.per_frame], style)  # first use of every kernel
    if plain:
        made, line["exact"] = timed(lambda: decoding.generate(talker, features, style))
        line["difference"] = float((made - truth).abs().max() / truth.std())
        line["exact_ratio"] = line["plain"] / line["exact"]
        decode = lambda: decoding.decode(talker, features, style, shortcut=FAST).motion()  # noqa: E731
        _, line["fast"] = timed(decode)
        line["fast_ratio"] = line["plain"] / line["fast"]
    else:
        _, line["windows"] = timed(lambda: in_windows(talker, size, seconds, features, style))
    line["gigabytes"] = peak_gigabytes()
    return line


def in_windows(talker: Talker, size: Size, seconds: int, features: Tensor, style: Tensor) -> Tensor:
    """What a bundle does with long speech."""
    rate = size.fps * size.per_frame
    starts = window_starts(seconds)
    cuts = torch.cat([features[:, start * rate : (start + WINDOW_SECONDS) * rate] for start in starts])
    made = [decoding.decode(talker, part, style.expand(len(part), -1)).latents for part in cuts.split(TOGETHER)]
    return cross_fade(torch.cat(made), tuple(start * size.fps for start in starts), seconds * size.fps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--seconds", nargs="+", type=int, default=[4, 10], help="of audio")
    parser.add_argument(
        "--long", type=int, default=60, help="seconds of audio in windows, without the plain loop; 0: none"
    )
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        name, seconds = options.case
        print(json.dumps(case(name, int(seconds), options.device, int(seconds) in options.seconds)))
        return
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads")
    lengths = [*options.seconds, *([options.long] if options.long else [])]
    for name in options.sizes:
        for seconds in lengths:
            command = [
                sys.executable,
                "-m",
                "benchmarks.decoding",
                "--case",
                name,
                str(seconds),
                "--device",
                options.device,
            ]
            command += ["--seconds", *map(str, options.seconds)]
            line = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                "  ".join(
                    f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in line.items()
                )
            )


if __name__ == "__main__":
    main()
