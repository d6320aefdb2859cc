"""`python -m benchmarks.page`: how long a visitor waits, in Debian's Chromium, from the click to a head that talks.

The app is warm, the visitor new: a fresh browser opens the page, sends 5 s of speech, and presses the button. Counted
from there are the 3D view that can play and the side-by-side video that plays. The browser runs on the same machine
and draws the 3D view in software: a visitor's own takes nothing from the server.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

from codetalker.shelf import ROOT

from .load import START_SECONDS, App, spread

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PLAYS = "(video => video && video.currentTime > 0)(document.querySelector('#video video'))"
SPOKEN = ("introduction.flac", "moon.flac", "market.flac")  # cut or repeated to the length asked for


def visit(browser: object, address: str, speech: Path) -> tuple[float, float, float]:
    """Seconds until the page can be used, then from the click to the 3D view and to the video that plays."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(300_000)
    start = time.monotonic()
    page.goto(address)
    page.wait_for_selector("#start")
    opened = time.monotonic() - start
    page.set_input_files("#speech input[type=file]", speech)
    page.locator("#speech").get_by_role("button", name="Clear").wait_for()
    start = time.monotonic()
    page.locator("#start").click()
    page.wait_for_selector("talking-head[data-ready]")
    in_3d = time.monotonic() - start
    page.wait_for_function(PLAYS)
    played = time.monotonic() - start
    context.close()
    return opened, in_3d, played


def speech_of(name: str, seconds: float, folder: Path) -> Path:
    samples, rate = soundfile.read(ROOT / "assets" / "speech" / name)
    path = folder / f"visit {name}.wav"
    soundfile.write(path, np.resize(samples, round(seconds * rate)), rate)
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": ", 1)[1])
    parser.add_argument("--visits", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0, help="of speech")
    parser.add_argument("--size", type=int, default=512, help="pixels of a picture")
    options = parser.parse_args(arguments)
    if CHROMIUM is None:
        print("there is no chromium", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        files, sent = (Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="page-"))) for _ in range(2))
        app = App(files, options.size)
        stack.callback(app.stop)
        if not app.wait_idle(START_SECONDS, still=5):
            print("the app did not start", file=sys.stderr)
            return 1
        playing = stack.enter_context(sync_playwright())
        seen = []
        for number in range(options.visits):
            browser = playing.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            speech = speech_of(SPOKEN[number % len(SPOKEN)], options.seconds, sent)
            seen.append(visit(browser, app.address, speech))
            browser.close()
    for name, values in zip(("the page opens", "the 3D view talks", "the video plays"), zip(*seen)):
        print(f"{name}, s: {spread(values)}, each {', '.join(f'{value:.1f}' for value in values)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
