"""Speech files in: any common sound file becomes mono float32 at 16 kHz, or one plain sentence."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from .errors import UserError

SAMPLE_RATE = 16_000  # Hz, what the speech encoders take
SHORTEST = 0.2  # seconds; below it there is no syllable to animate
LIMIT_SECONDS = 120.0  # default longest speech
SILENCE = 3e-4  # of full scale (-70 dB): a peak below it is a muted microphone, not a quiet voice
RATES = (8_000, 192_000)  # Hz, the lowest and the highest sample rate read
MOST_CHANNELS = 8
BLOCK = 1 << 16  # samples of each channel decoded at a time
DECODER_TIMEOUT = 60.0  # seconds that ffmpeg may take; two minutes of speech take it well under one

# What soundfile may open; everything else that it knows (raw samples, instrument dumps) is no speech of anyone's.
SOUNDFILE_FORMATS = frozenset("WAV WAVEX RF64 W64 AIFF AU CAF FLAC OGG MP3".split())
# What ffmpeg may open. Playlists (hls, concat) are left out: they make a file read other files.
FFMPEG_DEMUXERS = "mov,matroska,mp3,aac,ogg,flac,wav,w64,aiff,caf,au,amr,asf,avi,wv"


class _Unreadable(Exception):
    """The decoder doesn't know this file; another one may."""


def load_speech(path: str | Path, limit_seconds: float = LIMIT_SECONDS) -> np.ndarray:
    """Decodes a sound file (or the first sound track of a video).

    Any number of channels up to 8, 8 to 192 kHz, 8-bit to float; samples that are no number become zero.
    Decoding stops at `limit_seconds`, however much sound a small file unfolds to.

    Returns (N,) float32, mono at SAMPLE_RATE, within [-1, 1].
    Raises UserError for a file that is missing, empty, not sound, silent, too short or too long.
    """
    path = Path(path)
    name = shown(path)
    _check_file(path, name)
    try:
        try:
            channels = _read_soundfile(path, name, limit_seconds)
        except _Unreadable:
            channels = _read_ffmpeg(path, name, limit_seconds)
    except OSError as error:
        raise UserError(f"{name} can't be read: {error.strerror or error}") from error
    seconds = len(channels) / SAMPLE_RATE
    if seconds > limit_seconds:
        raise UserError(f"{name} is longer than the limit of {limit_seconds:g} s: cut it, or raise the limit")
    if seconds < SHORTEST:
        raise UserError(f"{name} lasts {seconds:.2f} s; at least {SHORTEST} s of speech are needed")
    speech = _downmix(channels)
    peak = float(np.abs(speech - speech.mean()).max())
    if peak < SILENCE:
        raise UserError(f"{name} is silent: is the microphone muted, or the wrong track chosen?")
    return speech / max(1.0, float(np.abs(speech).max()))


def shown(path: str | Path) -> str:
    """A file's name fit for one line of a message, whatever characters it holds."""
    name = Path(path).name or str(path)
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable if len(printable) <= 80 else f"{printable[:60]}...{printable[-15:]}"


def _check_file(path: Path, name: str) -> None:
    if path.is_dir():
        raise UserError(f"{name} is a folder, not a sound file")
    if not path.exists():
        raise UserError(f"{name} doesn't exist (looked in {path.parent.absolute()})")
    if not path.is_file():
        raise UserError(f"{name} is not a regular file")
    if not os.access(path, os.R_OK):
        raise UserError(f"{name} can't be read: permission denied")
    if path.stat().st_size == 0:
        raise UserError(f"{name} is empty")


def _read_soundfile(path: Path, name: str, limit_seconds: float) -> np.ndarray:
    """(N, C) float32 at SAMPLE_RATE, at most a block longer than the limit."""
    # By descriptor: by name, soundfile would choose the format by its ending, and demand a sample rate for ".raw".
    with open(path, "rb") as raw:
        try:
            file = soundfile.SoundFile(raw.fileno(), closefd=False)
        except (soundfile.LibsndfileError, TypeError) as error:
            raise _Unreadable from error
        with file:
            if file.format not in SOUNDFILE_FORMATS:
                raise _Unreadable
            if not RATES[0] <= file.samplerate <= RATES[1]:
                raise UserError(f"{name} has {file.samplerate} samples a second; {RATES[0]} to {RATES[1]} can be read")
            if file.channels > MOST_CHANNELS:
                raise UserError(f"{name} has {file.channels} channels; up to {MOST_CHANNELS} can be read")
            return _resample(_blocks(file), file.samplerate, file.channels, limit_seconds)


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Yields (n, C) float32 of finite samples until the end, or until the file turns out to be broken."""
    while True:
        try:
            block = file.read(BLOCK, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _Unreadable from error
        if not len(block):
            return
        # Beyond 1e6 of full scale is garbage, and would overflow in the resampler.
        yield np.clip(np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0), -1e6, 1e6)


def _resample(blocks: Iterator[np.ndarray], rate: int, channels: int, limit_seconds: float) -> np.ndarray:
    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, channels, dtype="float32") if rate != SAMPLE_RATE else None
    pieces, decoded = [np.zeros((0, channels), np.float32)], 0
    for block in blocks:
        decoded += len(block)
        pieces.append(resampler.resample_chunk(block) if resampler else block)
        if decoded > limit_seconds * rate:
            break
    if resampler:
        pieces.append(resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True))
    return np.concatenate(pieces)


def _read_ffmpeg(path: Path, name: str, limit_seconds: float) -> np.ndarray:
    """(N, 1) float32 at SAMPLE_RATE, at most a second longer than the limit; ffmpeg itself mixes the channels."""
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe"]
    command += [
        "-format_whitelist",
        FFMPEG_DEMUXERS,
        "-i",
        f"file:{path.absolute()}",
        "-map",
        "0:a:0",
        "-vn",
        "-sn",
        "-dn",
    ]
    command += ["-t", f"{limit_seconds + 1.0:.3f}", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1"]
    try:
        result = subprocess.run(command, capture_output=True, timeout=DECODER_TIMEOUT, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise UserError(f"{name} needs ffmpeg to be read, and it isn't installed: apt-get install ffmpeg") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{name} took longer than {DECODER_TIMEOUT:g} s to decode: convert it to wav") from None
    if not result.stdout:
        if b"matches no streams" in result.stderr:
            raise UserError(f"{name} holds no sound")
        raise UserError(
            f"{name} is not a sound file that can be read (wav, flac, ogg, opus, mp3, m4a, aiff, webm), or is broken"
        )
    whole = len(result.stdout) // 4 * 4
    samples = np.frombuffer(result.stdout[:whole], "<f4").astype(np.float32)
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)[:, None]


def _downmix(channels: np.ndarray) -> np.ndarray:
    """(N, C) -> (N,): the mean of the channels that hold sound.

    Silent ones would only make the voice quieter (5.1 with all speech in the centre). Where the mean cancels out, as
    with both sides of a balanced line recorded as stereo, the loudest channel stands alone.
    """
    power = np.square(channels - channels.mean(axis=0)).mean(axis=0)  # (C,)
    heard = channels[:, power >= 0.01 * power.max()]  # within 20 dB of the loudest
    mixed = heard.mean(axis=1)
    if np.square(mixed - mixed.mean()).mean() < 0.1 * power.max() / heard.shape[1]:
        return channels[:, int(power.argmax())]
    return mixed
