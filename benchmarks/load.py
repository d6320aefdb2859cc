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
from pathlib import Path

import httpx
import numpy as np

from codetalker.shelf import ROOT

from .visitors import JOB_SECONDS, Tally, Visitor, make_bad_files

DISK_MEGABYTES = 600
FULL_SECONDS = 8.0  # how long the disk stays full
KEEP_SECONDS = 15
START_SECONDS = 900.0  # until the app is warm and has made what it shows at first
PAGE_SECONDS = 0.2  # within which the page is to answer


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

    def memory(self) -> list[float]:
        """MB of the process, and of each that it started; what they share is counted once."""
        taken = []
        for pid in self.family():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                taken.append(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
        return taken

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


def predicted(tally: Tally) -> list[float]:
    """Seconds that each finished job would have waited, had all before it taken the mean service."""
    return [ahead * float(np.mean(tally.services)) for ahead in tally.ahead]


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
        visitors = [Visitor(number, app.address, tally, folder, bad_files) for number in range(options.visitors)]
        for visitor in visitors[:3]:  # what is loaded once is there
            visitor.job()
        for part in (tally.outcomes, tally.waits, tally.services, tally.ahead):
            part.clear()
        files_before, memory_before = settled(app)
        told = run(app, visitors, 60 * options.minutes, files if mounted else None, tally)
        idle = app.wait_idle(JOB_SECONDS)
        files_after, memory_after = settled(app)
        moving_on = idle and last_job(visitors[0], tally)
        log = read_log(app)
    if not mounted:
        told.append("no disk was filled: that needs root, and a mount")
    grown = sum(memory_after) / sum(memory_before) - 1
    left = sorted(files_after - files_before)
    late = sum(page > PAGE_SECONDS for page in tally.pages)
    print(f"{options.visitors} visitors, {options.minutes:g} min: {'; '.join(told)}")
    print("jobs: " + ", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items())))
    for words, count in tally.words.most_common(5):
        print(f"  {count} failed: {words}")
    print(f"waiting, s: {spread(tally.waits)}; service, s: {spread(tally.services)}")
    print(f"waiting as the line predicts, jobs ahead times the mean service, s: {spread(predicted(tally))}")
    print(f"the page while jobs ran, ms: {spread(tally.pages, 1000, 0)}; {late} of {len(tally.pages)} over 200")
    before, after = (" + ".join(f"{taken:.0f}" for taken in memory) for memory in (memory_before, memory_after))
    print(f"memory of the app and its processes, MB: {before} before, {after} after ({grown:+.1%})")
    print(f"files left: {len(left)}; logged as broken: {log}; a job afterwards: {'done' if moving_on else 'NOT DONE'}")
    for line in [*map(str, left[:10]), *tally.wrong[:20]]:
        print(f"WRONG: {line}")
    return 0 if moving_on and not left and not tally.wrong and grown < 0.10 else 1


def settled(app: App) -> tuple[set[Path], list[float]]:
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
