"""The real server: closed to what is no business of a visitor's, and untroubled by whatever is sent."""

import socket
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from app.sessions import MEGABYTE
from codetalker.shelf import ROOT
from tests import studios
from tests.studios import animate, files_under, upload

speech, make_studio, serve = studios.speech, studios.make_studio, studios.serve


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


def test_one_visitors_files_are_not_found_by_another(serve, speech):
    studio, address = serve()
    (stored,) = upload(address, speech).json()
    _, (video, *_) = animate(address, stored)
    folder = Path(video["path"]).parent
    for path in (folder, folder.parent, studio.sessions.root, studio.sessions.uploads, Path(stored).parent):
        for ending in ("", "/", "/."):
            assert httpx.get(f"{address}gradio_api/file={path}{ending}").status_code in (403, 404)


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


def test_a_full_store_refuses_uploads(serve, speech):
    studio, address = serve(store_megabytes=1)
    assert upload(address, speech).status_code == 200
    (studio.sessions.uploads / "large").write_bytes(bytes(2 * MEGABYTE))
    answer = upload(address, speech)
    assert answer.status_code == 507 and "no room" in answer.json()["detail"]


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
