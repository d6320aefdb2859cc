"""`python -m training.corpus --hours 10 --out training/data/corpus --seed 0`: speech with phone times."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from codetalker.errors import UserError

from . import build, voices


def _recordings(options: argparse.Namespace) -> Iterable[list[build.Utterance]]:
    from codetalker.bundle import load  # torch is not for the engines' many short-lived processes

    from . import recorded

    if missing := [] if options.skip_missing else recorded.packages():
        raise UserError(f"The corpus needs recordings; install them with `apt install {' '.join(missing)}`.")
    return recorded.utterances(load(options.aligner).encoders["talker"].cpu(), options.seed)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.corpus", description=__doc__.partition(": ")[2])
    parser.add_argument("--hours", type=float, default=10.0, help="of the engines' speech, about (default 10)")
    parser.add_argument("--out", type=Path, default=Path("training/data/corpus"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--aligner", type=Path, default=Path("weights/open"), help="bundle whose encoder times people's recordings"
    )
    parser.add_argument("--engines-only", action="store_true", help="without people's recordings")
    parser.add_argument(
        "--skip-missing", action="store_true", help="do without voices and recordings that are not installed"
    )
    options = parser.parse_args(arguments)
    try:
        if not options.skip_missing:
            voices.require(voice for group, _ in (*build.SHARES, *build.TEST_SHARES) for voice in group)
        available = voices.installed if options.skip_missing else lambda voice: True
        jobs = build.plan(options.hours, options.seed, available)
        aligned = () if options.engines_only else _recordings(options)
        hours = build.build(jobs, aligned, options.out, options.processes)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{hours:.2f} hours of speech in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
