"""On a public host: fair to all, closed to what is no business of a visitor's, and untroubled by whatever is sent."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import soundfile
import yaml

from app import bundles, log
from app.bundles import Shelf
from app.handlers import Result, Studio
from app.health import health
from app.limits import Line, Rate, address_of
from app.sessions import Sessions
from app.settings import Settings, told_settings
from codetalker.audio import load_speech
from codetalker.errors import UserError
from codetalker.shelf import ROOT, find_entries

MEGABYTE = 2**20
LIMIT_SECONDS = 5.0


REPORT = {
    "audio_seconds": 1.0,
    "frames": 30,
    "fps": 30.0,
    "style": "calm",
    "head": "ada",
    "weights": "own",
    "additions": [],
    "device": "cpu",
    "seconds": {"load": 0.0, "speech": 0.1, "talker": 0.2, "baseline": 0.0, "render": 0.4, "total": 0.75},
}


def quick_animate(job, bundle, progress=None, moved=None):
    """Stands in for the pipeline: files, and no models."""
    progress("render", 0.5)
    for ending in (".mp4", *({"arkit": ".csv"}.get(kind, f".{kind}") for kind in job.exports)):
        job.out.with_suffix(ending).write_text(ending)
    return dict(REPORT)


def hearing_animate(job, bundle, progress=None, moved=None):
    """The pipeline's hearing, and none of the rest."""
    progress("speech", 0.0)
    seconds = len(load_speech(job.speech, job.limit_seconds)) / 16_000
    return quick_animate(job, bundle, progress) | {"audio_seconds": seconds}


def endless_animate(job, bundle, progress=None, moved=None):
    while True:
        progress("render", 0.5)
        time.sleep(0.01)


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "voice.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(16_000) / 12), 16_000)
    return path


@pytest.fixture
def make_studio(tmp_path, monkeypatch):
    """A studio over a bundle without weights; its visitors' files are in tmp_path / "files"."""
    monkeypatch.setattr(bundles, "head_names", lambda weights: ["ada"])
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bundle.json").write_text(json.dumps({"styles": {"calm": ""}}))
    files = tmp_path / "files"
    files.mkdir()

    def make(animate=hearing_animate, open_bundle=lambda folder: SimpleNamespace(device="cpu"), **settings):
        settings = {"limit_seconds": LIMIT_SECONDS, "upload_megabytes": 8, "requests_a_minute": 1000} | settings
        settings = Settings(weights=tmp_path / "own", more_weights=tmp_path / "own", **settings)
        sessions = Sessions(settings.keep_seconds, files, files, settings.store_megabytes)
        shelf = Shelf(find_entries(settings.weights), open_bundle)
        return Studio(settings, shelf, sessions, animate)

    return make


@pytest.fixture
def serve(make_studio, tmp_path, monkeypatch):
    """Starts the real server over `make_studio`; returns the studio and the address."""
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    from app import ui

    running = []

    def start(**options):
        studio = make_studio(**options)
        running.append(ui.build(studio))
        return studio, ui.launch(running[-1], studio, "127.0.0.1", None, block=False)

    yield start
    for page in running:
        page.close()


def upload(address, path, name=None, **headers):
    with open(path, "rb") as file:
        return httpx.post(f"{address}gradio_api/upload", files={"files": (name or path.name, file)}, headers=headers)


def animate(address, file, visitor="198.51.100.1", **headers) -> tuple[str, object]:
    """One call of /animate as `visitor`, over plain HTTP -> ("complete" or "error", what came), or the status and body.

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


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_are_told_with_defaults_and_meaning():
    told = told_settings()
    assert "CODETALKER_LIMIT_SECONDS (120): longest speech" in told
    assert "CODETALKER_BEHIND_PROXY (no): " in told and "CODETALKER_WEIGHTS (weights/open): " in told
    assert all(f"CODETALKER_{name.upper()} (" in told for name in Settings.__dataclass_fields__)


def test_yes_and_no_from_the_environment():
    assert Settings.from_environment({"CODETALKER_BEHIND_PROXY": "yes"}).behind_proxy
    assert Settings.from_environment({"SPACE_ID": "someone/codetalker"}).behind_proxy
    assert not Settings.from_environment({"SPACE_ID": "a/b", "CODETALKER_BEHIND_PROXY": "no"}).behind_proxy
    with pytest.raises(UserError, match="must be yes or no, not 'maybe'"):
        Settings.from_environment({"CODETALKER_BEHIND_PROXY": "maybe"})


# --- the line ---------------------------------------------------------------------------------------------------------


def test_the_line_keeps_its_order_its_length_and_one_place_an_address():
    line, never = Line(length=2, at_once=1, an_hour=9), threading.Event()
    a, b, c = (line.enter(address) for address in "abc")
    with pytest.raises(UserError, match="2 jobs are waiting already"):
        line.enter("d")
    with pytest.raises(UserError, match="still under way"):
        line.enter("b")
    assert next(line.wait(c, never)) == 2 and next(line.wait(b, never)) == 1
    assert list(line.wait(a, never)) == []
    line.leave(b)  # gave up
    assert next(line.wait(c, never)) == 1
    line.leave(a)
    assert list(line.wait(c, never)) == [] and len(line) == 1
    line.leave(c)
    assert len(line) == 0


def test_an_address_has_so_many_jobs_an_hour():
    now = 0.0
    line = Line(length=5, at_once=5, an_hour=2, clock=lambda: now)
    for _ in range(2):
        line.leave(line.enter("a"))
    with pytest.raises(UserError, match="in 61 min"):
        line.enter("a")
    line.leave(line.enter("b"))
    now = 3601.0
    line.leave(line.enter("a"))


def test_a_rate_forgets_those_who_are_gone():
    now = 0.0
    rate = Rate(1, 60.0, clock=lambda: now)
    assert [rate.take(str(visitor)) for visitor in range(100)] == [0.0] * 100
    assert rate.take("7") == 60.0
    now = 61.0
    rate.take("new")
    assert set(rate._events) == {"new"}


@pytest.mark.parametrize(
    ("connection", "told", "behind_proxy", "address"),
    [
        ("8.8.8.8", "1.1.1.1", False, "8.8.8.8"),  # the header is the visitor's own claim
        ("10.0.0.1", "1.1.1.1, 8.8.4.4", True, "8.8.4.4"),  # what comes first is as well
        ("10.0.0.1", "8.8.4.4, 10.0.0.7", True, "8.8.4.4"),
        ("10.0.0.1", "nonsense", True, "10.0.0.1"),
        ("2a00:1450:1:2:3:4:5:6", None, False, "2a00:1450:1:2::/64"),
        ("::ffff:8.8.8.8", None, False, "8.8.8.8"),
    ],
)
def test_whose_request_it_is(connection, told, behind_proxy, address):
    headers = {"x-forwarded-for": told} if told else {}
    assert (
        address_of(SimpleNamespace(client=SimpleNamespace(host=connection), headers=headers), behind_proxy) == address
    )


# --- the studio -------------------------------------------------------------------------------------------------------


def test_without_its_gpu_the_studio_goes_on_with_the_cpu(make_studio, speech, monkeypatch):
    def animate(job, bundle, progress=None, moved=None):
        if bundle.device == "cuda":
            raise RuntimeError("CUDA error: device-side assert triggered")
        return quick_animate(job, bundle, progress)

    studio = make_studio(animate, lambda folder: SimpleNamespace(device="cuda"))
    monkeypatch.setattr(bundles, "_open_on_cpu", lambda folder: SimpleNamespace(device="cpu"))
    result = list(studio.generate("visitor", speech, None, None))[-1]
    assert isinstance(result, Result) and result.lost_gpu
    assert health(studio)[1]["lost_gpu"] and health(studio)[1]["device"] == "cpu"
    assert len(files_under(studio.sessions.root)) == len(result.downloads)


def test_other_errors_are_no_lost_gpu(make_studio, speech):
    def animate(job, bundle, progress=None, moved=None):
        raise RuntimeError("the renderer's process crashed")

    studio = make_studio(animate)
    with pytest.raises(RuntimeError, match="renderer"):
        list(studio.generate("visitor", speech, None, None))
    assert not studio.shelf.lost_gpu and len(studio.line) == 0


def test_health(make_studio, speech, monkeypatch):
    studio = make_studio(endless_animate)
    assert health(studio)[0] == 503 and health(studio)[1]["status"] == "starting"
    studio.warm = True
    job = studio.generate("visitor", speech, None, None)
    next(job)
    wait_until(lambda: studio.shelf.device is not None, 30)  # the job loads the bundle on a thread of its own
    assert health(studio) == (200, {"status": "ok", "device": "cpu", "lost_gpu": False, "jobs": 1})
    monkeypatch.setattr(studio.line, "_first_since", time.monotonic() - 3600)
    assert health(studio)[0] == 503
    job.close()


def test_seeds_outside_the_range(make_studio, speech):
    studio = make_studio(quick_animate)
    for seed in (-1, 2**31, 10**30):
        with pytest.raises(UserError, match="seed"):
            list(studio.generate("visitor", speech, None, None, seed=seed))


def test_uploads_go_with_their_visitor_and_by_age(tmp_path):
    uploads = tmp_path / "files"
    (uploads / "1a").mkdir(parents=True)
    (uploads / "2b").mkdir()
    mine, lost, unfinished = uploads / "1a" / "a.wav", uploads / "2b" / "b.wav", uploads / "tmpx"
    for file in (mine, lost, unfinished):
        file.write_text("sound")
    sessions = Sessions(3600, uploads, uploads)
    sessions.open("visitor").uploads.add(mine)
    sessions.sweep()
    assert lost.exists() and unfinished.exists()
    for file in (mine, mine.parent, lost, lost.parent, unfinished):
        os.utime(file, (1e9, 1e9))
    sessions.sweep()
    assert mine.exists() and not lost.parent.exists() and not unfinished.exists()
    sessions.close("visitor")
    assert list(uploads.iterdir()) == [sessions.root]


def test_folders_have_secret_names(tmp_path):
    sessions = Sessions(3600, tmp_path)
    names = {sessions.open(str(key)).new_folder().name for key in range(50)}
    assert len(names) == 50 and all(len(name) == 32 for name in names)
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in sessions.root.iterdir())


def test_a_full_store_takes_no_more(make_studio, speech):
    studio = make_studio(quick_animate, store_megabytes=1)
    studio.sessions.check_room()
    (studio.sessions.uploads / "large").write_bytes(bytes(2 * MEGABYTE))
    with pytest.raises(UserError, match="no room"):
        studio.sessions.check_room()


def test_a_log_line_holds_nothing_of_a_visitor(capsys):
    try:
        raise ValueError("/tmp/files/anna at home.wav is broken")
    except ValueError as error:
        for name in ("app", "uvicorn.error"):
            record = log.LOG.makeRecord(
                name, 40, "f.py", 1, "broken %s", ("anna",), (type(error), error, error.__traceback__)
            )
            line = json.loads(log.JsonLines().format(record))
            assert line["error"] == "ValueError" and "test_hosting.py" in line["at"][-1]
            assert "anna" not in json.dumps(line)


# --- the door ---------------------------------------------------------------------------------------------------------


def test_what_is_closed(serve):
    _, address = serve()
    closed = (
        "monitoring gradio_api/runs docs gradio_api/queue/status gradio_api/proxy=https://example.org/x "
        "gradio_api/file=http://127.0.0.1:9/x gradio_api/file=/etc/passwd gradio_api/file=app.py gradio_api/token "
        f"gradio_api/file={ROOT}/app.py gradio_api/file={ROOT}/assets/../app.py gradio_api/custom_component/1/a/b/c"
    )
    for path in closed.split():
        assert httpx.get(address + path).status_code == 404, path
    for path in ("process_recording", "component_server", "vibe-edit", "stream/1", "api/animate"):
        assert httpx.post(f"{address}gradio_api/{path}", json={}).status_code == 404, path
    assert httpx.request("DELETE", address).status_code == 404
    page = httpx.get(address)
    assert page.status_code == 200 and page.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{address}healthz").json()["status"] == "starting"
    assert httpx.get(f"{address}gradio_api/info").status_code == 200


def test_forged_files_are_refused(serve, speech, tmp_path):
    studio, address = serve()
    (studio.sessions.uploads / "link.wav").symlink_to(speech)
    outside = [str(speech), "/etc/passwd", "http://127.0.0.1:9/a.wav", "file:///etc/passwd", "//host/a.wav", "a\0b"]
    outside += [f"{studio.sessions.uploads}/../voice.wav", f"{studio.sessions.uploads}/link.wav", "app.py", "a" * 5000]
    outside += [7, None, ["x"], str(studio.sessions.uploads)]
    for path in outside:
        for meta in ({"meta": {"_type": "gradio.FileData"}}, {}):
            status, told = animate(address, {"path": path, **meta})
            assert (status, told[:4]) == ("400", "That"), path
    assert files_under(studio.sessions.root) == []


def test_requests_of_wrong_shape(serve):
    _, address = serve()
    join = f"{address}gradio_api/queue/join"
    assert httpx.post(join, content=b"[" * 60_000).status_code == 400
    assert httpx.post(join, content=b"{").status_code == 400
    assert httpx.post(join, content=bytes(100_000)).status_code == 413

    def chunks():
        yield b"x" * 10

    assert httpx.post(f"{address}gradio_api/upload", content=chunks()).status_code == 411


def test_a_gigabyte_is_refused_before_it_is_sent(serve):
    studio, address = serve()
    url = httpx.URL(address)
    with socket.create_connection((url.host, url.port), timeout=20) as connection:
        connection.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 1073741824\r\n\r\n--x\r\n"
        )
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 413") and files_under(studio.sessions.uploads) == []


def test_an_address_has_so_many_requests_a_minute(serve, speech):
    _, address = serve(requests_a_minute=3)
    mine, others = {"x-forwarded-for": "198.51.100.1"}, {"x-forwarded-for": "198.51.100.2"}
    assert [upload(address, speech, **mine).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert upload(address, speech, **others).status_code == 200


def test_an_address_has_so_many_requests_at_a_time(serve, monkeypatch):
    from app import door

    _, address = serve()
    monkeypatch.setattr(door, "MOST_OPEN", 3)
    with ExitStack() as stack:
        for number in range(3):
            page = stack.enter_context(httpx.stream("GET", f"{address}gradio_api/heartbeat/{number}"))
            assert page.status_code == 200
        assert httpx.get(address).status_code == 429
        assert httpx.get(address, headers={"x-forwarded-for": "198.51.100.2"}).status_code == 200


def test_a_full_store_refuses_uploads(serve, speech):
    studio, address = serve(store_megabytes=1)
    assert upload(address, speech).status_code == 200
    (studio.sessions.uploads / "large").write_bytes(bytes(2 * MEGABYTE))
    answer = upload(address, speech)
    assert answer.status_code == 507 and "no room" in answer.json()["detail"]


# --- bad files, and many ----------------------------------------------------------------------------------------------


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)], check=True)


@pytest.fixture
def bad_files(tmp_path, speech):
    """{what the visitor is told: file}"""
    folder = tmp_path / "bad"
    folder.mkdir()
    two_hours, silence, mute, polyglot = (folder / name for name in ("2h.flac", "silence.flac", "mute.mp4", "both.gif"))
    with soundfile.SoundFile(two_hours, "w", 8000, 1) as file:
        for _ in range(72):
            file.write(np.full(100 * 8000, 0.3))
    soundfile.write(silence, np.zeros(4 * 8000), 8000)
    ffmpeg("-f", "lavfi", "-i", "color=size=64x64:rate=10:duration=1", mute)
    polyglot.write_bytes(b"GIF89a" + bytes(200) + b"<script>alert(1)</script>PK\3\4" + bytes(2000))
    playlist, concat, remote = folder / "list.m3u8", folder / "concat.wav", folder / "remote.wav"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{speech}\n#EXT-X-ENDLIST\n")
    concat.write_text(f"ffconcat version 1.0\nfile '{speech}'\n")
    remote.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    no_sound = "is not a sound file"
    return [
        (two_hours, "longer than the limit of 5 s"),
        (silence, "is silent"),
        (mute, "holds no sound"),
        *((file, no_sound) for file in (polyglot, playlist, concat, remote)),
    ]


def test_bad_files_get_a_plain_message_and_the_line_moves_on(serve, bad_files, speech):
    studio, address = serve()
    for file, words in bad_files:
        sent = upload(address, file)
        assert sent.status_code == 200, (file, sent.text)
        (stored,) = sent.json()
        event, told = animate(address, stored)
        assert event == "error" and words in told["error"], (file, told)
        assert "Traceback" not in str(told) and str(studio.sessions.uploads) not in str(told)
    assert files_under(studio.sessions.root) == [] and len(studio.line) == 0
    (stored,) = upload(address, speech).json()
    event, (video, exports, report) = animate(address, stored)
    assert event == "complete" and report["audio_seconds"] == 1.0 and len(exports) == 3
    assert httpx.get(f"{address}gradio_api/file={video['path']}").text == ".mp4"


@pytest.mark.parametrize(
    "name", ["../../x.wav", "a\nb\r\n.wav", "..%2f..%2fx.wav", "x" * 400 + ".wav", "-i.wav", "‮.wav"]
)
def test_names_do_not_matter(serve, speech, tmp_path, name):
    studio, address = serve()
    before = set(files_under(tmp_path))
    answer = upload(address, speech, name)
    assert answer.status_code in (200, 400, 500)
    for file in set(files_under(tmp_path)) - before:
        assert studio.sessions.uploads in file.parents
    if answer.status_code == 200:
        event, (video, *_) = animate(address, answer.json()[0])
        assert event == "complete" and studio.sessions.root in Path(video["path"]).parents


def test_a_hundred_requests_of_one_address(serve, speech):
    release = threading.Event()

    def waiting_animate(job, bundle, progress=None, moved=None):
        release.wait(60)
        return quick_animate(job, bundle, progress)

    studio, address = serve(animate=waiting_animate, jobs_an_hour=200)
    (stored,) = upload(address, speech).json()
    with ThreadPoolExecutor(101) as pool:
        many = [pool.submit(animate, address, stored, "198.51.100.1") for _ in range(100)]
        other = pool.submit(animate, address, stored, "198.51.100.2")
        until = time.monotonic() + 60
        while (sum(one.done() for one in many) < 99 or len(studio.line) < 2) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(studio.line) == 2  # one of each address
        release.set()
        outcomes = [one.result(60) for one in many]
        assert other.result(60)[0] == "complete"
    assert sum(event == "complete" for event, _ in outcomes) == 1
    refused = [told for event, told in outcomes if event != "complete"]
    assert all("still under way" in str(told) for told in refused), refused
    assert len(studio.line) == 0


def test_the_place_in_line_is_told_and_who_leaves_frees_it(serve, speech):
    studio, address = serve(animate=endless_animate)
    (stored,) = upload(address, speech).json()
    call = f"{address}gradio_api/call/animate"
    file = {"path": stored, "meta": {"_type": "gradio.FileData"}}
    told = []
    for visitor in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        headers = {"x-forwarded-for": visitor}
        begun = httpx.post(call, json={"data": [file, "", "", "", "", 0]}, headers=headers).json()
        told.append(httpx.stream("GET", f"{call}/{begun['event_id']}", headers=headers, timeout=30))
    with told[0], told[1], told[2] as third:
        text = ""
        for text in third.iter_text():
            if "2 jobs are before yours" in text:
                break
        assert "2 jobs are before yours" in text
    until = time.monotonic() + 30
    while len(studio.line) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(studio.line) == 0


def test_one_visitors_files_are_not_found_by_another(serve, speech):
    studio, address = serve()
    (stored,) = upload(address, speech).json()
    _, (video, *_) = animate(address, stored)
    folder = Path(video["path"]).parent
    for path in (folder, folder.parent, studio.sessions.root, studio.sessions.uploads, Path(stored).parent):
        for ending in ("", "/", "/."):
            assert httpx.get(f"{address}gradio_api/file={path}{ending}").status_code in (403, 404)


# --- the whole app ----------------------------------------------------------------------------------------------------

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
    job = [event for event in events if event.get("kind") == "animate"][-1]
    assert job["outcome"] == "done" and job["seconds"]["total"] > 0 and job["frames"] > 0
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


def wait_until(true, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:g} s")


# --- how it is hosted -------------------------------------------------------------------------------------------------


def read_dockerfile() -> list[tuple[str, str]]:
    """(instruction, its words), continued lines joined"""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def pinned(package: str) -> str:
    (line,) = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith(f"{package}==")]
    return line.split("==")[1]


def test_the_space_is_described():
    _, told, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    told = yaml.safe_load(told)
    assert told["sdk"] == "gradio" and told["sdk_version"] == pinned("gradio")
    assert tuple(map(int, told["sdk_version"].split("."))) >= (6, 20)  # those before have known holes
    assert (ROOT / told["app_file"]).is_file() and told["license"] == "mit"
    assert told["python_version"] == "3.12"  # what ZeroGPU has, and requirements.txt can be installed on
    packages = (ROOT / "packages.txt").read_text().split()
    assert "ffmpeg" in packages and all(re.fullmatch(r"[a-z0-9.+-]+", name) for name in packages)


def test_the_dockerfile_says_what_it_should():
    lines = read_dockerfile()
    assert {kind for kind, _ in lines} <= set(
        "FROM COPY RUN ARG WORKDIR USER ENV EXPOSE HEALTHCHECK STOPSIGNAL CMD".split()
    )
    (base,) = [words for kind, words in lines if kind == "FROM"]
    assert base.startswith("python:3.12-slim-")
    runs = " ".join(words for kind, words in lines if kind == "RUN")
    assert "xargs -a /tmp/packages.txt apt-get install" in runs and "-r requirements.txt" in runs
    kinds = [kind for kind, _ in lines]
    (user,) = [words for kind, words in lines if kind == "USER"]
    assert user == "1000" and "--uid 1000" in runs and "RUN" not in kinds[kinds.index("USER") :]
    (health,) = [words for kind, words in lines if kind == "HEALTHCHECK"]
    probe = json.loads(health[health.index("[") :])
    compile(probe[2], "probe", "exec")
    (settings,) = [words for kind, words in lines if kind == "ENV"]
    port = dict(part.split("=") for part in settings.split())["GRADIO_SERVER_PORT"]
    assert f"127.0.0.1:{port}/healthz" in probe[2] and ("EXPOSE", port) in lines
    assert lines[-1][0] == "CMD" and json.loads(lines[-1][1]) == ["python", "app.py"]


def test_the_image_holds_what_the_app_needs(tmp_path):
    """Its files alone, as the Dockerfile copies them: the app is put together, the weights load, the help is told."""
    ignored = set((ROOT / ".dockerignore").read_text().split())
    for kind, words in read_dockerfile():
        if kind == "COPY" and not words.startswith("packages.txt"):
            *sources, target = words.split()
            for source in sources:
                assert (ROOT / source).exists() and source not in ignored
                if (ROOT / source).is_dir():
                    assert target == source
                    left_out = shutil.ignore_patterns("__pycache__") if source != "weights" else only_the_open_ones
                    shutil.copytree(ROOT / source, tmp_path / target, ignore=left_out)
                else:
                    assert target == "./"
                    shutil.copy(ROOT / source, tmp_path)
    assert {"weights/*", "!weights/open"} <= ignored
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(tmp_path / "files")}
    code = """
from pathlib import Path
import app, codetalker
from app import ui
from app.bundles import Shelf
from app.handlers import Studio
from app.sessions import Sessions
from app.settings import Settings
from codetalker.shelf import find_entries
settings = Settings()
shelf = Shelf(find_entries(settings.weights, settings.more_weights))
bundle = shelf.load(None)
page = ui.build(Studio(settings, shelf, Sessions(60, Path("."))))
print(len(page.fns) > 5, bundle.name, shelf.heads(None)[0], Path(codetalker.__file__).parent.parent == Path.cwd())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split()[::3] == ["True", "True"], done.stderr


def only_the_open_ones(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder) == ROOT / "weights" and name not in ("open", "README.md")]
