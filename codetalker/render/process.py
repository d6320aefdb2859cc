"""The caller's end of the renderer's process: started when it is first needed, replaced when it fails."""

from __future__ import annotations

import atexit
import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..surroundings import Colour
from .figure import Figure
from .slots import Slots

START_SECONDS = 60.0  # the slowest start seen with a cold disk is 8 s
FRAME_SECONDS = 30.0  # a frame takes 0.02 s; beyond this the driver hangs
DRAIN_SECONDS = 3.0  # for the frames of a job that was given up
FRAMES_AT_ONCE = 6  # prepared, drawn and encoded at the same time
ENVIRONMENT = {
    "PYOPENGL_PLATFORM": "egl",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # The GNU allocator keeps what a frame needed for the next one: giving it back and asking anew costs 1 ms.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
}
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "libegl1 libgl1 libgl1-mesa-dri"


class RenderError(RuntimeError):
    """The renderer's process crashed or hung; the message ends with its stderr. The next job gets a new one."""


class RenderProcess:
    """One process with one GL context. Not for two threads at once: `frames` holds a lock until it is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self.renderer = ""  # its name, once it runs
        self.nice = 0  # of the next one that is started: above 0 it leaves others the first turn

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Starts the process unless it runs; returns the renderer's name.

        Raises UserError where there is no EGL that could draw.
        """
        with self._lock:
            self._ensure()
        return self.renderer

    def start_early(self) -> None:
        """Starts the process while the caller does other things. What goes wrong is told when it is needed."""

        def try_it() -> None:
            with contextlib.suppress(UserError):
                self.start()

        threading.Thread(target=try_it, daemon=True).start()

    def stop(self) -> None:
        """Ends the process; the next frame starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._connection.close()
            self._memory.close()
            self._stderr.close()
            self._process = None

    def frames(
        self,
        figures: list[Figure],
        size: int,
        motion: Iterable[list[np.ndarray]],
        background: Colour | None = None,
        yaws: Iterable[float] | None = None,
    ) -> Iterator[np.ndarray]:
        """Draws the figures side by side, a picture for each item of `motion`, in order.

        motion: (V, 3) float32 per figure, frame by frame; background: None is the glow
        yaws: of the cameras, radians from where they are at rest, for each frame
        yields: (size, size * figures, 4) uint8 RGBA, weighted by alpha where the background has one below 1; the
        caller's to change until the next one
        Raises RenderError where the process dies or stops answering, UserError without EGL.
        """
        with self._lock:
            self._ensure()
            slots = Slots([len(figure.vertices) for figure in figures], size, FRAMES_AT_ONCE)
            under_way: deque[int] = deque()
            try:
                os.ftruncate(self._memory.fileno(), slots.bytes)
                slots.attach(mmap.mmap(self._memory.fileno(), slots.bytes))
                self._send(("show", figures, size, FRAMES_AT_ONCE, background))
                self._receive(START_SECONDS)
                yield from self._stream(slots, zip(motion, repeat(0.0) if yaws is None else yaws), under_way)
            except GeneratorExit:  # the caller has seen enough
                self._drain(under_way)
                raise
            except BaseException:
                self.stop()  # what is still on its way belongs to no one
                raise

    def _stream(
        self, slots: Slots, motion: Iterable[tuple[list[np.ndarray], float]], under_way: deque[int]
    ) -> Iterator[np.ndarray]:
        """under_way: filled with the slots that are being drawn"""
        free = deque(range(slots.slots))
        for vertices, yaw in motion:
            if len(free) == 1:  # the one whose picture the caller may still read
                slot = self._drawn(under_way)
                yield slots.picture(slot)
                free.append(slot)
            slot = free.popleft()
            for place, moved in zip(slots.vertices(slot), vertices):
                place[:] = moved
            self._send(("draw", slot, yaw))
            under_way.append(slot)
        while under_way:
            yield slots.picture(self._drawn(under_way))

    def _drain(self, under_way: deque[int]) -> None:
        """Waits for what no one wants any more, so that the next job starts at once."""
        try:
            while under_way:
                self._drawn(under_way, DRAIN_SECONDS)
        except RenderError:
            self.stop()

    def _drawn(self, under_way: deque[int], seconds: float | None = None) -> int:
        slot = self._receive(seconds or FRAME_SECONDS)
        if slot != under_way.popleft():
            raise RenderError("the renderer's process answered out of order")
        return slot

    def _ensure(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        ours, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  both live as long as the process
        self._memory = tempfile.TemporaryFile(dir=_memory_folder())  # noqa: SIM115
        command = [sys.executable, "-m", "codetalker.render.worker"]
        command += map(str, (theirs.fileno(), self._memory.fileno(), self.nice))
        environment = os.environ | ENVIRONMENT
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=PACKAGE_ROOT,
            pass_fds=(theirs.fileno(), self._memory.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        try:
            self.renderer = self._receive(START_SECONDS)
        except RenderError as error:
            self.stop()
            raise UserError(
                f"nothing can be drawn here, EGL doesn't start: apt-get install {PACKAGES} ({_last_line(error)})"
            ) from error

    def _send(self, message: tuple) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise self._failure("crashed") from None

    def _receive(self, seconds: float):
        try:
            if not self._connection.poll(seconds):
                raise self._failure(f"did not answer for {seconds:.0f} s")
            return self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._failure("crashed") from None

    def _failure(self, what: str) -> RenderError:
        self._process.kill()
        code = self._process.wait()
        self._stderr.seek(0)
        words = self._stderr.read()[-4000:].decode(errors="replace").strip()
        return RenderError(f"the renderer's process {what} (exit code {code}): {words or 'it wrote nothing to stderr'}")


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _last_line(error: Exception) -> str:
    return str(error).splitlines()[-1]


_shared = RenderProcess()
atexit.register(_shared.stop)


def shared_process() -> RenderProcess:
    """The one that everything in this process draws with."""
    return _shared
