"""The whole app without a network: a real job, the README's lines for other programs, and nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from codetalker.shelf import ROOT
from tests.studios import animate, upload, wait_until

NO_NETWORK = """
import socket
local = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", None)
def refuse(what):
    open({told!r}, "a").write(f"{{what}}\\n")
    raise OSError("there is no network")
connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo
def checked_connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in local:
        refuse(address)
    return connect(self, address)
def checked_getaddrinfo(host, *rest, **more):
    if (host.decode() if isinstance(host, bytes) else host) not in local:
        refuse(host)
    return getaddrinfo(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = checked_connect, checked_getaddrinfo
"""


@pytest.mark.slow
def test_the_app_works_without_a_network_and_leaves_nothing(tmp_path):
    """Sockets and names other than this machine's are refused and written down; a real job is done; then SIGTERM."""
    told, port = tmp_path / "refused.txt", free_port()
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK.format(told=str(told)))
    (tmp_path / "files").mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "TMPDIR": str(tmp_path / "files"),
        "CODETALKER_PICTURE_SIZE": "128",
    }
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    with open(tmp_path / "log.txt", "w") as lines:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=lines, cwd=tmp_path)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_until(lambda: httpx.get(f"{address}healthz").status_code == 200, 120)
        (stored,) = upload(address, ROOT / "assets/speech/question.flac", "anna at home.flac").json()
        event, (video, *_) = animate(address, stored, "203.0.113.9")
        assert event == "complete"
        assert httpx.get(f"{address}gradio_api/file={video['path']}").content[4:8] == b"ftyp"
        run_readme(address)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert not told.exists(), told.read_text()
    assert list((tmp_path / "files").iterdir()) == []
    text = (tmp_path / "log.txt").read_text()
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]  # gradio has words of its own
    jobs = [event for event in events if event.get("kind") == "animate"]
    assert {job["outcome"] for job in jobs} <= {"done", "stopped"}  # stopped: an example that was being made
    done = [job for job in jobs if job["outcome"] == "done"]
    assert len(done) >= 2 and all(job["seconds"]["total"] > 0 and job["frames"] > 0 for job in done)
    assert "anna" not in text and "203.0.113" not in text and stored not in text


def run_readme(address: str) -> None:
    """Its lines for other programs, on a short speech."""
    (code,) = [
        block.split("```")[0]
        for block in (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")
        if block.startswith("from gradio_client")
    ]
    short = ROOT / "assets/speech/question.flac"
    made: dict = {}
    exec(code.replace("http://127.0.0.1:7860", address).replace("speech.wav", str(short)), made)
    assert "lively" in made["choices"]["open"]["styles"] and made["report"]["style"] == "lively"
    assert Path(made["video"]).suffix == ".mp4" and len(made["exports"]) >= 3
    with np.load(made["motion"]) as motion:
        assert motion["weights"].shape[1] == 52
    made["client"].close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
