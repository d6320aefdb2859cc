"""Animations to files that other programs open, and back: one writer per format, looked up in a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from ..head import Head
from ..motion import Animation, VertexAnimation, load_animation
from .arkit import read_arkit_csv, write_arkit_csv
from .glb import write_glb

__all__ = ["EXPORTERS", "export", "read_arkit_csv", "read_motion"]


class Exported(NamedTuple):
    """A file, and how far the motion in it is from the animation's: nothing where it is the same."""

    path: Path
    deviation: dict[str, float]


def _write_npz(animation: Animation | VertexAnimation, head: Head, path: Path) -> dict[str, float]:
    animation.save(path)
    return {}


# Each writes an animation, with the head that plays it, to a path, and tells the deviation.
EXPORTERS: dict[str, Callable[[Animation | VertexAnimation, Head, Path], dict[str, float]]] = {
    "npz": _write_npz,
    "arkit": write_arkit_csv,
    "glb": write_glb,
}
SUFFIXES = {"npz": ".npz", "arkit": ".csv", "glb": ".glb"}


def export(kind: str, animation: Animation | VertexAnimation, head: Head, stem: Path) -> Exported:
    """Writes `stem` with the format's suffix. Raises UserError for a kind that is not in EXPORTERS."""
    if kind not in EXPORTERS:
        raise UserError(f"can't export {kind!r}: there is {', '.join(EXPORTERS)}")
    path = stem.with_name(stem.name + SUFFIXES[kind])  # not with_suffix, which would cut "take.2" short
    return Exported(path, EXPORTERS[kind](animation, head, path))


def read_motion(path: str | Path) -> Animation | VertexAnimation:
    """A motion file of ours (.npz), or an ARKit table (.csv). Raises UserError for anything else."""
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return read_arkit_csv(path)
    if path.suffix.lower() == ".npz":
        return load_animation(path)
    raise UserError(f"{path.name} is no motion: give a .npz, or an ARKit .csv")
