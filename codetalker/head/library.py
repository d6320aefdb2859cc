"""The heads that come with the project, and any file that holds one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ..errors import UserError
from .model import Head

HEADS = Path(__file__).resolve().parents[2] / "assets" / "heads"
FILES = (".glb", ".gltf", ".vrm", ".obj", ".ply", ".stl")  # what a head can be read from


def list_heads() -> list[str]:
    """Names of the heads that come with the project."""
    return sorted(path.stem for path in HEADS.glob("*.glb"))


def is_head_file(name_or_path: str | Path) -> bool:
    """Whether it is called like a head's file."""
    return Path(name_or_path).suffix.lower() in FILES


def load_head(name_or_path: str | Path) -> Head:
    """One of `list_heads()`, or a file: files.py tells which kinds.

    Raises UserError for an unknown name, and for a file that is unsound or no speaking face.
    """
    text = str(name_or_path)
    if text in list_heads():
        path = HEADS / f"{text}.glb"
    else:
        path = Path(name_or_path)
        if not is_head_file(path):
            raise UserError(
                f"there is no head {text!r}: choose {', '.join(list_heads()) or 'one'}, or a file: {', '.join(FILES)}"
            )
        if not path.is_file():
            raise UserError(f"there is no file {text}")
    status = path.stat()
    return _read(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> Head:
    """A head is never changed, so that jobs share it, and with it all that the renderer has found out about it."""
    from .files import read_head  # which makes heads, and so knows this module

    return read_head(path)
