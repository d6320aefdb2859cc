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
from dataclasses import asdict, dataclass

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


@dataclass
class Line:
    """Of the table: seconds spent, and what they bought."""

    size: str
    seconds: int  # of audio
    frames: int
    plain: float | None = None
    exact: float | None = None
    fast: float | None = None
    windows: float | None = None
    difference: float | None = None  # of exact from plain, the largest, in deviations of the motion
    gigabytes: float = 0.0  # peak of the process

    def row(self) -> str:
        def ratio(seconds: float | None) -> str:
            return f"{self.plain / seconds:.1f}" if self.plain and seconds else ""

        def told(number: float | None, digits: int) -> str:
            return "" if number is None else f"{number:.{digits}f}"

        cells = [self.size, f"{self.seconds} s", str(self.frames), told(self.plain, 1), told(self.exact, 1)]
        cells += [ratio(self.exact), told(self.fast, 1), ratio(self.fast), told(self.windows, 1)]
        cells += ["" if self.difference is None else f"{self.difference:.0e}", told(self.gigabytes, 1)]
        return f"| {' | '.join(cells)} |"


HEADING = (
    "| size | audio | frames | plain s | exact s | ratio | fast s | ratio | windows s | difference | peak GB |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def measure(size_name: str, seconds: int, device: str, plain: bool) -> Line:
    """plain: against the plain loop; else in windows, alone."""
    size = SIZES[size_name]
    talker = build(size, device)
    style = torch.eye(size.styles, device=device)[:1]
    line = Line(size_name, seconds, seconds * size.fps)
    torch.manual_seed(1)
    features = torch.randn(1, line.frames * size.per_frame, SPEECH_DIM, device=device)
    decoding.generate(talker, features[:, : 4 * size.per_frame], style)  # first use of every kernel
    if plain:
        truth, line.plain = timed(lambda: decoding.generate_plainly(talker, features, style))
    decoding.arrange(talker)  # as a bundle is loaded
    if not plain:
        _, line.windows = timed(lambda: in_windows(talker, size, seconds, features, style))
    else:
        made, line.exact = timed(lambda: decoding.generate(talker, features, style))
        line.difference = float((made - truth).abs().max() / truth.std())
        _, line.fast = timed(lambda: decoding.decode(talker, features, style, shortcut=FAST).motion())
    line.gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
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
        line = measure(name, int(seconds), options.device, int(seconds) in options.seconds)
        print(json.dumps(asdict(line)))
        return
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads\n\n{HEADING}")
    lengths = [*options.seconds, *([options.long] if options.long else [])]
    for name in options.sizes:
        for seconds in lengths:
            command = [sys.executable, "-m", "benchmarks.decoding", "--case", name, str(seconds)]
            command += ["--device", options.device, "--seconds", *map(str, options.seconds)]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            print(Line(**json.loads(told)).row(), flush=True)


if __name__ == "__main__":
    main()
