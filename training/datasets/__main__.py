"""`python -m training.datasets check FOLDER`: what is wrong with a folder of facial motion and speech, by file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .check import check


def main(arguments: list[str] | None = None) -> int:
    """0: the folder can be trained on; 1: it can't, and the lines say why."""
    parser = argparse.ArgumentParser(prog="python -m training.datasets", description=__doc__)
    parser.add_argument("command", choices=("check",))
    parser.add_argument("folder", type=Path, help="VOCASET, raw or converted, BIWI, or your own")
    report = check(parser.parse_args(arguments).folder)
    for line in (*report.notes, *report.lines()):
        print(line)
    count = len(report.problems)
    print(f"{count} problem{'s' * (count != 1)}" if count else "nothing is wrong")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
