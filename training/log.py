"""A run's log: log.jsonl, a row at a time, and the same figures for TensorBoard where that is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .runs import whole

FILE = "log.jsonl"
Row = dict[str, Any]  # figures, and lists of them, under their names; "step" is one


def read_log(folder: Path) -> list[Row]:
    """A kill may have torn the last row, which is left out."""
    rows = []
    for line in (folder / FILE).read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


@contextmanager
def open_log(folder: Path, step: int) -> Iterator[Callable[[Row], None]]:
    """What writes a row. step: with which the run goes on; rows beyond it will be made again, and are taken out."""
    if (folder / FILE).exists():
        kept = [json.dumps(row) + "\n" for row in read_log(folder) if row["step"] <= step]
        with whole(folder / FILE) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
    board = _board(folder / "tensorboard", step)
    with open(folder / FILE, "a", encoding="utf-8") as file:

        def write(row: Row) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()
            if board:
                for name, figure in row.items():
                    if name != "step" and not isinstance(figure, list):
                        board.add_scalar(name, figure, row["step"])
                board.flush()

        try:
            yield write
        finally:
            if board:
                board.close()


def _board(folder: Path, step: int) -> Any | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(folder, purge_step=step + 1)
