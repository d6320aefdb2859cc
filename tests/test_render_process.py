"""The renderer's process: what goes wrong in it is told and survived, what is given up ends, and it does not grow."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from heads import tiny_head_file
from videos import FPS, JAW, SIZE, decode, frames_of, motion

from codetalker.errors import UserError
from codetalker.head import list_heads, load_head
from codetalker.render import RenderError, Track, check_gl, render_frames, render_stills, render_video
from codetalker.render import process as process_module
from codetalker.render.figure import figure_of
from codetalker.render.process import RenderProcess, shared_process


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    return load_head(tiny_head_file(tmp_path_factory.mktemp("head")))


def test_a_crash_is_told_and_the_next_job_works(head, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the old one")
    speech = np.zeros(16_000, np.float32)

    def kill(fraction: float) -> None:
        os.kill(shared_process().pid, signal.SIGSEGV)

    with pytest.raises(RenderError, match=r"crashed (?s:.)*Segmentation fault"):
        render_video([Track(head, motion(30))], speech, out, FPS, SIZE, progress=kill)
    assert out.read_bytes() == b"the old one" and len(list(tmp_path.iterdir())) == 1
    render_video([Track(head, motion(30))], speech, out, FPS, SIZE)
    assert len(decode(out, SIZE)[0]) == 30


def test_a_hang_is_told_and_the_next_job_works(head, tmp_path, monkeypatch):
    monkeypatch.setattr(process_module, "FRAME_SECONDS", 0.5)
    out = tmp_path / "out.mp4"

    def stop(fraction: float) -> None:
        os.kill(shared_process().pid, signal.SIGSTOP)

    with pytest.raises(RenderError, match="did not answer"):
        render_video([Track(head, motion(30))], np.zeros(16_000, np.float32), out, FPS, SIZE, progress=stop)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    assert render_stills(head, np.zeros((1, 52), np.float32), size=64).shape == (1, 64, 64, 3)


def test_whoever_listens_to_the_progress_can_stop_it(head, tmp_path):
    heard = []

    def listen(fraction: float) -> None:
        heard.append(fraction)
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_video([Track(head, motion(30))], np.zeros(16_000, np.float32), tmp_path / "a.mp4", FPS, SIZE, listen)
    assert heard == sorted(heard) and not list(tmp_path.iterdir())
    heard.clear()
    render_video([Track(head, motion(3))], np.zeros(1_600, np.float32), tmp_path / "a.mp4", FPS, SIZE, heard.append)
    assert heard[-1] == 1.0


def test_a_failing_encoder_is_told(head, tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    with pytest.raises(RenderError, match="encoding"):
        render_video([Track(head, motion(30))], np.zeros(16_000, np.float32), tmp_path / "a.mp4", FPS, SIZE)
    assert not list(tmp_path.iterdir())


def test_without_egl_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_DIRS", "/nonexistent")  # libglvnd finds no driver
    with pytest.raises(UserError, match="apt-get install libegl1"):
        RenderProcess().start()


def grows_by(figure, vertices: np.ndarray, size: int, frames: int) -> int:
    """KiB that the renderer's process has gained after as many frames, and scenes that come and go"""

    def resident() -> int:
        status = Path(f"/proc/{shared_process().pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])  # KiB

    def draw(count: int) -> None:
        for _ in shared_process().frames([figure, figure], size, ([vertices] * 2 for _ in range(count))):
            pass

    draw(60)
    before = resident()
    draw(frames)
    for _ in range(4):
        draw(1)
    return resident() - before


def test_the_process_does_not_grow(head):
    assert grows_by(figure_of(head), head.vertices, 64, 1_000) < 5 * 1024


@pytest.mark.slow
def test_the_process_does_not_grow_with_an_open_head():
    head = load_head(list_heads()[0])
    assert grows_by(figure_of(head), head.vertices, 512, 1_000) < 5 * 1024


def test_a_job_that_is_given_up_leaves_the_process_to_the_next(head, tmp_path):
    check_gl()
    pid = shared_process().pid

    def stop(fraction: float) -> None:
        if fraction > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_video([Track(head, motion(30))], np.zeros(16_000, np.float32), tmp_path / "a.mp4", FPS, SIZE, stop)
    frames = render_frames([Track(head, motion(30))], FPS, SIZE)
    next(frames)
    frames.close()
    weights = np.zeros((2, 52), np.float32)
    weights[1, JAW] = 1.0
    shut, opened = render_stills(head, weights, size=SIZE).astype(int)
    assert np.abs(shut - opened).max() > 50  # its own pictures, not the last job's
    assert shared_process().pid == pid


def test_a_motion_that_breaks_off_is_survived(head):
    def broken():
        yield [head.vertices]
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(shared_process().frames([figure_of(head)], SIZE, broken()))
    assert len(frames_of(head, motion(2))) == 2


def test_a_renderer_that_gives_way_is_nicer_than_its_parent():
    process = RenderProcess()
    process.nice = 3
    process.start()
    threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
    assert min(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads) == os.getpriority(os.PRIO_PROCESS, 0) + 3
    process.stop()
