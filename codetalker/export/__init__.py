"""Animations to files that other programs open, and back: one writer per format, looked up in a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..head import Head
from ..motion import Animation, VertexAnimation, load_animation
from .arkit import read_arkit_csv, write_arkit_csv
from .glb import write_glb
from .glb_motion import read_glb_motion
from .pictures import check_count, write_pictures
from .take import Take
from .visemes import mouth_motion, read_visemes, write_visemes

__all__ = ["EXPORTERS", "check_count", "export", "read_arkit_csv", "read_motion", "read_visemes"]


class Exported(NamedTuple):
    """A file, and how far the motion in it is from the animation's: nothing where it is the same."""

    path: Path
    deviation: dict[str, float]


def _write_npz(take: Take, path: Path) -> dict[str, float]:
    take.animation.save(path)
    return {}


# Each writes a take to a path, and tells the deviation.
EXPORTERS: dict[str, Callable[[Take, Path], dict[str, float]]] = {
    "npz": _write_npz,
    "arkit": write_arkit_csv,
    "glb": write_glb,
    "visemes": write_visemes,
    "png": write_pictures,
}
SUFFIXES = {"npz": ".npz", "arkit": ".csv", "glb": ".glb", "visemes": ".visemes.json", "png": "_frames"}


def export(kind: str, animation: Animation | VertexAnimation, head: Head, stem: Path, **belonging: Any) -> Exported:
    """Writes `stem` with the format's suffix. belonging: of Take. Raises UserError for a kind not in EXPORTERS."""
    if kind not in EXPORTERS:
        raise UserError(f"can't export {kind!r}: there is {', '.join(EXPORTERS)}")
    path = stem.with_name(stem.name + SUFFIXES[kind])  # not with_suffix, which would cut "take.2" short
    return Exported(path, EXPORTERS[kind](Take(animation, head, **belonging), path))


# Of visemes a plain mouth is made.
READERS: dict[str, Callable[[Path], Animation | VertexAnimation]] = {
    ".npz": load_animation,
    ".csv": read_arkit_csv,
    ".glb": read_glb_motion,
    ".json": lambda path: mouth_motion(read_visemes(path)),
}


def read_motion(path: str | Path) -> Animation | VertexAnimation:
    """What was exported, but pictures. Raises UserError for anything else."""
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise UserError(f"{path.name} is no motion: give a .npz, an ARKit .csv, an animated .glb, or a .visemes.json")
    return READERS[path.suffix.lower()](path)
