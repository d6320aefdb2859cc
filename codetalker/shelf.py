"""What bundles there are and what they say of themselves, told without loading a model."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "weights"
DEFAULT_WEIGHTS = WEIGHTS / "open"
DESCRIPTION = "bundle.json"


@dataclass(frozen=True)
class Entry:
    """A bundle's description. styles: {name: a few words on it, or ""}; templates: of `vertices` space alone"""

    folder: Path
    space: str
    styles: dict[str, str]
    templates: tuple[str, ...]
    imported: bool  # the authors' weights, not ours

    @property
    def name(self) -> str:
        return self.folder.name


def read_entry(folder: str | Path) -> Entry:
    """Raises UserError where the folder holds no bundle, or its description can't be read."""
    path = Path(folder) / DESCRIPTION
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        styles = told["styles"]
        return Entry(
            folder=Path(folder),
            space=str(told.get("space", "arkit")),
            styles=_styles(styles),
            templates=tuple(map(str, told.get("templates", ()))),
            imported=bool(told.get("origin")),
        )
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no bundle in {folder}: {path.name} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a bundle's description: {error}") from error


def _styles(told: Any) -> dict[str, str]:
    return dict(told) if isinstance(told, dict) else dict.fromkeys(told, "")


def find_entries(first: Path, folder: Path = WEIGHTS) -> list[Entry]:
    """The bundle `first`, then others of `folder` whose description can be read: ours, then the imported ones."""
    others = []
    for path in sorted(folder.glob(f"*/{DESCRIPTION}")):
        with contextlib.suppress(UserError):  # half copied, or something else's: not to be chosen
            others.append(read_entry(path.parent))
    entries = {first.name: read_entry(first)}
    for entry in sorted(others, key=lambda entry: entry.imported):
        entries.setdefault(entry.name, entry)
    return list(entries.values())


def read_styles(weights: str | Path) -> dict[str, str]:
    """{name: a few words on it, or ""}"""
    return read_entry(weights).styles
