"""Output files that appear only when they are finished."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .audio import shown
from .errors import UserError


@contextmanager
def staging(folder: str | Path) -> Iterator[Path]:
    """Yields a hidden folder inside `folder`; what was written to it moves into `folder` when the block ends well.

    A file of the same name is replaced in one step, by a finished one. After an error nothing is left behind.
    Raises UserError where `folder` is missing or can't be written to.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"the folder {shown(folder)} doesn't exist: make it first, or choose another output")
    try:
        staged = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))  # same file system: moving is one step
    except OSError as error:
        raise UserError(f"can't write to the folder {shown(folder)}: {error.strerror}") from error
    try:
        yield staged
        for path in sorted(staged.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def check_output(path: Path, suffix: str, inputs: tuple[Path, ...] = ()) -> None:
    """Raises UserError unless `path` names a file that may be written: right ending, no folder, none of the inputs."""
    if path.suffix.lower() != suffix:
        raise UserError(f"the output {shown(path)} must end in {suffix}")
    if path.is_dir():
        raise UserError(f"the output {shown(path)} is a folder")
    if not path.parent.is_dir():
        raise UserError(f"the folder {shown(path.parent)} doesn't exist: make it first, or choose another output")
    for given in inputs:
        if same_file(path, given):
            raise UserError(f"the output {shown(path)} is also an input: choose another name")


def same_file(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.samefile(b)
