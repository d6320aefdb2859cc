"""What the page's buttons do. No gradio inside: plain values in, plain values out."""

from __future__ import annotations

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


class Stopped(Exception):
    """The visitor pressed cancel, or left."""


class Studio:
    """The models and the sessions; makes one video at a time, however many ask."""

    def __init__(
        self, settings: Settings, shelf: Shelf, sessions: Sessions, animate: Callable[..., dict] = pipeline.animate
    ) -> None:
        self.settings = settings
        self.shelf = shelf
        self.sessions = sessions
        self._animate = animate
        self._one_at_a_time = threading.Lock()

    def warm_up(self) -> None:
        """Makes half a second of video that nobody sees, to load what is only loaded on first use."""
        import soundfile

        folder = self.sessions.open("").new_folder()
        hum = 0.1 * np.sin(2 * np.pi * 150 / SAMPLE_RATE * np.arange(SAMPLE_RATE // 2))
        soundfile.write(folder / "hum.wav", hum, SAMPLE_RATE)
        size = self.settings.picture_size
        with self._one_at_a_time:
            self._animate(pipeline.Job(folder / "hum.wav", folder / "hum.mp4", size=size), self.shelf.load(None))
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
    ) -> Iterator[Step | Result]:
        """Yields steps while the video is made, then the result.

        key: the visitor's; style, head: of the bundle `weights`, None for the first of each; additions: of
        pipeline.ADDITION_KINDS, on both heads.
        Raises UserError for a mistake, Stopped after `stop`; neither leaves files behind. Closing the iterator stops
        the job.
        """
        if not speech:
            raise UserError("Record or choose some speech first")
        chosen = self.shelf.entry(weights)
        heads = self.shelf.heads(weights)
        if head is not None and head not in heads:  # a visitor's text, never a path
            raise UserError(f"there is no head {head!r} for the weights {chosen.name}: there is {', '.join(heads)}")
        session = self.sessions.open(key)
        session.stop = stop = threading.Event()
        session.jobs += 1
        steps: queue.SimpleQueue[Step | Result | BaseException] = queue.SimpleQueue()

        told = 0.0

        def progress(stage: str, fraction: float) -> None:
            nonlocal told
            if stop.is_set():
                raise Stopped
            if fraction == 0.0 or time.monotonic() - told >= STEP_SECONDS:
                told = time.monotonic()
                steps.put(overall(stage, fraction))

        def work() -> None:
            try:
                with self._one_at_a_time:
                    steps.put(
                        self._make(session, Path(speech), style, head, chosen.name, tuple(additions), seed, progress)
                    )
            except BaseException as error:  # handed to the visitor's thread, which raises it
                # Who left took their folder along: what fails because of that is no error.
                steps.put(Stopped() if stop.is_set() else error)
            finally:
                session.jobs -= 1

        threading.Thread(target=work, name="job", daemon=True).start()
        try:
            while True:
                step = steps.get()
                if isinstance(step, BaseException):
                    raise step
                yield step
                if isinstance(step, Result):
                    return
        finally:
            stop.set()

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
        return Result(video, files, in_words(report) + told)

    def stop(self, key: str) -> None:
        """Ends the visitor's running job, if there is one, at its next step."""
        self.sessions.open(key).stop.set()


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
