"""`python -m benchmarks.page`: how long a visitor waits, in Debian's Chromium, from the click to a head that talks.

The app is warm, the visitor new: a fresh browser opens the page, records 5 s by a microphone that plays speech, and
presses the button. Counted from there are the 3D view that can play and the side-by-side video that plays. The browser
runs on the same machine and draws the 3D view in software: a visitor's own takes nothing from the server.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import soundfile

from codetalker.shelf import ROOT

from .load import START_SECONDS, App, spread

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    *("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"),
    "--use-fake-ui-for-media-stream",
)
PLAYS = "(video => video && video.currentTime > 0)(document.querySelector('#video video'))"
SPOKEN = ("introduction.flac", "moon.flac", "market.flac")


def visit(browser: object, address: str, seconds: float) -> tuple[float, float, float]:
    """Seconds until the page can be used, then from the click to the 3D view and to the video that plays.

    seconds: how long the visitor speaks
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(300_000)
    start = time.monotonic()
    page.goto(address)
    page.wait_for_selector("#start")
    opened = time.monotonic() - start
    record(page, seconds)
    start = time.monotonic()
    page.locator("#start").click()
    page.wait_for_selector("talking-head[data-ready]")
    in_3d = time.monotonic() - start
    page.wait_for_function(PLAYS)
    played = time.monotonic() - start
    context.close()
    return opened, in_3d, played


def record(page: object, seconds: float) -> None:
    """Speech for the page's job, by the microphone."""
    page.get_by_role("button", name="Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1000 * seconds)
    page.locator("#speech").get_by_role("button", name="Stop").first.click()
    page.locator("#speech .stop-button").wait_for(state="hidden")


def arguments_of(speech: Path, folder: Path) -> list[str]:
    """For a Chromium whose microphone hears this speech, again and again."""
    said = folder / f"{speech.stem}.wav"
    soundfile.write(said, *soundfile.read(speech))
    return [*ARGUMENTS, f"--use-file-for-fake-audio-capture={said}"]


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
            speech = ROOT / "assets" / "speech" / SPOKEN[number % len(SPOKEN)]
            browser = playing.chromium.launch(executable_path=CHROMIUM, args=arguments_of(speech, sent))
            seen.append(visit(browser, app.address, options.seconds))
            browser.close()
    for name, values in zip(("the page opens", "the 3D view talks", "the video plays"), zip(*seen)):
        print(f"{name}, s: {spread(values)}, each {', '.join(f'{value:.1f}' for value in values)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
