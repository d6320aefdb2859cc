"""A work folder for each visitor: random name, removed when they leave, or some time after their last use."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Session:
    """One visitor. `stop` is set to end their running job."""

    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    last_use: float = field(default_factory=time.monotonic)  # seconds
    uploads: set[Path] = field(default_factory=set)  # their files outside the folder
    jobs: int = 0  # running now; a session at work is not removed by age

    def new_folder(self) -> Path:
        """For the files of one job, so that a later one doesn't overwrite what the page still shows."""
        return Path(tempfile.mkdtemp(dir=self.folder))


class Sessions:
    """All visitors, by the key that the page sends along."""

    def __init__(self, keep_seconds: float, root: Path | None = None) -> None:
        """root: holds the folders; None: a new one in the system's place for temporary files."""
        self.keep_seconds = keep_seconds
        self.root = Path(tempfile.mkdtemp(prefix="codetalker-", dir=root))
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(self, key: str) -> Session:
        """The session of `key`, a new one if it is not known; the old ones of others are removed on the way."""
        self.sweep()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = Session(Path(tempfile.mkdtemp(dir=self.root)))
            session.last_use = time.monotonic()
            return session

    def close(self, key: str) -> None:
        """Stops the visitor's job and removes their files; no error if they never came."""
        with self._lock:
            session = self._sessions.pop(key, None)
            others = set().union(*(other.uploads for other in self._sessions.values()))
        if session is not None:
            session.stop.set()
            shutil.rmtree(session.folder, ignore_errors=True)
            for upload in session.uploads - others:  # equal files of two visitors are stored once
                upload.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Closes the sessions that have not been used for `keep_seconds`."""
        oldest = time.monotonic() - self.keep_seconds
        with self._lock:
            old = [key for key, session in self._sessions.items() if session.last_use < oldest and not session.jobs]
        for key in old:
            self.close(key)

    def close_all(self) -> None:
        for key in list(self._sessions):
            self.close(key)
        shutil.rmtree(self.root, ignore_errors=True)
