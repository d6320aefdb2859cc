"""Makes a few clean voices sound like many people in many rooms over many microphones.

Waveforms change in `augment_speech`, log-mels in `augment_mels`; both take their chance from a generator of the
caller's, so that a run can be repeated. Four seconds take about 8 ms on one core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from codetalker.audio import SAMPLE_RATE

TEMPO = (0.8, 1.3)  # resampling: pitch, vocal tract and tempo together
VOCAL_TRACT = (0.82, 1.2)  # warp of the frequency axis, on its own
SNR = (3.0, 40.0)  # dB, of noise and babble
TIME_MASK = 0.05  # seconds at most: longer ones would hide whole closures
_MEL_LOW, _MEL_HIGH = 50.0, 7600.0  # Hz, as in codetalker.speech_encoder


def augment_speech(
    speech: np.ndarray, rng: np.random.Generator, babble: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, float]:
    """speech (N,) float32 -> new speech (round(N * factor),) float32 in [-1, 1], and the factor.

    All phone times must be multiplied by the factor. babble(n) returns n samples of other people's speech, float32,
    at any level; it is asked for only when babble is drawn.
    """
    count = max(1, round(len(speech) / rng.uniform(*TEMPO)))
    factor = count / max(len(speech), 1)
    speech = _shape(_resample(speech, count), rng)
    if rng.random() < 0.7:
        speech = _add(speech, _noise(count, rng), rng)
    if rng.random() < 0.2:
        speech = _add(speech, babble(count).astype(np.float32), rng)
    if rng.random() < 0.15:
        speech = _clip(speech, rng)
    if rng.random() < 0.15:
        speech = _mu_law(speech)
    level = 10 ** (rng.uniform(-30.0, -1.0) / 20) / max(float(np.abs(speech).max()), 1e-6)
    return (speech * level).astype(np.float32), factor


def background(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) float32 of noise, hum or tones in which nobody speaks: to be labelled silence from end to end."""
    count = round(seconds * SAMPLE_RATE)
    sound = _noise(count, rng)
    if rng.random() < 0.6:
        time = np.arange(count, dtype=np.float32) / SAMPLE_RATE
        for _ in range(rng.integers(1, 6)):
            pitch = rng.uniform(60, 2000)
            swell = 1 + np.sin(2 * np.pi * (rng.uniform(0.2, 6) * time + rng.random()))
            sound = sound + rng.uniform(0.2, 2.0) * swell * np.sin(2 * np.pi * pitch * time)
    level = 10 ** (rng.uniform(-50, -6) / 20)
    return (level * sound / max(float(np.abs(sound).max()), 1e-6)).astype(np.float32)


def augment_mels(mels: Tensor, rng: np.random.Generator) -> Tensor:
    """log-mels (B, T, bins) at 100 Hz, each bin's mean removed -> the same: other vocal tracts, blurred, with gaps.

    Gaps follow SpecAugment (Park et al. 2019), but stay short: a long one would hide a closure that the label tells of.
    """
    batch, frames, bins = mels.shape
    factors = np.where(rng.random(batch) < 0.2, 1.0, rng.uniform(*VOCAL_TRACT, batch))
    mels = _blur(warp_mels(mels, factors), rng)
    kept = torch.ones(batch, frames, bins)
    for item in kept:
        for _ in range(rng.integers(0, 1 + frames // 100)):  # up to one a second
            start = rng.integers(frames)
            item[start : start + rng.integers(1, 1 + round(TIME_MASK * 100))] = 0.0
        for _ in range(rng.integers(0, 3)):
            start = rng.integers(bins)
            item[:, start : start + rng.integers(1, 8)] = 0.0
    return mels * kept.to(mels)


def warp_mels(mels: Tensor, factors: np.ndarray) -> Tensor:
    """log-mels (B, T, bins) as of vocal tracts shorter by factors (B,): what was at f Hz lies at f * factor.

    Bins past either end take the outermost value; the widths of the bands stay as they are, which is the approximation.
    """
    bins = mels.shape[2]
    centres = _mel_centres(bins)
    position = np.interp(centres[None] / factors[:, None], centres, np.arange(bins))  # (B, bins) to read at
    distance = np.abs(position[:, None, :] - np.arange(bins)[None, :, None])
    return mels @ torch.from_numpy(np.maximum(1.0 - distance, 0.0)).to(mels)


def _blur(mels: Tensor, rng: np.random.Generator) -> Tensor:
    """Neighbouring bins mixed in two items of five, so that the fine pitch structure of few voices isn't learnt."""
    batch, _, bins = mels.shape
    width = np.where(rng.random(batch) < 0.6, 0.0, rng.uniform(0.2, 0.5, batch))[:, None, None]
    neighbours = (np.eye(bins, k=1) + np.eye(bins, k=-1)) / 2
    neighbours[0, 0] = neighbours[-1, -1] = 0.5  # the outermost bins are their own neighbours
    return mels @ torch.from_numpy((1 - width) * np.eye(bins) + width * neighbours).to(mels)


def _mel_centres(bins: int) -> np.ndarray:
    """Centre frequencies in Hz of the filter bank, on Slaney's mel scale: linear to 1 kHz, logarithmic above."""
    step = np.log(6.4) / 27.0
    low, high = _MEL_LOW * 3 / 200, 15.0 + np.log(_MEL_HIGH / 1000) / step
    mel = np.linspace(low, high, bins + 2)[1:-1]
    return np.where(mel < 15.0, mel * 200 / 3, 1000 * np.exp(step * (mel - 15.0)))


def _resample(speech: np.ndarray, count: int) -> np.ndarray:
    """By linear interpolation: it dulls the top a little, as one more equaliser, and is fast."""
    grid = np.linspace(0, len(speech) - 1, count, dtype=np.float64)
    return np.interp(grid, np.arange(len(speech)), speech).astype(np.float32)


def _shape(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Equaliser, band limits and room, multiplied in the frequency domain and applied by one transform."""
    size = scipy.fft.next_fast_len(len(speech) + round(0.5 * SAMPLE_RATE), real=True)
    frequency = np.linspace(0, SAMPLE_RATE / 2, size // 2 + 1, dtype=np.float32)
    decibels = np.zeros_like(frequency)
    if rng.random() < 0.8:
        corners = np.geomspace(60, SAMPLE_RATE / 2, 8)
        decibels += np.interp(frequency, corners, rng.normal(0, 5.0, 8)).astype(np.float32)
    if rng.random() < 0.3:  # telephones, small microphones, old recordings
        low, high = rng.uniform(20, 350), rng.uniform(3000, 8000)
        decibels -= 40 * np.maximum(np.log2(low / np.maximum(frequency, 1.0)), 0)
        decibels -= 60 * np.maximum(np.log2(np.maximum(frequency, 1.0) / high), 0)
    response = np.power(np.float32(10), decibels / 20, dtype=np.float32)
    if rng.random() < 0.5:
        response = response * scipy.fft.rfft(_room(rng), size)
    return scipy.fft.irfft(scipy.fft.rfft(speech, size) * response, size)[: len(speech)]


def _room(rng: np.random.Generator) -> np.ndarray:
    """(N,) float32: the direct sound, then exponentially decaying noise (Polack's model of a room's response)."""
    decay = rng.uniform(0.08, 0.6)  # seconds to fall by 60 dB
    count = round(min(decay, 0.5) * SAMPLE_RATE)
    tail = rng.standard_normal(count, dtype=np.float32)
    tail *= np.exp(np.arange(count, dtype=np.float32) * np.float32(-6.9 / (decay * SAMPLE_RATE)))
    tail[: round(rng.uniform(0.001, 0.012) * SAMPLE_RATE)] = 0  # the first wall
    tail *= 10 ** (-rng.uniform(2, 20) / 20) / max(float(np.sqrt(np.sum(tail**2))), 1e-6)  # direct to echo
    tail[0] = 1.0
    return tail


def _noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) float32: noise whose spectrum follows a random power of the frequency, at times coming and going."""
    period = min(count, 2 * SAMPLE_RATE)
    spectrum = scipy.fft.rfft(rng.standard_normal(period, dtype=np.float32))
    spectrum *= np.maximum(np.arange(len(spectrum), dtype=np.float32), 1.0) ** np.float32(rng.uniform(-1.2, 0.3))
    noise = np.resize(scipy.fft.irfft(spectrum, period), count)  # it repeats without a seam
    if rng.random() < 0.2:
        corners = np.linspace(0, count, max(3, count // 4000))
        noise = noise * np.interp(np.arange(count), corners, rng.uniform(0, 1, len(corners))).astype(np.float32)
    return noise


def _add(speech: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """speech with noise at a random ratio of `SNR`, light noise being as likely as heavy."""
    power, of_noise = float(np.mean(speech**2)), float(np.mean(noise**2))
    gain = np.sqrt(power / max(of_noise, 1e-12)) * 10 ** (-rng.uniform(*SNR) / 20)
    return speech + np.float32(gain) * noise


def _clip(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    limit = float(np.abs(speech).max()) * rng.uniform(0.2, 0.8)
    return np.clip(speech, -limit, limit)


def _mu_law(speech: np.ndarray) -> np.ndarray:
    """Eight bits on a logarithmic scale, as telephone networks send (ITU-T G.711)."""
    peak = max(float(np.abs(speech).max()), 1e-6)
    coded = np.round(np.sign(speech) * np.log1p(255 * np.abs(speech) / peak) / np.log(256) * 127) / 127
    return np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255 * peak
