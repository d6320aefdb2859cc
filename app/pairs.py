"""Pairs for the blind test: the same speech by both models, beside each other in an order that chance makes."""

from __future__ import annotations

import random
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from codetalker import pipeline
from codetalker.audio import load_speech
from codetalker.casting import head_for_bundle
from codetalker.errors import UserError

from .cards import EXAMPLES
from .handlers import OURS, Studio
from .sessions import Session
from .steps import Step
from .votes import QUESTIONS, Vote, Votes

MODELS = ("talker", "baseline")
SIDES = ("left", "right")
NAMES = ("A", "B")  # what stands under them
KEPT = 40  # videos of our own speech; one takes about half a megabyte
SHOWN = 10_000  # pairs that wait for their vote


@dataclass(frozen=True)
class Subject:
    """What both models say, and how. speech: a file; style, head: names"""

    speech: Path
    style: str
    head: str
    weights: str

    @property
    def told(self) -> str:
        """Of a visitor's file not even the name."""
        return self.speech.stem if self.speech.parent == EXAMPLES else "visitor"


@dataclass(frozen=True)
class Pair:
    """One showing. order: the models from left to right"""

    token: str
    subject: Subject
    order: tuple[str, str]
    video: Path

    def side_of(self, model: str) -> str:
        return SIDES[self.order.index(model)]


class Pairs:
    """Makes pairs and takes their votes: one for each showing."""

    def __init__(self, studio: Studio, votes: Votes) -> None:
        self.votes = votes
        self._studio = studio
        self._videos: OrderedDict[tuple, Path] = OrderedDict()  # of our own speech
        self._shown: OrderedDict[str, Pair] = OrderedDict()
        self._lock = threading.Lock()

    def any_of_ours(self, unwanted: frozenset[Subject] = frozenset()) -> Subject:
        """An example of ours in a style and on a head that chance chooses, no unwanted one while there is another.

        Half of the time it is one that was drawn before, which is there at once.
        """
        entry = self._studio.shelf.entry(None)
        heads = self._studio.shelf.heads(entry.name)
        made = {subject for subject, _ in self._videos} - unwanted
        if made and random.random() < 0.5:
            return random.choice(sorted(made, key=str))
        subjects = [
            Subject(speech, style, head, entry.name)
            for speech in sorted(EXAMPLES.glob("*.flac"))
            for style in entry.styles
            for head in heads
        ]
        return random.choice([subject for subject in subjects if subject not in unwanted] or subjects)

    def show(self, key: str, address: str, subject: Subject) -> Iterator[Step | Pair]:
        """Yields steps, then the pair. Raises as Studio.generate does."""
        order = tuple(random.sample(MODELS, 2))
        ours = subject.speech.parent == EXAMPLES
        self._studio.shelf.entry(subject.weights)
        if subject.head not in self._studio.shelf.heads(subject.weights):
            raise UserError(f"there is no head {subject.head!r}")
        video = self._videos.get((subject, order))
        if video is not None and video.exists():
            self._studio.sessions.open(OURS)  # they stay as long as they are asked for
            yield self._showing(subject, order, video)
            return

        def make(session: Session, progress: pipeline.Progress, show: Callable[[Step], None]) -> Path:
            owner = self._studio.sessions.open(OURS) if ours else session
            out = owner.new_folder() / "pair.mp4"
            try:
                self._draw(subject, order, out, progress)
            except BaseException:
                shutil.rmtree(out.parent, ignore_errors=True)
                raise
            return out

        for step in self._studio.jobs.run("pair", key, subject.speech, address, make):
            if isinstance(step, Step):
                yield step
                continue
            if ours:
                self._keep((subject, order), step)
            yield self._showing(subject, order, step)

    def cast(self, token: str, choices: dict[str, str]) -> tuple[Pair, bool]:
        """choices: a side for each of QUESTIONS. Returns the pair, and whether it counts: not a second time.

        Raises UserError for a pair that was not shown.
        """
        pair = self._shown.get(token)
        if pair is None:
            raise UserError("This pair is no longer known: have another one shown")
        chosen = {question: pair.order[SIDES.index(choices[question])] for question in QUESTIONS}
        subject = pair.subject
        vote = Vote(token, subject.weights, subject.style, subject.head, subject.told, pair.order[0], **chosen)
        return pair, self.votes.cast(vote)

    def _showing(self, subject: Subject, order: tuple[str, str], video: Path) -> Pair:
        pair = Pair(secrets.token_urlsafe(16), subject, order, video)
        with self._lock:
            self._shown[pair.token] = pair
            while len(self._shown) > SHOWN:
                self._shown.popitem(last=False)
        return pair

    def _keep(self, which: tuple, video: Path) -> None:
        with self._lock:
            self._videos[which] = video
            if len(self._videos) > KEPT:
                _, oldest = self._videos.popitem(last=False)
                shutil.rmtree(oldest.parent, ignore_errors=True)

    def _draw(self, subject: Subject, order: tuple[str, str], out: Path, progress: pipeline.Progress) -> None:
        from codetalker.render import Track, render_video

        bundle = self._studio.shelf.load(subject.weights)
        if bundle.talker is None or not bundle.has_baseline:
            raise UserError(f"the weights {subject.weights} hold one model alone: there is nothing to compare")
        head = head_for_bundle(subject.head, bundle)
        template = head.vertices if bundle.space == "vertices" else None
        progress("speech", 0.0)
        speech = load_speech(subject.speech, self._studio.settings.limit_seconds)
        moved = {}
        for model in MODELS:  # in this order whatever is shown where: how long it takes tells nothing
            heard = bundle.encode(speech, model)
            tell = lambda fraction, model=model: progress(model, fraction)  # noqa: E731
            moved[model] = bundle.generate(heard, subject.style, model, 0, tell, template)
        tracks = [Track(head, moved[model], name) for model, name in zip(order, NAMES)]
        size = self._studio.settings.picture_size
        render_video(tracks, speech, out, bundle.fps, size, lambda fraction: progress("render", fraction))
