"""The page in Debian's Chromium: speech in, heads out, in 3D and as a video; a phone, a keyboard, a vote.

How each page looked at last is kept in build/screenshots.
"""

import io
import os
import socket
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
import soundfile
from PIL import Image

from app.votes import Votes
from benchmarks.page import CHROMIUM, arguments_of, record
from benchmarks.page import visit as timed_visit
from codetalker.shelf import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]
PATIENCE = 300  # s, for machines with much else to do
SAID = ROOT / "assets" / "speech" / "question.flac"  # into the microphone
SCREENSHOTS = ROOT / "build" / "screenshots"
SYNC = 0.04  # s


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The address of the real app, and its votes."""
    folder = tmp_path_factory.mktemp("host")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"CODETALKER_VOTES": str(folder / "votes.sqlite"), "CODETALKER_PICTURE_SIZE": "256"}
    log = open(folder / "log", "w")  # noqa: SIM115
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log
    )
    address, until = f"http://127.0.0.1:{port}/", time.monotonic() + PATIENCE
    try:
        while time.monotonic() < until and app.poll() is None:
            try:
                if httpx.get(f"{address}healthz", timeout=30).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(1)
        else:
            pytest.fail((folder / "log").read_text()[-2000:])
        yield address, Votes(folder / "votes.sqlite")
    finally:
        app.terminate()
        app.wait(PATIENCE)
        log.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    arguments = arguments_of(SAID, tmp_path_factory.mktemp("microphone"))
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=1000 * PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def visit(host, browser, request):
    """Opens the page, which must ask nobody else for anything, and must not break."""
    asked, broken, pages = [], [], []

    def open_page(width=1280, height=900, **options):
        page = browser.new_context(viewport={"width": width, "height": height}, **options).new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(host[0])
        page.wait_for_selector("#start")
        pages.append(page)
        return page

    yield open_page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for page in pages:
        page.screenshot(path=SCREENSHOTS / f"{request.node.name}.png", full_page=True)
        page.context.close()
    assert broken == []
    assert [url for url in asked if not url.startswith((host[0], "data:", "blob:"))] == []


@pytest.fixture
def speech(tmp_path):
    samples, rate = soundfile.read(ROOT / "assets" / "speech" / "market.flac")
    soundfile.write(tmp_path / "short.wav", samples[: 2 * rate], rate)
    return tmp_path / "short.wav"


def picture(page, what):
    return np.asarray(Image.open(io.BytesIO(page.locator(what).screenshot())).convert("RGB"), np.float32)


def look_at(page, seconds):
    """The 3D view, drawn for that moment of the sound."""
    page.evaluate(f"document.querySelector('talking-head').seek({seconds})")
    page.wait_for_function(f"Math.abs(document.querySelector('talking-head').shown - {seconds}) < 0.01")
    return picture(page, "talking-head canvas")


def test_speech_becomes_heads_that_talk(visit, speech):
    page = visit()
    send(page, speech)
    page.locator("#style label").nth(1).click()
    page.locator("#start").click()
    page.wait_for_selector("talking-head[data-ready]")
    page.wait_for_function("(video => video && video.currentTime > 0.3)(document.querySelector('#video video'))")
    # The head keeps to the video's sound.
    off = page.evaluate(
        """async () => {
            const head = document.querySelector('talking-head'), video = document.querySelector('#video video');
            video.loop = true;
            await video.play();
            const apart = [];
            for (let frame = 0; frame < 20; frame++) {
                await new Promise(requestAnimationFrame);
                head.draw();
                apart.push(Math.abs(head.shown - video.currentTime));
            }
            video.pause();
            return Math.max(...apart);
        }"""
    )
    assert off <= SYNC
    page.locator("#video video").evaluate("video => video.pause()")
    early, later = look_at(page, 0.2), look_at(page, 1.2)
    assert early.std() > 10  # a head in front of its background
    assert np.abs(early - later).max() > 30  # which has moved
    page.locator("talking-head .models label").nth(1).click()
    page.wait_for_timeout(500)
    assert np.abs(picture(page, "talking-head canvas") - later).max() > 5  # FaceFormer's face is another
    other = page.locator("talking-head .style select")
    other.select_option("0")
    page.wait_for_function("document.querySelector('talking-head .told').textContent === ''")
    page.locator("talking-head canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)
    assert np.abs(picture(page, "talking-head canvas") - later).mean() > 2  # seen from the side
    for kind, start in {"mp4": b"ftyp", "glb": b"glTF", "csv": b"Time", "npz": b"PK"}.items():
        with page.expect_download() as download:
            page.locator(f"#download-{kind}").click()
        assert start in download.value.path().read_bytes()[:16]
    assert "CodeTalker" in page.locator("#figures").inner_text()
    assert page.locator("#lips svg path").count() == 3


def send(page, path):
    page.set_input_files("#speech input[type=file]", path)
    page.locator("#speech").get_by_role("button", name="Clear").wait_for()  # it is there


def test_what_the_microphone_hears_is_said(visit):
    page = visit()
    record(page, 3.0)
    page.locator("#start").click()
    page.wait_for_function("(video => video && video.currentTime > 0.3)(document.querySelector('#video video'))")
    with page.expect_download() as download:
        page.locator("#download-npz").click()
    with np.load(download.value.path()) as motion:
        jaw = motion["weights"][:, list(motion["names"]).index("jawOpen")]
    assert 1.5 < len(jaw) / 30 < 6 and jaw.max() > 0.15  # a mouth that talks


def test_a_cancelled_job_ends_and_the_next_one_runs(visit, speech):
    page = visit()
    send(page, ROOT / "assets" / "speech" / "introduction.flac")
    page.locator("#start").click()
    page.locator("#cancel:enabled").click()
    page.get_by_text("Stopped.").wait_for()
    page.locator("#start:enabled").wait_for()
    page.locator("#speech").get_by_role("button", name="Clear").click()
    send(page, speech)
    page.locator("#start").click()
    page.wait_for_function("(video => video && video.currentTime > 0.3)(document.querySelector('#video video'))")


def test_a_mistake_is_told_and_loses_nothing(visit, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(32000), 16000)
    page = visit()
    page.locator("#style label").nth(2).click()
    send(page, tmp_path / "silent.wav")
    page.locator("#start").click()
    page.get_by_text("is silent: is the microphone muted").first.wait_for()
    page.locator("#start:enabled").wait_for()
    assert page.locator("#style input").nth(2).is_checked()
    assert page.locator("#speech").get_by_role("button", name="Clear").is_visible()  # the speech is still there


def test_a_phone_sees_all_of_it_in_its_language(visit):
    page = visit(390, 844, locale="de-DE", color_scheme="dark")
    page.get_by_text("Sprechen lassen").first.wait_for()
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    loaded = "(pictures => pictures.every(one => getComputedStyle(one, '::before').backgroundImage.includes('stage/')))"
    assert page.evaluate(f"{loaded}([...document.querySelectorAll('#style label, #head label')])")


def test_the_keyboard_is_enough_and_everything_has_a_name(visit):
    page = visit()
    page.locator("#style input").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelectorAll('#style input')[1].checked")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('main button, main input, main select, main textarea, main canvas')]
            .filter(one => one.offsetParent !== null && one.type !== 'file')
            .filter(one => !(one.innerText || one.getAttribute('aria-label') || one.title || one.labels?.length))
            .map(one => one.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


def test_a_vote_is_counted(visit, host):
    page = visit()
    page.get_by_role("tab", name="Which looks better?").click()
    page.locator("#ask").click()
    page.wait_for_function("(video => video && video.currentTime > 0.2)(document.querySelector('#pair video'))")
    page.locator("#vote-realism label").nth(0).click()
    page.locator("#vote-sync label").nth(1).click()
    page.locator("#cast").click()
    page.wait_for_selector("#vote-results table")
    results = host[1].results()
    assert results["realism"].votes == 1 and results["realism"].talker + results["sync"].talker == 1
    assert "CodeTalker was" in page.locator("#vote-status").inner_text()


def test_what_a_visitor_waits_for_is_timed(host, browser):
    opened, in_3d, played = timed_visit(browser, host[0], 2.0)
    assert opened > 0 and 0 < in_3d < played
