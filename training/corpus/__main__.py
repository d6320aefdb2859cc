"""`python -m training.corpus --hours 6 --out training/data/corpus --seed 0`: speech with phone times."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from codetalker.errors import UserError

from . import build, voices


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.corpus", description=__doc__.partition(": ")[2])
    parser.add_argument("--hours", type=float, default=6.0, help="of speech, about (default 6)")
    parser.add_argument("--out", type=Path, default=Path("training/data/corpus"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--skip-missing", action="store_true", help="do without voices that are not installed")
    options = parser.parse_args(arguments)
    try:
        if not options.skip_missing:
            voices.require(voice for group, _ in (*build.SHARES, *build.TEST_SHARES) for voice in group)
        available = voices.installed if options.skip_missing else lambda voice: True
        hours = build.build(build.plan(options.hours, options.seed, available), options.out, options.processes)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{hours:.2f} hours of speech in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
