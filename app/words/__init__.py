"""What the page says, a file for each language: `LANGUAGE.json`. The first one has every text, and the others the same.

The page's own parts are translated in the browser, by gradio; what is told while it works and afterwards, here.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

FOLDER = Path(__file__).parent
FIRST = "en"


@functools.cache
def tables() -> dict[str, dict[str, str]]:
    """All texts by language and key, as gradio takes them; the first language comes first."""
    files = sorted(FOLDER.glob("*.json"), key=lambda path: (path.stem != FIRST, path.stem))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def say(language: str, key: str, **values: object) -> str:
    """A text, with its values put in. language: a key of `tables`"""
    text = tables()[language][key]
    return text.format(**values) if values else text


def language_of(accepted: str | None) -> str:
    """The first language of ours that a browser asks for by its Accept-Language header, else the first one."""
    for part in (accepted or "").split(","):
        language = part.partition(";")[0].strip().lower().partition("-")[0]
        if language in tables():
            return language
    return FIRST
