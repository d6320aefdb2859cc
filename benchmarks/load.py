"""`python -m benchmarks.load`: visitors, good and bad, on the real app through its real API, with accidents among them.

The app runs as a process of its own and listens on 127.0.0.1 alone. For some minutes visitors of different addresses
(told as a proxy would tell them) make videos, leave in the middle, send what is no speech, or try to read what is
others'. Meanwhile the renderer's process is killed, then ffmpeg, then the disk is full for a while. Told are waiting
and service, how quickly the page answers while jobs run, and what memory and which files are left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import soundfile

from codetalker.audio import SAMPLE_RATE
from codetalker.shelf import ROOT

ACTS = {"job": 10, "leave": 2, "hostile": 3, "peek": 1}  # what a visitor does next: how often of all
DISK_MEGABYTES = 600
FULL_SECONDS = 8.0  # how long the disk stays full
KEEP_SECONDS = 15
START_SECONDS = 900.0  # until the app is warm and has made what it shows at first
JOB_SECONDS = 300.0  # after which a job counts as lost
PAUSES = (0.2, 2.0)  # seconds, the shortest and the longest between two acts
PAGE_SECONDS = 0.2  # within which the page is to answer


@dataclass
class Tally:
    """What happened, of all visitors together. waits, services, pages: seconds"""

    outcomes: Counter = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    services: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what must not be
    owners: dict[str, int] = field(default_factory=dict)  # of each finished video's path, the visitor


class App:
    """The app's process, its address and its files."""

    def __init__(self, files: Path, size: int) -> None:
        self.files = files
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        settings = {"KEEP_SECONDS": KEEP_SECONDS, "JOBS_AN_HOUR": 10_000, "REQUESTS_A_MINUTE": 1000}
        settings |= {"PICTURE_SIZE": size, "VOTES": files / "votes.sqlite", "UPLOAD_MEGABYTES": 8, "LIMIT_SECONDS": 20}
        environment = {f"CODETALKER_{name}": str(value) for name, value in settings.items()}
        command = [sys.executable, str(ROOT / "app.py"), "--host", "127.0.0.1", "--port", self.address.split(":")[-1]]
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  lives as long as the process
        self.process = subprocess.Popen(
            command,
            env=os.environ | environment | {"TMPDIR": str(files)},
            stdout=subprocess.DEVNULL,
            stderr=self.log,
        )

    def health(self) -> dict:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/healthz", timeout=10).json()
        return {"status": "no answer", "jobs": -1}

    def wait_idle(self, seconds: float, still: float = 3.0) -> bool:
        """Whether it was warm and without a job for `still` seconds, within `seconds`."""
        until, since = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < until and self.process.poll() is None:
            told = self.health()
            if told["status"] != "ok" or told["jobs"] != 0:
                since = time.monotonic()
            if time.monotonic() - since > still:
                return True
            time.sleep(0.2)
        return False

    def family(self) -> list[int]:
        """The process and all that it started, and those started."""
        found = [self.process.pid]
        parents = {int(path.name): parent_of(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def kill(self, word: str) -> bool:
        """Ends one process that it started and whose command line has `word`; whether there was one."""
        for pid in self.family()[1:]:
            with suppress(OSError):
                if word in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def memory(self) -> float:
        """MB of the process and all that it started, what they share counted once."""
        total = 0
        for pid in self.family():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def left(self) -> set[Path]:
        return {path for path in self.files.rglob("*") if path.is_file() and not path.name.startswith("votes.")}

    def stop(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait()


def parent_of(process: Path) -> int:
    with suppress(OSError, IndexError):
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    return 0


class Visitor:
    """One of many. Its speech has a length of its own, by which it knows its video."""

    def __init__(self, number: int, app: App, tally: Tally, folder: Path, bad_files: list[Path]) -> None:
        self.number = number
        self.tally = tally
        self.bad_files = bad_files
        self.chance = random.Random(number)
        self.seconds = 1.0 + 0.05 * number
        self.speech = folder / f"visitor {number}.wav"
        soundfile.write(self.speech, babble(self.seconds), SAMPLE_RATE)
        headers = {"x-forwarded-for": f"198.51.100.{number + 1}"}
        self.client = httpx.Client(base_url=app.address, headers=headers, timeout=JOB_SECONDS)

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
        came, begun = time.monotonic(), 0.0
        for event, data in self.ask(self.speech):
            now = time.monotonic()
            if event == "generating" and not begun and "line" not in (data[-1] or {}).get("doing", "line"):
                begun = now
            if event == "complete":
                self.tally.waits.append((begun or now) - came)
                self.tally.services.append(now - (begun or now))
                self.tally.outcomes["done"] += 1
                self.check(data)
            elif event != "generating":
                self.tally.outcomes[outcome(event, data)] += 1

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


@contextmanager
def small_disk(wanted: bool) -> Iterator[tuple[Path, bool]]:
    """A folder for the app's files, and whether it is a disk of its own that can be filled: that needs root."""
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    options = ["-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    mounted = wanted and os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = mounted and subprocess.run(["mount", *options], stderr=subprocess.DEVNULL).returncode == 0
    try:
        yield folder, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)])
        shutil.rmtree(folder, ignore_errors=True)


def fill(folder: Path) -> str:
    """Leaves nothing of the disk for a while."""
    path = folder / "filling"
    with suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))
    time.sleep(FULL_SECONDS)
    path.unlink()
    return f"the disk was full for {FULL_SECONDS:g} s"


def accidents(app: App, disk: Path | None) -> list[Callable[[], str]]:
    def killing(word: str, name: str) -> Callable[[], str]:
        def kill() -> str:
            until = time.monotonic() + 20.0
            while not app.kill(word):
                if time.monotonic() > until:
                    return f"there was no {name} to kill"
                time.sleep(0.02)
            return f"{name} was killed"

        return kill

    chosen = [killing("codetalker.render.worker", "the renderer's process"), killing("ffmpeg", "ffmpeg")]
    return chosen if disk is None else [*chosen, lambda: fill(disk)]


def watch_page(app: App, tally: Tally, stop: threading.Event) -> None:
    """How long the page takes to answer while a job runs."""
    with httpx.Client(headers={"x-forwarded-for": "198.51.100.250"}, timeout=30) as client:
        while not stop.wait(0.5):
            with suppress(httpx.HTTPError):
                if app.health().get("jobs"):
                    start = time.monotonic()
                    client.get(f"{app.address}/")
                    tally.pages.append(time.monotonic() - start)


def run(app: App, visitors: list[Visitor], seconds: float, disk: Path | None, tally: Tally) -> list[str]:
    """All of it for `seconds`; returns what accidents there were."""
    until, stop, told = time.monotonic() + seconds, threading.Event(), []
    threads = [threading.Thread(target=visitor.visit, args=(until,)) for visitor in visitors]
    watcher = threading.Thread(target=watch_page, args=(app, tally, stop))
    for thread in (*threads, watcher):
        thread.start()
    planned = accidents(app, disk)
    for index, accident in enumerate(planned):
        time.sleep(max(0.0, until - seconds * (1 - (index + 1) / (len(planned) + 1)) - time.monotonic()))
        told.append(accident())
    for thread in threads:
        thread.join()
    stop.set()
    watcher.join()
    return told


def spread(values: list[float], unit: float = 1.0, digits: int = 1) -> str:
    if not values:
        return "none"
    middle, high = (unit * float(np.percentile(values, share)) for share in (50, 95))
    return f"median {middle:.{digits}f}, 95th percentile {high:.{digits}f}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(": ", 1)[1])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--size", type=int, default=512, help="pixels of a picture")
    parser.add_argument("--disk", choices=["yes", "no"], default="yes", help="fill a small disk, too; needs root")
    options = parser.parse_args(arguments)
    tally = Tally()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-sent-")))
        files, mounted = stack.enter_context(small_disk(options.disk == "yes"))
        (folder / "bad").mkdir()
        bad_files = make_bad_files(folder / "bad")
        app = App(files, options.size)
        stack.callback(app.stop)
        if not app.wait_idle(START_SECONDS, still=5):
            print("the app did not start")
            return 1
        visitors = [Visitor(number, app, tally, folder, bad_files) for number in range(options.visitors)]
        for visitor in visitors[:3]:  # what is loaded once is there
            visitor.job()
        tally.outcomes.clear(), tally.waits.clear(), tally.services.clear()
        files_before, memory_before = settled(app)
        told = run(app, visitors, 60 * options.minutes, files if mounted else None, tally)
        idle = app.wait_idle(JOB_SECONDS)
        files_after, memory_after = settled(app)
        moving_on = idle and last_job(visitors[0], tally)
        log = read_log(app)
    if not mounted:
        told.append("no disk was filled: that needs root, and a mount")
    grown = memory_after / memory_before - 1
    left = sorted(files_after - files_before)
    late = sum(page > PAGE_SECONDS for page in tally.pages)
    print(f"{options.visitors} visitors, {options.minutes:g} min: {'; '.join(told)}")
    print("jobs: " + ", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items())))
    print(f"waiting, s: {spread(tally.waits)}; service, s: {spread(tally.services)}")
    print(f"the page while jobs ran, ms: {spread(tally.pages, 1000, 0)}; {late} of {len(tally.pages)} over 200")
    print(f"memory, MB: {memory_before:.0f} before, {memory_after:.0f} after ({grown:+.1%})")
    print(f"files left: {len(left)}; logged as broken: {log}; a job afterwards: {'done' if moving_on else 'NOT DONE'}")
    for line in [*map(str, left[:10]), *tally.wrong[:20]]:
        print(f"WRONG: {line}")
    return 0 if moving_on and not left and not tally.wrong and grown < 0.10 else 1


def settled(app: App) -> tuple[set[Path], float]:
    """Files and memory once the visitors' files are old enough to be gone."""
    time.sleep(2.5 * KEEP_SECONDS)
    return app.left(), app.memory()


def last_job(visitor: Visitor, tally: Tally) -> bool:
    before = tally.outcomes["done"]
    visitor.job()
    return tally.outcomes["done"] == before + 1


def read_log(app: App) -> str:
    """The kinds of errors in the app's log, and lines that are no JSON."""
    app.log.seek(0)
    kinds: Counter = Counter()
    for line in app.log:
        try:
            kinds[json.loads(line).get("error")] += 1
        except ValueError:
            kinds["(no JSON)"] += 1
    del kinds[None]
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as an exception, so that the app and the disk go too
    sys.exit(main())
