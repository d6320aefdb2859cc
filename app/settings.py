"""What a host may set, each by an environment variable: CODETALKER_ and the field's name in capitals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from codetalker.errors import UserError
from codetalker.pipeline import check_size
from codetalker.shelf import DEFAULT_WEIGHTS, WEIGHTS

PREFIX = "CODETALKER_"


@dataclass(frozen=True)
class Settings:
    weights: Path = DEFAULT_WEIGHTS  # the bundle's folder
    more_weights: Path = WEIGHTS  # a folder whose other bundles visitors may choose instead
    picture_size: int = 512  # pixels, width and height of each picture
    limit_seconds: float = 120.0  # longest speech
    upload_megabytes: int = 64  # largest file: two minutes of 5.1 at 48 kHz and 16 bits are 70, of stereo 23
    queue_length: int = 20  # visitors that may wait; the next one is told to come back
    keep_seconds: float = 3600.0  # how long a visitor's files outlive their last use where the page was not closed

    def __post_init__(self) -> None:
        check_size(self.picture_size)
        for name in ("limit_seconds", "upload_megabytes", "queue_length", "keep_seconds"):
            if not getattr(self, name) > 0:
                raise UserError(f"{PREFIX}{name.upper()} must be more than 0, not {getattr(self, name)}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises UserError for a value that can't be read."""
        given = {}
        for field in fields(cls):
            text = environment.get(PREFIX + field.name.upper())
            if text is not None:
                kind = type(field.default) if not isinstance(field.default, Path) else Path
                try:
                    given[field.name] = kind(text)
                except ValueError:
                    raise UserError(f"{PREFIX}{field.name.upper()} must be a number, not {text!r}") from None
        return cls(**given)
