"""Pictures to choose by, and heads for the 3D view: made from the bundles and heads themselves when they are asked for.

A moving picture for each style says the same few words; a still one for each head looks at the visitor.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from codetalker.audio import SAMPLE_RATE, load_speech
from codetalker.casting import head_for_bundle
from codetalker.head import Head
from codetalker.motion import ARKIT_NAMES, Animation, VertexAnimation
from codetalker.shelf import ROOT

from .bundles import Shelf
from .limits import Line
from .log import tell

EXAMPLES = ROOT / "assets" / "speech"
SAID = EXAMPLES / "market.flac"  # full of closures
SAID_SECONDS = (0.15, 2.75)
PIXELS = 160
EVERY = 2  # frames of the motion to one of the picture
QUALITY = 60  # of WebP
DARKEST = 0.35  # of a colour where no light gets to, in the 3D view


class Cards:
    """The pictures, by bundle, as files that appear when they are finished."""

    def __init__(self, folder: Path, shelf: Shelf, line: Line) -> None:
        self._folder = folder
        self._shelf = shelf
        self._line = line
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def style(self, weights: str, number: int, still: bool = False) -> Path:
        return self._folder / weights / f"style{number}{'-still' if still else ''}.webp"

    def head(self, weights: str, number: int) -> Path:
        return self._folder / weights / f"head{number}.webp"

    def model(self, weights: str, number: int) -> Path:
        return self._folder / weights / f"head{number}.glb"

    def made(self, weights: str) -> int:
        """How many of a bundle's pictures are there."""
        return len(list((self._folder / weights).glob("*.webp")))

    def ask(self, weights: str) -> None:
        """Has a bundle's pictures made in the background, unless they are already, or under way."""
        with self._lock:
            if weights in self._asked:
                return
            self._asked.add(weights)
        threading.Thread(target=self.make, args=(weights,), name="cards", daemon=True).start()

    def make(self, weights: str) -> None:
        """All of a bundle's; a visitor's job waits for one picture at most."""
        self._asked.add(weights)
        (self._folder / weights).mkdir(parents=True, exist_ok=True)
        try:
            for number, name in enumerate(self._shelf.heads(weights)):
                with turn(self._line, f"head {weights} {number}"):
                    self._make_head(weights, number, name)
            with turn(self._line, f"styles {weights}"):
                bundle = self._shelf.load(weights)
                head = head_for_bundle(None, bundle)
                template = head.vertices if bundle.space == "vertices" else None
                heard = bundle.encode(said())
                model = "talker" if bundle.talker is not None else "baseline"
                motions = bundle.generate_styles(heard, bundle.styles, model, template=template)
            for number, animation in enumerate(motions):
                with turn(self._line, f"style {weights} {number}"):
                    draw_moving(head, animation, self.style(weights, number), self.style(weights, number, still=True))
        except Exception as error:  # the page does without them, and asks again
            tell("no cards", error=error)
            self._asked.discard(weights)

    def _make_head(self, weights: str, number: int, name: str) -> None:
        from codetalker.render import render_stills

        bundle = self._shelf.load(weights)
        head = head_for_bundle(name, bundle)
        if bundle.space == "arkit":
            write_model(head, self.model(weights, number))
        picture = render_stills(head, np.zeros((1, len(ARKIT_NAMES)), np.float32), PIXELS)[0]
        save([picture], self.head(weights, number))


@contextmanager
def turn(line: Line, who: str) -> Iterator[None]:
    """A place in the line, and its turn. Raises UserError where there is none to be had.

    who: not the same for two at a time
    """
    place = line.enter(who)
    try:
        for _ in line.wait(place, threading.Event()):
            pass
        yield
    finally:
        line.leave(place)


def said() -> np.ndarray:
    """(N,) what all styles say"""
    start, end = (round(seconds * SAMPLE_RATE) for seconds in SAID_SECONDS)
    return load_speech(SAID)[start:end]


def draw_moving(head: Head, animation: Animation | VertexAnimation, moving: Path, still: Path) -> None:
    """An endless WebP, and its middle picture for those who want no motion."""
    from codetalker.render import Track, render_frames

    frames = render_frames([Track(head, animation)], animation.fps, PIXELS, background=None)
    with closing(frames):
        pictures = [picture[..., :3].copy() for index, picture in enumerate(frames) if index % EVERY == 0]
    save([pictures[len(pictures) // 2]], still)
    save(pictures, moving, milliseconds=round(1000 * EVERY / animation.fps))


def save(pictures: list[np.ndarray], path: Path, milliseconds: int = 0) -> None:
    """pictures: (H, W, 3) uint8 each, shown for `milliseconds` where they are several"""
    from PIL import Image

    first, *others = map(Image.fromarray, pictures)
    moving = {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0} if others else {}
    unfinished = path.with_suffix(".unfinished")
    first.save(unfinished, "WEBP", quality=QUALITY, method=4, **moving)
    unfinished.replace(path)


def write_model(head: Head, path: Path) -> None:
    """The head at rest as a GLB, darker where our renderer's light doesn't get to: browsers have no such shadows."""
    from codetalker.export import export
    from codetalker.render.figure import figure_of

    light = DARKEST + (1 - DARKEST) * figure_of(head).surface[:, 1:2]  # (V, 1) openness to the sky
    colours = head.colours * np.concatenate([light, light, light, np.ones_like(light)], 1)
    still = Animation(np.zeros((1, len(ARKIT_NAMES)), np.float32), np.zeros((1, 3), np.float32), 30.0)
    unfinished = path.with_name(f"{path.stem}-unfinished")
    export("glb", still, replace(head, colours=colours), unfinished).path.replace(path)
