"""Builds the open heads: python -m training.heads [NAME ...] [--pictures] [--out FOLDER]"""

from __future__ import annotations

import argparse
from pathlib import Path

from .build import build_head
from .people import PEOPLE
from .write import write_glb

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "heads"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.heads", description="Builds the open heads.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PEOPLE)}; all without")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder, by default assets/heads")
    parser.add_argument("--pictures", action="store_true", help="draw the README's pictures of what is there")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in PEOPLE]:
        parser.error(f"there is nobody called {', '.join(unknown)}: choose from {', '.join(PEOPLE)}")
    names = options.names or list(PEOPLE)
    if options.pictures:
        from .pictures import draw_pictures  # needs a renderer, building doesn't

        draw_pictures(options.out, names)
        return
    for name in names:
        parts = build_head(PEOPLE[name])
        out = options.out / f"{name}.glb"
        write_glb(parts, out, name)
        vertices = sum(len(p.vertices) for p in parts)
        print(f"{out}: {vertices} vertices, {len(parts)} meshes, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
