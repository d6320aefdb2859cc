"""Builds the open head: python -m training.heads [OUT.glb]"""

from __future__ import annotations

import sys
from pathlib import Path

from .build import build_head
from .write import write_glb

DEFAULT = Path(__file__).resolve().parents[2] / "assets" / "heads" / "alex.glb"


def main(arguments: list[str]) -> None:
    out = Path(arguments[0]) if arguments else DEFAULT
    parts = build_head()
    write_glb(parts, out, out.stem)
    vertices = sum(len(p.vertices) for p in parts)
    print(f"{out}: {vertices} vertices, {len(parts)} meshes, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
