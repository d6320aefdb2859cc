"""A work folder for each visitor: secret name, removed when they leave, or some time after their last use."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from codetalker.errors import UserError

MEGABYTE = 2**20
SPARE_MEGABYTES = 64  # that stay free: a job under way needs some for its video
NO_ROOM = "This machine has no room for more files at the moment: please come back in a while"


@dataclass
class Session:
    """One visitor. `stop` is set to end their running job."""

    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    last_use: float = field(default_factory=time.monotonic)  # seconds
    uploads: dict[Path, int] = field(default_factory=dict)  # their files outside the folder: of when, in nanoseconds
    jobs: int = 0  # running now; a session at work is not removed by age

    def new_folder(self) -> Path:
        """For the files of one job, so that a later one doesn't overwrite what the page still shows.

        Raises UserError where the disk is full, or the visitor has left.
        """
        return _secret_folder(self.folder)


class Sessions:
    """All visitors, by the key that the page sends along."""

    def __init__(
        self,
        keep_seconds: float,
        root: Path | None = None,
        uploads: Path | None = None,
        store_megabytes: float = 4096,
    ) -> None:
        """root: holds the folders; None: a new one in the system's place for temporary files. uploads: where gradio
        lays what visitors send, alone or in a folder each; it may be the root. store_megabytes: all of it together."""
        self.keep_seconds = keep_seconds
        self.store_megabytes = store_megabytes
        self.root = Path(tempfile.mkdtemp(prefix="codetalker-", dir=root))
        self.uploads = uploads
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(self, key: str) -> Session:
        """The session of `key`, a new one if it is not known; the old ones of others are removed on the way."""
        self.sweep()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = Session(_secret_folder(self.root))
            session.last_use = time.monotonic()
            return session

    def note_upload(self, key: str, upload: Path) -> None:
        """A file of the visitor's, to go when they go; what is not among the uploads stays."""
        if self.uploads is not None and self.uploads in upload.parents:
            session = self.open(key)
            with self._lock, contextlib.suppress(OSError):  # it is gone already, which the job will tell
                session.uploads[upload] = upload.stat().st_mtime_ns

    def close(self, key: str) -> None:
        """Stops the visitor's job and removes their files; no error if they never came."""
        with self._lock:
            session = self._sessions.pop(key, None)
            if session is None:
                return
            session.stop.set()
            others = set().union(*(other.uploads for other in self._sessions.values()))
            for upload, sent in session.uploads.items():
                if upload not in others:  # equal files of two visitors are stored once
                    self._remove(upload, sent)
        shutil.rmtree(session.folder, ignore_errors=True)

    def _remove(self, upload: Path, sent: int) -> None:
        """Unless somebody has just sent the same once more, and is about to ask for something."""
        with contextlib.suppress(OSError):  # it is gone, or its folder has files of the same content and another name
            if upload.stat().st_mtime_ns == sent:
                upload.unlink()
                if upload.parent.parent == self.uploads:
                    upload.parent.rmdir()

    def sweep(self) -> None:
        """Closes the sessions that have not been used for `keep_seconds`; uploads go at that age too."""
        oldest = time.monotonic() - self.keep_seconds
        with self._lock:
            old = [key for key, session in self._sessions.items() if session.last_use < oldest and not session.jobs]
            kept = set().union(*(s.uploads for key, s in self._sessions.items() if key not in old))
        for key in old:
            self.close(key)
        if self.uploads is not None:
            self._sweep_uploads(time.time() - self.keep_seconds, kept)

    def _sweep_uploads(self, oldest: float, kept: set[Path]) -> None:
        """Removes what no session has used since, half-finished uploads among it. oldest: seconds since 1970"""
        for path in self.uploads.iterdir():
            with contextlib.suppress(OSError):  # another thread sweeps too, or an upload is just arriving
                files = list(path.iterdir()) if path.is_dir() else [path]
                newest = max(file.stat().st_mtime for file in (path, *files))
                if path == self.root or newest > oldest or kept.intersection(files):
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def check_room(self) -> None:
        """Raises UserError where the visitors' files take all that they may, or the disk is nearly full."""
        free = shutil.disk_usage(self.root).free
        if free < SPARE_MEGABYTES * MEGABYTE or self._taken() > self.store_megabytes * MEGABYTE:
            raise UserError(NO_ROOM)

    def _taken(self) -> int:
        """bytes"""
        total = 0
        for path in (self.uploads or self.root).rglob("*"):
            with contextlib.suppress(OSError):  # removed in this moment
                total += path.stat().st_size
        return total

    def keep_sweeping(self) -> None:
        """Sweeps now and then for as long as the process lives, whether anyone comes or not."""

        def forever() -> None:
            while True:
                time.sleep(min(60.0, self.keep_seconds))
                self.sweep()

        threading.Thread(target=forever, name="sweep", daemon=True).start()

    def stop_all(self) -> None:
        """Ends all jobs at their next step."""
        with self._lock:
            for session in self._sessions.values():
                session.stop.set()

    def close_all(self) -> None:
        for key in list(self._sessions):
            self.close(key)
        shutil.rmtree(self.root, ignore_errors=True)


def _secret_folder(parent: Path) -> Path:
    """A folder whose name nobody can guess; `tempfile` draws its names from a generator that is no secret."""
    folder = parent / secrets.token_hex(16)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise UserError(NO_ROOM) from error
    return folder
