"""What a host may set, each by an environment variable: CODETALKER_ and the field's name in capitals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from codetalker.errors import UserError
from codetalker.pipeline import check_size
from codetalker.shelf import DEFAULT_WEIGHTS, ROOT, WEIGHTS

PREFIX = "CODETALKER_"
YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True)
class Settings:
    weights: Annotated[Path, "the bundle's folder"] = DEFAULT_WEIGHTS
    more_weights: Annotated[Path, "a folder whose other bundles visitors may choose instead"] = WEIGHTS
    picture_size: Annotated[int, "pixels, width and height of each picture"] = 512
    limit_seconds: Annotated[float, "longest speech"] = 120.0
    # Two minutes of 5.1 at 48 kHz and 16 bits are 70 MB, of stereo 23.
    upload_megabytes: Annotated[int, "largest file"] = 64
    store_megabytes: Annotated[int, "files of all visitors together; beyond it uploads are refused for a while"] = 4096
    queue_length: Annotated[int, "jobs that may wait; the next visitor is told to come back"] = 20
    jobs_at_once: Annotated[
        int, "jobs of one address, running or waiting; more where many visitors share an address"
    ] = 1
    jobs_an_hour: Annotated[int, "jobs that one address may begin within an hour"] = 30
    requests_a_minute: Annotated[int, "uploads, clicks and calls of one address"] = 120
    keep_seconds: Annotated[float, "how long files outlive their last use where the page was not closed"] = 3600.0
    votes: Annotated[Path, "the file in which the blind test's votes are kept"] = ROOT / "votes" / "votes.sqlite"
    behind_proxy: Annotated[bool, "a visitor's address is the last public one of X-Forwarded-For; yes on Spaces"] = (
        False
    )

    def __post_init__(self) -> None:
        check_size(self.picture_size)
        for one in fields(self):
            value = getattr(self, one.name)
            if not isinstance(value, (bool, Path)) and not value > 0:
                raise UserError(f"{PREFIX}{one.name.upper()} must be more than 0, not {value}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises UserError for a value that can't be read."""
        given: dict[str, Any] = {"behind_proxy": True} if "SPACE_ID" in environment else {}
        for one in fields(cls):
            text = environment.get(PREFIX + one.name.upper())
            if text is not None:
                given[one.name] = _read(PREFIX + one.name.upper(), text, one.default)
        return cls(**given)


def _read(name: str, text: str, default: Any) -> Any:
    """A text as the kind of thing that `default` is."""
    if isinstance(default, bool):
        if text.lower() not in YES_NO:
            raise UserError(f"{name} must be yes or no, not {text!r}")
        return YES_NO[text.lower()]
    try:
        return (Path if isinstance(default, Path) else type(default))(text)
    except ValueError:
        raise UserError(f"{name} must be a number, not {text!r}") from None


def told_settings() -> str:
    """A line for each setting: its variable, its default and what it means."""
    lines, hints = ["environment variables:"], get_type_hints(Settings, include_extras=True)
    for one in fields(Settings):
        (meaning,) = hints[one.name].__metadata__
        lines.append(f"  {PREFIX + one.name.upper()} ({_shown(one.default)}): {meaning}")
    return "\n".join(lines)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, Path):
        return str(default.relative_to(ROOT))
    return f"{default:g}"
