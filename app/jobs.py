"""A job: it waits for its turn, is done in a thread of its own, and tells on the way how far it is."""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from codetalker import pipeline
from codetalker.errors import UserError

from .bundles import Shelf
from .limits import Line
from .log import tell
from .memory import give_back
from .sessions import Session, Sessions
from .steps import Result, Step, Stopped, overall, waiting

STEP_SECONDS = 0.2  # a page that is told more often only flickers
Made = TypeVar("Made")


class Jobs:
    """All that visitors ask for goes through here, whatever it is."""

    def __init__(self, line: Line, sessions: Sessions, shelf: Shelf) -> None:
        self._line, self._sessions, self._shelf = line, sessions, shelf

    def run(
        self,
        kind: str,
        key: str,
        speech: Path,
        address: str,
        make: Callable[[Session, pipeline.Progress, Callable[[Step], None]], Made],
    ) -> Iterator[Step | Made]:
        """Waits for the job's turn and does it in a thread of its own; what `make` returns is the last.

        speech: what must still be there by then; make: gets what it calls with stages and fractions, and what it
        calls with steps of its own
        """
        session = self._sessions.open(key)
        place, came = self._line.enter(address), time.monotonic()
        session.stop = stop = threading.Event()
        session.jobs += 1
        steps: queue.SimpleQueue[Step | Made | BaseException] = queue.SimpleQueue()
        started, told = False, 0.0

        def progress(stage: str, fraction: float) -> None:
            nonlocal told
            if stop.is_set():
                raise Stopped
            if fraction == 0.0 or time.monotonic() - told >= STEP_SECONDS:
                told = time.monotonic()
                steps.put(overall(stage, fraction))

        def begin() -> Made:
            progress("load", 0.0)  # raises if the visitor gave up while others were served
            check_there(speech)
            return make(session, progress, steps.put)

        def work() -> None:
            try:
                made = self._on_what_works(begin)
                if isinstance(made, Result):
                    made.report["waited"] = round(waited, 3)
                _log(kind, waited, time.monotonic() - came - waited, made)
            except BaseException as error:  # handed to the visitor's thread, which raises it
                # Who left took their folder along: what fails because of that is no error.
                made = Stopped() if stop.is_set() else self._explained(error)
                _log(kind, waited, time.monotonic() - came - waited, made)
            done()  # before the page hears of it: its next job has a place
            steps.put(made)

        def done() -> None:
            session.jobs -= 1
            session.last_use = time.monotonic()
            self._line.leave(place)
            give_back()

        try:
            for ahead in self._line.wait(place, stop):
                yield waiting(ahead)
            waited = time.monotonic() - came
            if stop.is_set():
                raise Stopped
            started = True
            context = contextvars.copy_context()  # a host that lends its GPU wants to know for whose request
            threading.Thread(target=context.run, args=(work,), name="job", daemon=True).start()
            while True:
                step = steps.get()
                if isinstance(step, BaseException):
                    raise step
                yield step
                if not isinstance(step, Step):
                    return
        finally:
            stop.set()
            if not started:
                done()

    def _explained(self, error: BaseException) -> BaseException:
        """Where the disk is full, anything may fail: that is what is told, then."""
        if isinstance(error, (UserError, Stopped)):
            return error
        try:
            self._sessions.check_room()
        except UserError as full:
            full.__cause__ = error
            return full
        return error

    def _on_what_works(self, make: Callable[[], Made]) -> Made:
        """On the CPU, from now on, where the GPU fails."""
        try:
            return make()
        except Exception as error:
            if not self._shelf.leave_gpu(error):
                raise
            tell("gpu lost", logging.ERROR, error)
        return make()


def check_there(speech: Path) -> None:
    if not speech.is_file():  # the page was left open for longer than files are kept
        raise UserError("That speech is not here any more: please send it once more")


def _log(kind: str, waited: float, took: float, outcome: object) -> None:
    """A line on one job. waited, took: seconds; outcome: what was made, or why it was not"""
    facts: dict = {"kind": kind, "waited": round(waited, 3), "took": round(took, 3)}
    if isinstance(outcome, Result):
        facts |= {name: outcome.report.get(name) for name in ("audio_seconds", "frames", "device", "seconds")}
    if isinstance(outcome, (Stopped, UserError)):
        tell("job", outcome="stopped" if isinstance(outcome, Stopped) else "mistake", **facts)
    elif isinstance(outcome, BaseException):
        tell("job", logging.ERROR, outcome, outcome="failed", **facts)
    else:
        tell("job", outcome="done", **facts)
