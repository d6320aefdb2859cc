"""From a pipe to a pipe: what sound may come, what rows go, and how it ends."""

import csv
import io
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError
from codetalker.export import read_motion
from codetalker.live import read_speech, write_rows
from codetalker.motion import Animation
from codetalker.streaming import Stream
from tests.test_streaming import FPS, noise, streamed, tiny_bundle

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def handler():
    """Of Ctrl-C, which reading from a pipe takes over."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture
def numbers():
    """(N,) of 16 bits"""
    return np.round(noise(1.3) * 2**15).astype("<i2")


def heard(path: Path) -> np.ndarray:
    with open(path, "rb") as sound:
        return np.concatenate([np.zeros(0, np.float32), *read_speech(sound)])


def wav(path: Path, numbers: np.ndarray, **options) -> Path:
    soundfile.write(path, numbers, **{"samplerate": SAMPLE_RATE, "format": "WAV", "subtype": "PCM_16"} | options)
    return path


def test_rows_are_those_of_the_export(bundle, numbers, tmp_path):
    (tmp_path / "sound").write_bytes(numbers.tobytes())
    out = tmp_path / "rows.csv"
    with open(tmp_path / "sound", "rb") as sound, open(out, "w", newline="") as rows:
        write_rows(Stream(bundle, seed=5), sound, rows)
    wanted = Animation.from_motion(streamed(bundle, numbers / np.float32(2**15)), FPS)
    made = read_motion(out)
    assert len(made) == 39
    np.testing.assert_allclose(made.weights, wanted.weights, atol=1e-6)
    np.testing.assert_allclose(made.head_rotation, wanted.head_rotation, atol=1e-6)
    assert [row[0] for row in csv.reader(out.open())][29:32] == [
        "00:00:00:28.000",
        "00:00:00:29.000",
        "00:00:01:00.000",
    ]


def test_bare_numbers_and_wavs_are_heard_alike(numbers, tmp_path):
    bare = tmp_path / "bare"
    bare.write_bytes(numbers.tobytes() + b"\1")  # cut in the middle of a number
    wanted = numbers / np.float32(2**15)
    assert np.array_equal(heard(bare), wanted)
    whole = wav(tmp_path / "a.wav", numbers)
    with open(whole, "ab") as file:
        file.write(b"LIST" + struct.pack("<I", 400) + bytes(range(200)) * 2)  # what some programs add is no sound
    assert np.array_equal(heard(whole), wanted)
    raw = whole.read_bytes()
    size = raw.index(b"data") + 4
    endless = tmp_path / "endless.wav"  # as of a recorder that doesn't know yet
    endless.write_bytes(raw[:size] + b"\xff\xff\xff\xff" + raw[size + 4 :][: numbers.nbytes])
    assert np.array_equal(heard(endless), wanted)


def test_sound_of_another_form_is_told(numbers, tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(UserError, match=r"the wav is 1 x 44100 Hz, 16 bits, not 1 x 16000 Hz, 16 bits: .* arecord"):
        heard(wav(path, numbers, samplerate=44_100))
    with pytest.raises(UserError, match="2 x 16000 Hz"):
        heard(wav(path, np.stack([numbers, numbers], 1)))
    with pytest.raises(UserError, match="24 bits"):
        heard(wav(path, numbers, subtype="PCM_24"))
    with pytest.raises(UserError, match="of another form"):
        heard(wav(path, numbers / 2**15, subtype="FLOAT"))
    path.write_bytes(wav(path, numbers).read_bytes()[:30])
    with pytest.raises(UserError, match="ends before its sound"):
        heard(path)
    with open(os.devnull, "rb") as sound, pytest.raises(UserError, match="no sound came"):
        write_rows(None, sound, io.StringIO())


def test_nobody_reads_any_more(bundle, numbers, tmp_path):
    (tmp_path / "sound").write_bytes(numbers.tobytes())
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), open(tmp_path / "sound", "rb") as sound, open(writing, "w") as out:
        write_rows(Stream(bundle), sound, out)


def test_rows_come_while_the_sound_goes_on_and_ctrl_c_ends_them_whole():
    command = [sys.executable, "-m", "codetalker", "stream", "--style", "soft"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        process.stdin.write((noise(1.0) * 2**15).astype("<i2").tobytes())
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(2)]  # while the pipe is open
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert (process.wait(), process.stderr.read()) == (0, b"")
    rows = list(csv.reader(line.decode() for line in [*first, *rest]))
    assert len(rows) == 31 and {len(row) for row in rows} == {63} and rows[1][0] == "00:00:00:00.000"
