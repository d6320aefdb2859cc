"""Studios without models, the real server over them, and visitors who come over plain HTTP.

A test file that needs the fixtures takes them over by name: `make_studio = studios.make_studio`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import soundfile

from app import bundles
from app.bundles import Shelf
from app.handlers import Studio
from app.sessions import Sessions
from app.settings import Settings
from codetalker.audio import SAMPLE_RATE, load_speech
from codetalker.pipeline import STAGES
from codetalker.shelf import find_entries

REPORT = {
    "audio_seconds": 1.0,
    "frames": 30,
    "fps": 30.0,
    "style": "calm",
    "head": "ada",
    "weights": "weights",
    "additions": [],
    "device": "cpu",
    "seconds": {"load": 0.0, "speech": 0.1, "talker": 0.2, "baseline": 0.0, "render": 0.4, "total": 0.75},
}
DESCRIBED = {
    "weights": {"styles": {"calm": "small and slow, as before sleep", "lively": ""}},
    "voca": {"styles": {"S1": ""}, "space": "vertices", "templates": ["S1", "S2"], "origin": {"talker": {}}},
    "broken": {"name": "no styles"},
}


def quick_animate(job, bundle, progress=None, moved=None) -> dict:
    """Stands in for the pipeline: files and steps, no models."""
    for stage in STAGES:
        for fraction in (0.0, 0.5, 1.0):
            if progress is not None:
                progress(stage, fraction)
    for ending in (".mp4", *({"arkit": ".csv"}.get(kind, f".{kind}") for kind in job.exports)):
        job.out.with_suffix(ending).write_text(ending)
    return dict(REPORT)


def hearing_animate(job, bundle, progress=None, moved=None) -> dict:
    """The pipeline's hearing, and none of the rest."""
    progress("speech", 0.0)
    seconds = len(load_speech(job.speech, job.limit_seconds)) / SAMPLE_RATE
    return quick_animate(job, bundle, progress) | {"audio_seconds": seconds}


def endless_animate(job, bundle, progress=None, moved=None) -> dict:
    while True:
        progress("render", 0.5)
        time.sleep(0.01)


def write_speech(path: Path) -> Path:
    """A second of a hum."""
    soundfile.write(path, 0.3 * np.sin(np.arange(SAMPLE_RATE) / 12), SAMPLE_RATE)
    return path


@pytest.fixture
def speech(tmp_path):
    return write_speech(tmp_path / "voice.wav")


@pytest.fixture
def make_studio(tmp_path, monkeypatch):
    """A studio over two bundles, ours and one that was imported; its visitors' files are in tmp_path / "files"."""
    monkeypatch.setattr(bundles, "head_names", lambda weights: ["S1", "S2"] if weights.name == "voca" else ["ada"])
    for name, description in DESCRIBED.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").write_text(json.dumps(description))
    files = tmp_path / "files"
    files.mkdir()

    def make(animate=hearing_animate, open_bundle=lambda folder: SimpleNamespace(device="cpu"), **settings) -> Studio:
        settings = {"limit_seconds": 5.0, "upload_megabytes": 8, "requests_a_minute": 1000} | settings
        settings = Settings(weights=tmp_path / "weights", more_weights=tmp_path, **settings)
        sessions = Sessions(settings.keep_seconds, files, files, settings.store_megabytes)
        shelf = Shelf(find_entries(settings.weights, settings.more_weights), open_bundle)
        return Studio(settings, shelf, sessions, animate)

    return make


@pytest.fixture
def serve(make_studio, tmp_path, monkeypatch):
    """Starts the real server over `make_studio`; returns the studio and the address."""
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    from app import ui

    running = []

    def start(**options) -> tuple[Studio, str]:
        studio = make_studio(**options)
        running.append(ui.build(studio))
        return studio, ui.launch(running[-1], studio, "127.0.0.1", None, block=False)

    yield start
    for page in running:
        page.close()


def upload(address: str, path: Path, name: str | None = None, **headers: str) -> httpx.Response:
    with open(path, "rb") as file:
        return httpx.post(f"{address}gradio_api/upload", files={"files": (name or path.name, file)}, headers=headers)


def animate(address: str, file: str | dict, visitor: str = "198.51.100.1", **headers: str) -> tuple[str, object]:
    """One call of /animate as `visitor` -> ("complete" or "error", what came), or the status and body.

    file: what /upload answered. A proxy on this machine is believed about the visitor's address.
    """
    headers = {"x-forwarded-for": visitor} | headers
    given = [file if isinstance(file, dict) else {"path": file, "meta": {"_type": "gradio.FileData"}}]
    call = f"{address}gradio_api/call/animate"
    begun = httpx.post(call, json={"data": [*given, "", "", "", "", 0]}, headers=headers, timeout=60)
    if begun.status_code != 200:
        return str(begun.status_code), begun.json()["detail"]
    told = httpx.get(f"{call}/{begun.json()['event_id']}", headers=headers, timeout=60).text
    event, data = told.strip().split("\n\n")[-1].split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def wait_until(true, seconds: float) -> None:
    """A server that does not answer yet is no error."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:g} s")
