"""Votes of the blind test, in SQLite: `python -m app.votes FILE.csv` writes them out, for the host.

A row is what was shown and what was chosen, and nothing about who chose: not even the hour.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from codetalker.errors import UserError
from codetalker.pipeline import CAPTIONS

QUESTIONS = (
    "realism",
    "sync",
)  # of the paper's user study: more realistic, better lip sync (Xing et al. 2023, sec. 4.4)
PATIENCE = 30.0  # s that a vote waits for others to be written
Z = 1.959964  # of the normal distribution, 95 %


@dataclass(frozen=True)
class Vote:
    """token: of the pair that was shown; left: the model on the left; realism, sync: the models that were preferred"""

    token: str
    weights: str
    style: str
    head: str
    speech: str  # the example's name, or "visitor"
    left: str
    realism: str
    sync: str


@dataclass(frozen=True)
class Preference:
    """Of one question: how many votes, how many of them for CodeTalker, and the 95 % interval of its share."""

    votes: int
    talker: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.talker / self.votes


class Votes:
    """The file of votes; any number of threads and processes may write to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def cast(self, vote: Vote) -> bool:
        """Whether it counts: a pair counts once. Raises UserError where it can't be kept."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        names = ", ".join(field.name for field in fields(Vote))
        marks = ", ".join("?" * len(fields(Vote)))
        today = datetime.now(timezone.utc).date().isoformat()
        with self._open() as file:
            made = file.execute(
                f"INSERT OR IGNORE INTO votes ({names}, day) VALUES ({marks}, ?)", (*astuple(vote), today)
            )
            return made.rowcount == 1

    def results(self) -> dict[str, Preference]:
        """By question; nothing where there are no votes."""
        if not self._path.exists():
            return {}
        with self._open() as file:
            (count,) = file.execute("SELECT COUNT(*) FROM votes").fetchone()
            told = {}
            for question in QUESTIONS if count else ():
                (talker,) = file.execute(f"SELECT COUNT(*) FROM votes WHERE {question} = 'talker'").fetchone()
                told[question] = Preference(count, talker, *wilson(talker, count))
        return told

    def export(self, path: Path) -> int:
        """Writes all of them as a table; returns how many there are."""
        if not self._path.exists():
            raise UserError(f"there are no votes in {self._path}")
        with self._open() as file, open(path, "w", newline="", encoding="utf-8") as out:
            rows = file.execute("SELECT * FROM votes ORDER BY day, token")
            table = csv.writer(out)
            table.writerow([column[0] for column in rows.description])
            written = rows.fetchall()
            table.writerows(written)
        return len(written)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, which writes each row at once, or not at all."""
        columns = ", ".join(f"{field.name} TEXT NOT NULL" for field in fields(Vote)[1:])
        try:
            with closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as file:
                file.execute("PRAGMA journal_mode=WAL")  # readers and a writer don't wait for each other
                file.execute(f"CREATE TABLE IF NOT EXISTS votes (token TEXT PRIMARY KEY, {columns}, day TEXT NOT NULL)")
                yield file
        except sqlite3.Error as error:
            raise UserError(f"votes can't be kept in {self._path.name}: {error}") from error


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), which stays within [0, 1] and holds for few votes too."""
    share, z2 = hits / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def main(arguments: list[str] | None = None) -> int:
    from .settings import Settings

    parser = argparse.ArgumentParser(
        prog="python -m app.votes", description="Writes the blind test's votes as a table."
    )
    parser.add_argument("out", type=Path, metavar="FILE.csv")
    options = parser.parse_args(arguments)
    try:
        votes = Votes(Settings.from_environment(os.environ).votes)
        count = votes.export(options.out)
        for question, told in votes.results().items():
            share = f"{told.share:.1%} for {CAPTIONS['talker']} ({told.low:.1%} to {told.high:.1%})"
            print(f"{question}: {share}, {told.votes} votes")
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{count} votes in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
