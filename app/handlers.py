"""What the page's buttons do. No gradio inside: plain values in, plain values out."""

from __future__ import annotations

import logging
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from codetalker import pipeline
from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError

from .bundles import Shelf
from .cards import EXAMPLES, Cards
from .evidence import gather
from .jobs import Jobs, check_there
from .limits import Line
from .log import tell
from .sessions import Session, Sessions
from .settings import Settings
from .steps import Result, Seen, Step, overall
from .takes import MIXED, Takes

LEAVE_SECONDS = 5.0  # for a job to notice that the app leaves
SEEDS = 2**31
SIZES = (256, 384, 512, 768)  # pixels of a picture that visitors choose from, up to the host's
WARM_UPS = 3  # a renderer or an encoder may fail once on a busy machine, and would leave the app "starting" for good
OURS = "ours"  # the session whose results everybody may see
EXAMPLE_NAMES = ("introduction.flac", "question.flac", "moon.flac")
KEPT = 60  # results of our own examples; one takes about a megabyte


@dataclass(frozen=True)
class Look:
    """How a motion is shown, and how much of it; left as they are, the two models beside each other as they predict.

    size: pixels, None for the host's; background: "#rrggbb", None for the glow; the others: of pipeline.Job
    """

    baseline: bool = True
    size: int | None = None
    background: str | None = None
    expressiveness: float = 1.0
    smoothing: float = 0.0


PLAIN = Look()


@dataclass(frozen=True)
class Example:
    """style, head: names"""

    speech: Path
    style: str
    head: str


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
        self.jobs = Jobs(self.line, sessions, shelf)
        self.takes = Takes()
        self.cards = Cards(sessions.root / "cards", shelf, self.line)
        self.warm = False  # everything is loaded
        self._animate = animate
        self._write_motion = write_motion
        self._kept: OrderedDict[tuple, tuple[Seen | None, Result]] = OrderedDict()

    def warm_up(self) -> None:
        """Makes half a second of video that nobody sees, to load what is only loaded on first use."""
        import soundfile

        folder = self.sessions.open("").new_folder()
        hum = 0.1 * np.sin(2 * np.pi * 150 / SAMPLE_RATE * np.arange(SAMPLE_RATE // 2))
        soundfile.write(folder / "hum.wav", hum, SAMPLE_RATE)
        job = pipeline.Job(folder / "hum.wav", folder / "hum.mp4", size=self.settings.picture_size)
        place = self.line.enter("")
        try:
            for _ in range(WARM_UPS):
                try:
                    self._animate(job, self.shelf.load(None))
                    self.warm = True
                    tell("warm")
                    break
                except Exception as error:  # visitors are told when they ask
                    tell("not warm", logging.ERROR, error)
        finally:
            self.line.leave(place)
            self.sessions.close("")
        if self.warm:
            self.prepare()

    def prepare(self) -> None:
        """What the first visitor would wait for: the pictures to choose by, and the examples in their first styles."""
        self.sessions.open(OURS).jobs += 1  # never removed by age
        self.cards.make(self.shelf.entry(None).name)
        for example in self.examples():
            try:
                list(self.generate(OURS, example.speech, example.style, example.head, self.shelf.entry(None).name))
            except Exception as error:  # it is made when somebody asks
                tell("no example", error=error)

    def examples(self) -> list[Example]:
        """Of our own speech, each in another style and on another head."""
        styles, heads = list(self.shelf.entry(None).styles), self.shelf.heads(None)
        count = len(EXAMPLE_NAMES)
        return [
            Example(EXAMPLES / name, styles[index * len(styles) // count], heads[index * len(heads) // count])
            for index, name in enumerate(EXAMPLE_NAMES)
        ]

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
        look: Look = PLAIN,
    ) -> Iterator[Step | Result]:
        """Yields steps while the video is made, one of them Seen, then the result: at once where an example of ours was
        made like this before.

        key: the visitor's; style, head: of the bundle `weights`, None for the first of each; additions: of
        pipeline.ADDITION_KINDS, on both heads; address: by which jobs are counted.
        Raises UserError for a mistake, Stopped after `stop`; neither leaves files behind. Closing the iterator stops
        the job.
        """
        path = self.checked(speech, head, weights, seed)
        chosen = self.shelf.entry(weights).name
        look = replace(look, size=look.size or self.settings.picture_size)
        if look.size > self.settings.picture_size:
            raise UserError(f"pictures of up to {self.settings.picture_size} pixels are made here, not {look.size}")
        exports, wanted = self.shelf.exports(chosen), (path, style, head, chosen, tuple(additions), seed, look)
        ours = path.parent == EXAMPLES
        if ours and (kept := self._find_kept(wanted)):
            yield from kept
            return
        seen: list[Seen] = []

        def make(session: Session, progress: pipeline.Progress, show: Callable[[Step], None]) -> Result:
            owner = self.sessions.open(OURS) if ours else session
            folder = owner.new_folder()
            job = pipeline.Job(
                speech=path,
                out=folder / f"{stem_of(path)}.mp4",
                style=style,
                head=head,
                baseline=look.baseline,
                size=look.size,
                background=look.background,
                seed=seed,
                exports=exports,
                additions=tuple(additions),
                expressiveness=look.expressiveness,
                smoothing=look.smoothing,
                limit_seconds=self.settings.limit_seconds,
            )

            def moved(told: pipeline.Moved) -> None:
                seen.append(self._seen(owner, job, chosen, told))
                show(seen[-1])

            return self._make(job, chosen, progress, moved)

        for step in self.jobs.run("animate", key, path, address, make):
            if ours and isinstance(step, Result):
                self._keep(wanted, seen[-1] if seen else None, step)
            yield step

    def _find_kept(self, wanted: tuple) -> tuple[Step | Result, ...]:
        """What was made before, as long as its files are there; else nothing."""
        seen, result = self._kept.get(wanted, (None, None))
        if result is None or not result.video.exists():
            return ()
        self.sessions.open(OURS)  # they stay as long as they are asked for
        return (seen, result) if seen else (result,)

    def _keep(self, wanted: tuple, seen: Seen | None, result: Result) -> None:
        self._kept[wanted] = seen, result
        if len(self._kept) > KEPT:
            _, (_, oldest) = self._kept.popitem(last=False)
            shutil.rmtree(oldest.video.parent, ignore_errors=True)

    def _seen(self, owner: Session, job: pipeline.Job, weights: str, moved: pipeline.Moved) -> Seen:
        entry, take = self.shelf.entry(weights), None
        if entry.space == "arkit":
            styles = list(entry.styles)
            name = str(styles.index(job.style or styles[0])) if (job.style or styles[0]) in styles else MIXED
            take = self.takes.keep(owner.new_folder(), job, weights, moved, name)
        now = overall("render", 0.0)
        return Seen(now.words, now.fraction, now.stage, take=take, evidence=gather(moved))

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
        path = self.checked(speech, None, weights, seed)

        def make(session: Session, progress: pipeline.Progress, show: Callable[[Step], None]) -> Path:
            out = session.new_folder() / f"{stem_of(path)}.npz"
            limit, bundle = self.settings.limit_seconds, self.shelf.load(weights)
            self._write_motion(path, out, bundle, model, style, seed, limit, progress)
            return out

        yield from self.jobs.run("motion", key, path, address, make)

    def checked(self, speech: str | Path | None, head: str | None, weights: str | None, seed: int) -> Path:
        """The speech's path. Raises UserError for what can be seen to be wrong before anything is done."""
        if not speech:
            raise UserError("Record or choose some speech first")
        check_there(Path(speech))
        chosen, heads = self.shelf.entry(weights), self.shelf.heads(weights)
        if head is not None and head not in heads:  # a visitor's text, never a path
            raise UserError(f"there is no head {head!r} for the weights {chosen.name}: there is {', '.join(heads)}")
        if not 0 <= seed < SEEDS:
            raise UserError(f"the seed {seed} is not a number from 0 to {SEEDS - 1}")
        return Path(speech)

    def _make(
        self, job: pipeline.Job, weights: str, progress: pipeline.Progress, moved: Callable[[pipeline.Moved], None]
    ) -> Result:
        folder = job.out.parent
        try:
            report = self._animate(job, self.shelf.load(weights), progress, moved)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # it may be gone, with the visitor
            raise
        files = {path.suffix[1:]: path for path in folder.iterdir()}
        return Result(job.out, files, dict(report), self.shelf.entry(weights).imported, self.shelf.lost_gpu)

    def stop(self, key: str) -> None:
        """Ends the visitor's running job, if there is one, at its next step."""
        self.sessions.open(key).stop.set()

    def close(self) -> None:
        """Ends what is under way and removes all files: after the jobs, which write some till they notice."""
        self.line.close()
        self.sessions.stop_all()
        self.line.drain(LEAVE_SECONDS)
        self.sessions.close_all()


def stem_of(speech: Path) -> str:
    """A name for the outputs after the upload's: letters, digits, - and _ of it, at most 40."""
    kept = "".join(character for character in speech.stem if character.isalnum() or character in "-_")
    return kept[:40].lstrip("-") or "speech"
