"""Those who come to the app in `benchmarks.load`: they make videos, leave, send what is no speech, look for others'."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import soundfile

from codetalker.audio import SAMPLE_RATE
from codetalker.shelf import ROOT

ACTS = {"job": 10, "leave": 2, "hostile": 3, "peek": 1}  # what a visitor does next: how often of all
JOB_SECONDS = 300.0  # after which a job counts as lost
PAUSES = (0.2, 2.0)  # seconds, the shortest and the longest between two acts


@dataclass
class Tally:
    """What happened, of all visitors together. waits, services, pages: seconds; ahead: jobs, when one came"""

    outcomes: Counter = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    ahead: list[int] = field(default_factory=list)
    services: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what must not be
    words: Counter = field(default_factory=Counter)  # of those that failed, as the visitor is told
    owners: dict[str, int] = field(default_factory=dict)  # of each finished video's path, the visitor

    def end(self, event: str, data: object) -> None:
        """A job that came to nothing."""
        ended = outcome(event, data)
        self.outcomes[ended] += 1
        if ended == "failed":
            self.words[str(data.get("error", data) if isinstance(data, dict) else data)[:100]] += 1


class Visitor:
    """One of many. Its speech has a length of its own, by which it knows its video."""

    def __init__(self, number: int, address: str, tally: Tally, folder: Path, bad_files: list[Path]) -> None:
        self.number = number
        self.tally = tally
        self.bad_files = bad_files
        self.chance = random.Random(number)
        self.seconds = 1.0 + 0.05 * number
        self.speech = folder / f"visitor {number}.wav"
        soundfile.write(self.speech, babble(self.seconds), SAMPLE_RATE)
        headers = {"x-forwarded-for": f"198.51.100.{number + 1}"}
        self.client = httpx.Client(base_url=address, headers=headers, timeout=JOB_SECONDS)

    def visit(self, until: float) -> None:
        acts, shares = list(ACTS), list(ACTS.values())
        time.sleep(self.chance.uniform(0, PAUSES[1]))
        while time.monotonic() < until:
            act = self.chance.choices(acts, shares)[0]
            try:
                getattr(self, act)()
            except httpx.HTTPError as error:
                self.tally.wrong.append(f"visitor {self.number}, {act}: {type(error).__name__}")
            time.sleep(self.chance.uniform(*PAUSES))

    def job(self) -> None:
        came, begun, ahead = time.monotonic(), 0.0, None
        for event, data in self.ask(self.speech):
            now = time.monotonic()
            if event == "generating" and ahead is None:
                ahead = places_ahead((data[-1] or {}).get("doing", ""))
            if event == "generating" and not begun and "line" not in (data[-1] or {}).get("doing", "line"):
                begun = now
            if event == "complete":
                self.tally.waits.append((begun or now) - came)
                self.tally.ahead.append(ahead or 0)
                self.tally.services.append(now - (begun or now))
                self.tally.outcomes["done"] += 1
                self.check(data)
            elif event != "generating":
                self.tally.end(event, data)

    def check(self, data: list) -> None:
        """The video is mine, and can be had."""
        video, _, report = data
        if abs(report["audio_seconds"] - self.seconds) > 0.01:
            self.tally.wrong.append(f"visitor {self.number} got a video of {report['audio_seconds']} s")
        if self.tally.owners.setdefault(video["path"], self.number) != self.number:
            self.tally.wrong.append(f"visitor {self.number} got another's file")
        answer = self.client.get(f"/gradio_api/file={video['path']}")
        if answer.status_code != 200 or answer.content[4:8] != b"ftyp":
            self.tally.wrong.append(f"visitor {self.number} can't have its video: {answer.status_code}")

    def leave(self) -> None:
        stay = time.monotonic() + self.chance.uniform(0.5, 4.0)
        for _ in self.ask(self.speech):
            if time.monotonic() > stay:
                break
        self.tally.outcomes["left"] += 1

    def hostile(self) -> None:
        """Sends what is no speech; a plain sentence is to come back."""
        path = self.chance.choice(self.bad_files)
        for event, data in self.ask(path):
            if event == "complete":
                self.tally.wrong.append(f"{path.name} became a video")
            elif event != "generating":
                self.tally.outcomes["hostile, refused"] += 1
                if "Traceback" in str(data) or "/tmp" in str(data):
                    self.tally.wrong.append(f"{path.name}: {data}")

    def peek(self) -> None:
        """Others' folders can't be listed, nor found without their names; files of the machine can't be had."""
        known = Path(self.chance.choice(list(self.tally.owners) or ["/etc/passwd"]))
        for path in (known.parent, known.parent.parent, known.parents[2], "/etc/passwd", ROOT / "app.py"):
            status = self.client.get(f"/gradio_api/file={path}").status_code
            if status not in (403, 404):
                self.tally.wrong.append(f"{status} for {path}")
        forged = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
        status = self.client.post("/gradio_api/call/animate", json={"data": [forged, "", "", "", "", 0]}).status_code
        if status != 400:
            self.tally.wrong.append(f"{status} for a forged path")
        self.tally.outcomes["peeked"] += 1

    def ask(self, speech: Path) -> Iterator[tuple[str, object]]:
        """Yields the events of /animate: "generating", "complete", "error", or the status that refused it."""
        with open(speech, "rb") as file:
            sent = self.client.post("/gradio_api/upload", files={"files": (speech.name, file)})
        if sent.status_code != 200:
            yield str(sent.status_code), sent.text
            return
        file = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}
        call = "/gradio_api/call/animate"
        begun = self.client.post(call, json={"data": [file, "", "", "", "", 0]})
        if begun.status_code != 200:
            yield str(begun.status_code), begun.text
            return
        with self.client.stream("GET", f"{call}/{begun.json()['event_id']}") as answer:
            event = ""
            for line in answer.iter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    event = value
                elif kind == "data" and event != "heartbeat":
                    yield event, json.loads(value)


def places_ahead(doing: str) -> int:
    """As the page tells them."""
    counted = re.match(r"In line: (\d+) jobs", doing)
    return int(counted[1]) if counted else int(doing.startswith("You are next"))


def outcome(event: str, data: object) -> str:
    """Refused for a reason that the visitor is told, or failed."""
    words = str(data)
    told = ("come back", "still under way", "fair to others", "no room", "a lot of requests")
    return "refused" if event.isdigit() or any(part in words for part in told) else "failed"


def babble(seconds: float) -> np.ndarray:
    """(N,): a hum that swells and falls four times a second, as syllables do"""
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.4 * np.sin(2 * np.pi * 160 * time_s) * np.sin(2 * np.pi * 2 * time_s) ** 2


def make_bad_files(folder: Path) -> list[Path]:
    """Too long, silent, mute, cut, playlists, nothing, noise."""
    for name, level, seconds in (("hours.flac", 0.3, 7200), ("silence.flac", 0.0, 10)):
        with soundfile.SoundFile(folder / name, "w", 8000, 1) as file:
            for _ in range(seconds // 10):
                file.write(np.full(10 * 8000, level))
    mute = ["-f", "lavfi", "-i", "color=size=64x64:rate=10:duration=1", str(folder / "mute.mp4")]
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", *mute], check=True)
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    (folder / "concat.wav").write_text("ffconcat version 1.0\nfile '/etc/passwd'\n")
    (folder / "both.gif").write_bytes(b"GIF89a" + bytes(500) + b"PK\3\4" + b"<script>alert(1)</script>" * 50)
    (folder / "noise.ogg").write_bytes(b"OggS" + np.random.default_rng(0).bytes(200_000))
    (folder / "huge.wav").write_bytes(b"")
    os.truncate(folder / "huge.wav", 9 * 2**20)  # sparse, and more than is allowed
    return sorted(folder.iterdir())
