"""The bundles that visitors can choose from: told from their descriptions, loaded when they are used."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codetalker import pipeline
from codetalker.casting import head_names
from codetalker.errors import UserError
from codetalker.shelf import DEFAULT_WEIGHTS, Entry

EXPORTS = ("npz", "arkit", "glb")  # of pipeline.EXPORT_KINDS, what the page hands out beside the video


class Shelf:
    """What there is to choose, the first by default; one bundle is kept loaded."""

    def __init__(self, entries: list[Entry], open_bundle: Callable[[Path], Any] = pipeline.open_bundle) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._open = open_bundle
        self._loaded: tuple[str, Any] | None = None
        self.lost_gpu = False

    def entry(self, name: str | None) -> Entry:
        """None: the first. Raises UserError for a name that is not on the list."""
        if name is None:
            return next(iter(self._entries.values()))
        if name not in self._entries:
            raise UserError(f"there are no weights {name!r}: there is {', '.join(self._entries)}")
        return self._entries[name]

    def load(self, name: str | None) -> Any:
        """The bundle, ready to run; not for two threads at once.

        Raises UserError for one that is broken, and keeps none then.
        """
        entry = self.entry(name)
        if self._loaded is None or self._loaded[0] != entry.name:
            self._loaded = None  # before the other is loaded: memory holds one
            self._loaded = entry.name, self._open(entry.folder)
        return self._loaded[1]

    @property
    def device(self) -> str | None:
        """On which the loaded bundle runs."""
        loaded = self._loaded
        return str(loaded[1].device) if loaded else None

    def leave_gpu(self, error: Exception) -> bool:
        """Loads what comes on the CPU, if `error` says that the GPU fails and it was in use; returns whether."""
        if self.lost_gpu or not _is_of_gpu(error):
            return False
        self.lost_gpu, self._loaded, self._open = True, None, _open_on_cpu
        return True

    def choices(self) -> list[tuple[str, str]]:
        """(label, name), the label with whose weights they are"""
        return [(f"{name} · {whose(entry)}", name) for name, entry in self._entries.items()]

    def styles(self, name: str | None) -> list[tuple[str, str]]:
        """(label, name) of each style, the label with a word of description where the bundle has one"""
        brief = {style: re.split("[,:;]", words)[0] for style, words in self.entry(name).styles.items()}
        return [(f"{style} · {words}" if words else style, style) for style, words in brief.items()]

    def heads(self, name: str | None) -> list[str]:
        return head_names(self.entry(name).folder)

    def exports(self, name: str | None) -> tuple[str, ...]:
        """The kinds of files that can be had: a bare template has no ARKit weights."""
        arkit = self.entry(name).space == "arkit"
        return tuple(kind for kind in EXPORTS if arkit or kind != "arkit")


def _is_of_gpu(error: Exception) -> bool:
    """torch has several types for it, and old ones by text alone."""
    return isinstance(error, RuntimeError) and ("CUDA" in str(error) or "cuda" in type(error).__module__)


def _open_on_cpu(folder: Path) -> Any:
    from codetalker.bundle import load

    return load(folder, device="cpu")


def whose(entry: Entry) -> str:
    """Whose weights they are, in words."""
    if entry.imported:
        return "the authors' weights, imported"
    return "our own, open weights" if entry.folder.resolve() == DEFAULT_WEIGHTS else "weights of this machine"
