"""Every sound file that people have becomes the same speech, and every other file one plain sentence."""

import os
import subprocess
import time

import numpy as np
import pytest
import soundfile

from codetalker.audio import SAMPLE_RATE, load_speech
from codetalker.errors import UserError

SECONDS = 1.0


def voice(rate: int, seconds: float = SECONDS) -> np.ndarray:
    """(N,): a 220 Hz hum that swells and falls four times a second, as syllables do."""
    time_s = np.arange(round(seconds * rate)) / rate
    return 0.4 * np.sin(2 * np.pi * 220 * time_s) * np.sin(2 * np.pi * 2 * time_s) ** 2


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "voice.wav"
    soundfile.write(path, voice(SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    return path


def envelope(speech: np.ndarray) -> np.ndarray:
    """(T,): loudness in windows of 50 ms."""
    windows = speech[: len(speech) // 800 * 800].reshape(-1, 800)
    return np.sqrt(np.square(windows).mean(axis=1))


def assert_is_voice(speech: np.ndarray, tolerance: float = 0.05, slack: float = 0.06) -> None:
    """Length within `slack` seconds, and the same loudness over time."""
    assert speech.dtype == np.float32 and speech.ndim == 1
    assert len(speech) / SAMPLE_RATE == pytest.approx(SECONDS, abs=slack)
    expected = envelope(voice(SAMPLE_RATE))
    found = envelope(speech)[: len(expected)]
    assert np.abs(found - expected[: len(found)]).max() < tolerance


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"])
def test_wav_of_any_depth(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", voice(22_050), 22_050, subtype=subtype)
    assert_is_voice(load_speech(tmp_path / "a.wav"))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000])
def test_any_rate(tmp_path, rate):
    soundfile.write(tmp_path / "a.flac", voice(rate), rate)
    speech = load_speech(tmp_path / "a.flac")
    assert abs(len(speech) - SECONDS * SAMPLE_RATE) <= 1
    assert_is_voice(speech, tolerance=0.01)


@pytest.mark.parametrize("ending", ["flac", "ogg", "opus", "mp3", "m4a", "aiff", "webm", "mp4", "mka", "au"])
def test_any_format(tmp_path, reference, ending):
    path = tmp_path / f"a.{ending}"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(reference), str(path)], check=True)
    assert_is_voice(load_speech(path), slack=0.15)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
def test_channels_are_mixed(tmp_path, channels):
    samples = np.repeat(voice(48_000)[:, None], channels, axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 48_000)
    assert_is_voice(load_speech(tmp_path / "a.wav"), tolerance=0.01)


def test_voice_in_the_centre_of_5_1_stays_as_loud(tmp_path):
    samples = np.zeros((48_000, 6))
    samples[:, 2] = voice(48_000)
    soundfile.write(tmp_path / "a.wav", samples, 48_000)
    assert_is_voice(load_speech(tmp_path / "a.wav"), tolerance=0.01)


def test_opposite_channels_do_not_cancel(tmp_path):
    samples = np.stack([voice(48_000), -voice(48_000)], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 48_000)
    assert_is_voice(load_speech(tmp_path / "a.wav"), tolerance=0.01)


def test_numbers_that_are_none(tmp_path):
    samples = voice(SAMPLE_RATE)
    samples[100:104] = [np.nan, np.inf, -np.inf, 1e30]
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="DOUBLE")
    speech = load_speech(tmp_path / "a.wav")
    assert np.isfinite(speech).all() and np.abs(speech).max() <= 1.0


def test_name_does_not_matter(tmp_path, reference):
    for name in ["voice.raw", "voice", "-i.wav", "a\nb.wav", "http:x.wav", "voice.txt"]:
        (tmp_path / name).write_bytes(reference.read_bytes())
        assert_is_voice(load_speech(tmp_path / name))


def test_video_gives_its_sound(tmp_path, reference):
    sound = ["-i", str(reference), "-c:a", "aac"]
    picture = ["-f", "lavfi", "-i", "color=size=64x64:rate=10:duration=1"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *picture, *sound, str(tmp_path / "a.mp4")], check=True)
    assert_is_voice(load_speech(tmp_path / "a.mp4"), slack=0.15)
    subprocess.run(["ffmpeg", "-loglevel", "error", *picture, str(tmp_path / "mute.mp4")], check=True)
    refuses(tmp_path / "mute.mp4", "holds no sound")


def refuses(path, *words: str, limit: float = 120.0) -> None:
    with pytest.raises(UserError) as caught:
        load_speech(path, limit)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message and len(message) < 250


def test_bad_files(tmp_path):
    refuses(tmp_path / "none.wav", "none.wav", "doesn't exist")
    refuses(tmp_path, "is a folder")
    refuses("/dev/zero", "not a regular file")
    (tmp_path / "empty.wav").touch()
    refuses(tmp_path / "empty.wav", "is empty")
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(0).bytes(100_000))
    refuses(tmp_path / "noise.wav", "not a sound file")
    (tmp_path / "text.mp3").write_text("no sound here\n" * 1000)
    refuses(tmp_path / "text.mp3", "not a sound file")
    (tmp_path / "two\nlines.wav").write_bytes(b"RIFF....WAVEfmt ")
    refuses(tmp_path / "two\nlines.wav", "two?lines.wav")


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "m4a", "webm"])
def test_cut_and_broken_files(tmp_path, reference, ending):
    """Cut in the middle, or with garbage in it: what is whole is used, or one sentence is told; never anything else."""
    whole = tmp_path / f"whole.{ending}"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(reference), str(whole)], check=True)
    data = bytearray(whole.read_bytes())
    random = np.random.default_rng(0)
    variants = [data[: len(data) // 2], data[:20], data[len(data) // 2 :]]
    for _ in range(3):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 50):
            broken[place] = random.integers(256)
        variants.append(broken)
    for variant in variants:
        (tmp_path / f"bad.{ending}").write_bytes(variant)
        try:
            speech = load_speech(tmp_path / f"bad.{ending}")
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert np.isfinite(speech).all() and np.abs(speech).max() <= 1.0


def test_playlists_are_not_followed(tmp_path, reference):
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{reference}\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.wav").write_text(f"ffconcat version 1.0\nfile '{reference}'\n")
    refuses(tmp_path / "list.m3u8", "not a sound file")
    refuses(tmp_path / "list.wav", "not a sound file")


def test_length_limits(tmp_path):
    soundfile.write(tmp_path / "short.wav", voice(SAMPLE_RATE, 0.19), SAMPLE_RATE)
    refuses(tmp_path / "short.wav", "0.19 s", "0.2 s")
    soundfile.write(tmp_path / "just.wav", 0.1 + voice(SAMPLE_RATE, 0.2), SAMPLE_RATE)
    assert len(load_speech(tmp_path / "just.wav")) == 0.2 * SAMPLE_RATE
    soundfile.write(tmp_path / "long.wav", voice(SAMPLE_RATE, 2.1), SAMPLE_RATE)
    refuses(tmp_path / "long.wav", "longer than the limit of 2 s", limit=2.0)
    assert len(load_speech(tmp_path / "long.wav", 2.1)) == 2.1 * SAMPLE_RATE


def test_silence(tmp_path):
    for offset, subtype in [(0.0, "PCM_16"), (0.0, "PCM_U8"), (0.3, "FLOAT")]:
        soundfile.write(tmp_path / "a.wav", np.full(SAMPLE_RATE, offset), SAMPLE_RATE, subtype=subtype)
        refuses(tmp_path / "a.wav", "is silent")
    soundfile.write(tmp_path / "a.wav", np.full(SAMPLE_RATE, np.nan), SAMPLE_RATE, subtype="FLOAT")
    refuses(tmp_path / "a.wav", "is silent")


@pytest.mark.parametrize("ending", ["flac", "m4a"])
def test_decompression_stops_at_the_limit(tmp_path, ending):
    """Two hours of silence in a small file: decoding ends soon after the limit."""
    path = tmp_path / f"bomb.{ending}"
    source = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=7200"]
    codec = ["-c:a", "flac"] if ending == "flac" else ["-c:a", "alac"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, *codec, str(path)], check=True)
    start = time.perf_counter()
    refuses(path, "longer than the limit of 5 s", limit=5.0)
    assert time.perf_counter() - start < 2.0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path, reference):
    (tmp_path / "a.wav").write_bytes(reference.read_bytes())
    (tmp_path / "a.wav").chmod(0)
    refuses(tmp_path / "a.wav", "permission denied")
