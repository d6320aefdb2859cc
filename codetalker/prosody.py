"""Loudness, pitch, accents, phrases and questions, as far as a face cares: a light estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_opening, gaussian_filter1d, median_filter
from scipy.signal import find_peaks, resample_poly

from .audio import SAMPLE_RATE

PITCH_RATE = 4_000  # Hz: enough for the first harmonics
PITCH_RANGE = (70.0, 400.0)  # Hz
PITCH_WINDOW = 0.04  # s
FIRST = 0.85  # of the highest peak's height: the first that reaches it is the period's
VOICED = 0.5  # normalised autocorrelation above which a frame has a pitch
DYNAMIC_RANGE = 35.0  # dB below the loud parts that count as sound
PAUSE = 0.2  # s of silence that ends a phrase
QUIET = 0.35  # loudness below which a frame is taken for silence where no phones are known
QUESTION_RISE = 2.5  # semitones over a phrase's last 0.4 s


@dataclass(frozen=True)
class Prosody:
    """What the speech signal says at each of T frames."""

    loudness: np.ndarray  # (T,) in [0, 1], 1 at the utterance's loud parts
    pitch: np.ndarray  # (T,) semitones from the utterance's median, carried through unvoiced frames
    accents: np.ndarray  # (A, 2) frame and strength in [0, 1]
    phrases: list[tuple[int, int]]  # first frame and end frame of the stretches between pauses
    questions: np.ndarray  # (len(phrases),) bool: the pitch rises at the end


def measure(speech: np.ndarray, frames: int, fps: float, phrases: list[tuple[int, int]] | None = None) -> Prosody:
    """speech: (N,) float at 16 kHz; the frames are those of the motion; phrases: where known, else by loudness"""
    middles = (np.arange(frames) + 0.5) / fps
    loudness = _loudness(speech, middles)
    pitch = _pitch(speech, loudness, middles, fps)
    phrases = loud_phrases(loudness, fps) if phrases is None else phrases
    salience = gaussian_filter1d(loudness, 0.06 * fps) + 0.06 * gaussian_filter1d(pitch, 0.06 * fps)
    peaks, found = find_peaks(salience, distance=max(round(0.3 * fps), 1), prominence=0.12, height=0.45)
    accents = np.stack([peaks, np.clip(found["prominences"] / 0.6, 0.2, 1.0)], 1) if len(peaks) else np.zeros((0, 2))
    tail = round(0.4 * fps)
    questions = np.array(
        [
            pitch[max(end - 3, start)] - np.median(pitch[max(end - tail, start) : end]) > QUESTION_RISE
            for start, end in phrases
        ]
    )
    return Prosody(loudness, pitch, accents, phrases, questions)


def pitch_curve(speech: np.ndarray, seconds: np.ndarray, fps: float) -> np.ndarray:
    """`Prosody.pitch` at other times. speech: (N,) at 16 kHz; seconds: (T,), `fps` a second -> (T,) semitones"""
    if not (len(speech) and len(seconds)):
        return np.zeros(len(seconds))
    return _pitch(speech, _loudness(speech, seconds), seconds, fps)


def _loudness(speech: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    energy = np.concatenate([[0.0], np.cumsum(np.square(speech, dtype=np.float64))])
    middle = seconds * SAMPLE_RATE
    low = np.clip((middle - 0.03 * SAMPLE_RATE).astype(int), 0, len(speech) - 1)
    high = np.clip((middle + 0.03 * SAMPLE_RATE).astype(int), low + 1, len(speech))
    level = 10 * np.log10((energy[high] - energy[low]) / (high - low) + 1e-9)
    return np.clip(1 + (level - np.percentile(level, 95)) / DYNAMIC_RANGE, 0, 1)


def _pitch(speech: np.ndarray, loudness: np.ndarray, seconds: np.ndarray, fps: float) -> np.ndarray:
    """First high peak of the normalised autocorrelation, one window a frame: at twice the period it is as high. A voice
    holds for three frames, and of three in a row the middle pitch counts."""
    slow = resample_poly(speech, 1, SAMPLE_RATE // PITCH_RATE).astype(np.float32)
    size, frames = round(PITCH_WINDOW * PITCH_RATE), len(seconds)
    begin = (seconds * PITCH_RATE).astype(int)
    windows = np.pad(slow, (size // 2, size + frames))[begin[:, None] + np.arange(size)]  # (T, size)
    windows = (windows - windows.mean(1, keepdims=True)) * np.hanning(size)
    spectrum = np.abs(np.fft.rfft(windows, 2 * size)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :size]
    taper = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(size), 2 * size)) ** 2)[:size]
    low, high = round(PITCH_RATE / PITCH_RANGE[1]), round(PITCH_RATE / PITCH_RANGE[0])
    share = correlation[:, low : high + 1] / (correlation[:, :1] + 1e-9) / (taper[low : high + 1] / taper[0])
    best = share.max(1)
    peaks = (
        (share[:, 1:-1] >= share[:, :-2]) & (share[:, 1:-1] >= share[:, 2:]) & (share[:, 1:-1] >= FIRST * best[:, None])
    )
    lag = np.where(peaks.any(1), 1 + peaks.argmax(1), share.argmax(1))
    voiced = binary_opening((best > VOICED) & (loudness > 0.35), np.ones(3))
    if voiced.sum() < 3:
        return np.zeros(frames)
    semitones = median_filter(12 * np.log2(PITCH_RATE / (low + lag[voiced])), 3, mode="nearest")
    semitones = np.clip(semitones - np.median(semitones), -8, 8)
    carried = np.interp(np.arange(frames), np.flatnonzero(voiced), semitones)
    return gaussian_filter1d(carried, 0.05 * fps)


def loud_phrases(loudness: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """loudness: (T,) -> first and end frame of the stretches that pauses of PAUSE or longer part"""
    pause = max(round(PAUSE * fps), 1)
    phrases: list[tuple[int, int]] = []
    for frame in np.flatnonzero(loudness > QUIET).tolist():
        if phrases and frame - phrases[-1][1] < pause:
            phrases[-1] = (phrases[-1][0], frame + 1)
        else:
            phrases.append((frame, frame + 1))
    return [(start, end) for start, end in phrases if end - start > 2]
