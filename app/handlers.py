"""What the page's buttons do. No gradio inside: plain values in, plain values out."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codetalker import pipeline
from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError

from .bundles import Shelf, whose
from .limits import Line
from .log import tell
from .sessions import Session, Sessions
from .settings import Settings

# What each stage is called on the page, and its share of the whole as measured on two cores.
STAGES = {
    "load": ("Getting ready", 0.02),
    "speech": ("Listening", 0.08),
    "talker": ("CodeTalker is choosing its moves", 0.20),
    "baseline": ("FaceFormer is moving", 0.10),
    "render": ("Drawing the heads", 0.60),
}
# What each addition is called on the page.
ADDITIONS = {"blink": "blinks", "gaze": "glances", "sway": "head sway", "breath": "breathing"}
STEP_SECONDS = 0.2  # a page that is told more often only flickers
SEEDS = 2**31
NO_GPU = "This machine's GPU went away, so this was made on the CPU, which takes longer."


@dataclass(frozen=True)
class Step:
    """How far the job is: what it does now, and the whole's fraction in [0, 1]."""

    words: str
    fraction: float


@dataclass(frozen=True)
class Result:
    """The finished files, and the report in words (Markdown)."""

    video: Path
    downloads: dict[str, Path]  # by kind: mp4, npz, csv, glb
    words: str
    report: dict  # as pipeline.animate gives it, and `waited`, seconds in the line


class Stopped(Exception):
    """The visitor pressed cancel, or left."""


class Studio:
    """The models and the sessions; makes one thing at a time, however many ask."""

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        sessions: Sessions,
        animate: Callable[..., dict] = pipeline.animate,
        write_motion: Callable[..., dict] = pipeline.write_motion,
    ) -> None:
        self.settings = settings
        self.shelf = shelf
        self.sessions = sessions
        self.line = Line(settings.queue_length, settings.jobs_at_once, settings.jobs_an_hour)
        self.warm = False  # everything is loaded
        self._animate = animate
        self._write_motion = write_motion

    def warm_up(self) -> None:
        """Makes half a second of video that nobody sees, to load what is only loaded on first use."""
        import soundfile

        folder = self.sessions.open("").new_folder()
        hum = 0.1 * np.sin(2 * np.pi * 150 / SAMPLE_RATE * np.arange(SAMPLE_RATE // 2))
        soundfile.write(folder / "hum.wav", hum, SAMPLE_RATE)
        size = self.settings.picture_size
        place = self.line.enter("")
        try:
            self._animate(pipeline.Job(folder / "hum.wav", folder / "hum.mp4", size=size), self.shelf.load(None))
            self.warm = True
            tell("warm")
        except Exception as error:  # visitors are told when they ask
            tell("not warm", logging.ERROR, error)
        finally:
            self.line.leave(place)
            self.sessions.close("")

    def generate(
        self,
        key: str,
        speech: str | Path | None,
        style: str | None,
        head: str | None,
        weights: str | None = None,
        additions: Sequence[str] = (),
        seed: int = 0,
        address: str = "",
    ) -> Iterator[Step | Result]:
        """Yields steps while the video is made, then the result.

        key: the visitor's; style, head: of the bundle `weights`, None for the first of each; additions: of
        pipeline.ADDITION_KINDS, on both heads; address: by which jobs are counted.
        Raises UserError for a mistake, Stopped after `stop`; neither leaves files behind. Closing the iterator stops
        the job.
        """
        path = self._checked(speech, head, weights, seed)
        chosen = self.shelf.entry(weights).name

        def make(session: Session, progress: pipeline.Progress) -> Result:
            return self._make(session, path, style, head, chosen, tuple(additions), seed, progress)

        yield from self._in_line("animate", key, address, make)

    def generate_motion(
        self,
        key: str,
        speech: str | Path | None,
        style: str | None,
        weights: str | None = None,
        model: str = "talker",
        seed: int = 0,
        address: str = "",
    ) -> Iterator[Step | Path]:
        """As `generate`, but without drawing: the last is the .npz."""
        path = self._checked(speech, None, weights, seed)

        def make(session: Session, progress: pipeline.Progress) -> Path:
            progress("load", 0.0)
            out = session.new_folder() / f"{stem_of(path)}.npz"
            limit, bundle = self.settings.limit_seconds, self.shelf.load(weights)
            self._write_motion(path, out, bundle, model, style, seed, limit, progress)
            return out

        yield from self._in_line("motion", key, address, make)

    def _checked(self, speech: str | Path | None, head: str | None, weights: str | None, seed: int) -> Path:
        """The speech's path. Raises UserError for what can be seen to be wrong before anything is done."""
        if not speech:
            raise UserError("Record or choose some speech first")
        chosen, heads = self.shelf.entry(weights), self.shelf.heads(weights)
        if head is not None and head not in heads:  # a visitor's text, never a path
            raise UserError(f"there is no head {head!r} for the weights {chosen.name}: there is {', '.join(heads)}")
        if not 0 <= seed < SEEDS:
            raise UserError(f"the seed {seed} is not a number from 0 to {SEEDS - 1}")
        return Path(speech)

    def _in_line(
        self, kind: str, key: str, address: str, make: Callable[[Session, pipeline.Progress], Result | Path]
    ) -> Iterator[Step | Result | Path]:
        """Waits for the job's turn and does it in a thread of its own; what `make` returns is the last."""
        session = self.sessions.open(key)
        place, came = self.line.enter(address), time.monotonic()
        session.stop = stop = threading.Event()
        session.jobs += 1
        steps: queue.SimpleQueue[Step | Result | Path | BaseException] = queue.SimpleQueue()
        started, told = False, 0.0

        def progress(stage: str, fraction: float) -> None:
            nonlocal told
            if stop.is_set():
                raise Stopped
            if fraction == 0.0 or time.monotonic() - told >= STEP_SECONDS:
                told = time.monotonic()
                steps.put(overall(stage, fraction))

        def work() -> None:
            try:
                made = self._on_what_works(lambda: make(session, progress))
                if isinstance(made, Result):
                    made.report["waited"] = round(waited, 3)
                log_job(kind, waited, time.monotonic() - came - waited, made)
            except BaseException as error:  # handed to the visitor's thread, which raises it
                # Who left took their folder along: what fails because of that is no error.
                made = Stopped() if stop.is_set() else error
                log_job(kind, waited, time.monotonic() - came - waited, made)
            done()  # before the page hears of it: its next job has a place
            steps.put(made)

        def done() -> None:
            session.jobs -= 1
            session.last_use = time.monotonic()
            self.line.leave(place)

        try:
            for ahead in self.line.wait(place, stop):
                yield waiting(ahead)
            waited = time.monotonic() - came
            if stop.is_set():
                raise Stopped
            started = True
            threading.Thread(target=work, name="job", daemon=True).start()
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

    def _on_what_works(self, make: Callable[[], Result | Path]) -> Result | Path:
        """On the CPU, from now on, where the GPU fails."""
        try:
            return make()
        except Exception as error:
            if not self.shelf.leave_gpu(error):
                raise
            tell("gpu lost", logging.ERROR, error)
        return make()

    def _make(
        self,
        session: Session,
        speech: Path,
        style: str | None,
        head: str | None,
        weights: str,
        additions: tuple[str, ...],
        seed: int,
        progress: pipeline.Progress,
    ) -> Result:
        progress("load", 0.0)  # raises if the visitor gave up while others were served
        folder = session.new_folder()
        video = folder / f"{stem_of(speech)}.mp4"
        job = pipeline.Job(
            speech=speech,
            out=video,
            style=style,
            head=head,
            size=self.settings.picture_size,
            seed=seed,
            exports=self.shelf.exports(weights),
            additions=additions,
            limit_seconds=self.settings.limit_seconds,
        )
        try:
            report = self._animate(job, self.shelf.load(weights), progress)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # it may be gone, with the visitor
            raise
        files = {path.suffix[1:]: path for path in folder.iterdir()}
        entry = self.shelf.entry(weights)
        told = f" It ran {whose(entry)}: *{entry.name}*." if entry.imported else ""
        told += f"  \n{NO_GPU}" if self.shelf.lost_gpu else ""
        return Result(video, files, in_words(report) + told, dict(report))

    def note_upload(self, key: str, upload: str | Path) -> None:
        """A file of the visitor's, to go when they go; what comes with the project stays."""
        if self.sessions.uploads is not None and self.sessions.uploads in Path(upload).parents:
            self.sessions.open(key).uploads.add(Path(upload))

    def stop(self, key: str) -> None:
        """Ends the visitor's running job, if there is one, at its next step."""
        self.sessions.open(key).stop.set()


def waiting(ahead: int) -> Step:
    """ahead: the jobs that come before, at least 1"""
    return Step("You are next in line" if ahead == 1 else f"In line: {ahead} jobs are before yours", 0.0)


def log_job(kind: str, waited: float, took: float, outcome: object) -> None:
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


def overall(stage: str, fraction: float) -> Step:
    """A stage's own fraction as one of the whole job."""
    before = 0.0
    for name, (words, share) in STAGES.items():
        if name == stage:
            return Step(words, min(1.0, before + share * fraction))
        before += share
    raise KeyError(stage)


def stem_of(speech: Path) -> str:
    """A name for the outputs after the upload's: letters, digits, - and _ of it, at most 40."""
    kept = "".join(character for character in speech.stem if character.isalnum() or character in "-_")
    return kept[:40].lstrip("-") or "speech"


def in_words(report: dict) -> str:
    """The report for people, as Markdown."""
    seconds = report["seconds"]
    device = "a GPU" if str(report["device"]).startswith("cuda") else "the CPU"
    parts = [("listening", "speech"), ("CodeTalker", "talker"), ("FaceFormer", "baseline"), ("drawing", "render")]
    spent = ", ".join(f"{words} {seconds[stage]:.1f} s" for words, stage in parts if seconds[stage])
    made = (
        f"**{report['audio_seconds']:.1f} s of speech** became {report['frames']} frames at {report['fps']:g} a second"
    )
    notes = "".join(f"  \nOf the head: {note}." for note in report.get("head_notes", []))
    return (
        f"{made}, in the style *{report['style']}*, on the head *{report['head']}*.  \n"
        f"Made in **{seconds['total']:.1f} s** on {device}: {spent}.{_added(report)}{notes}"
    )


def _added(report: dict) -> str:
    if "additions_note" in report:
        return f"  \nOf additions: {report['additions_note']}."
    names = [ADDITIONS[name] for name in report.get("additions", ())]
    return f"  \nAdded to both heads alike, not predicted by either: {', '.join(names)}." if names else ""
