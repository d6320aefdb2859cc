"""Speaks the corpus: first who says what is planned, then processes speak it; the same seed gives the same bytes.

People's recordings follow what the engines say.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from codetalker.audio import SAMPLE_RATE

from . import text, voices
from .take import Line, Take
from .voices import Voice

LINES_PER_JOB = 25
VOICES_PER_SYNTHETIC_JOB = 5
SECONDS_PER_LINE = 3.95  # as measured on all voices, the lines that are left out counted as none
SHORTEST, LONGEST = 2.0, 8.0  # seconds of an utterance
SILENCE = 1.0  # seconds at most before and after
LOUDNESS = (-32.0, -14.0)  # dB, rms
TEMPO = (0.85, 1.35)
PITCH = (0.7, 1.4)

# Shares of the training hours; voices recorded from people have more than half.
SHARES = (
    (voices.RECORDED_ENGLISH, 0.42),
    (voices.RECORDED_FOREIGN, 0.20),
    (voices.SYNTHETIC_ENGLISH, 0.25),
    (voices.SYNTHETIC_FOREIGN, 0.13),
)
TEST_SHARES = ((voices.TEST_RECORDED, 0.7), (voices.TEST_SYNTHETIC, 0.3))
VALIDATION_PART, TEST_PART = 0.03, 0.05  # of all hours; validation: known voices, new sentences; test: both new


class Request(NamedTuple):
    voice: Voice
    line: Line


@dataclass(frozen=True)
class Job:
    """What one process speaks at a time; split: of all its requests, seed: of silences and levels."""

    split: str
    seed: tuple[int, int]
    requests: list[Request]


class Utterance(NamedTuple):
    row: dict  # of utterances.jsonl, without name and start
    speech: np.ndarray  # (N,) int16


def plan(hours: float, seed: int, available: Callable[[Voice], bool] = lambda voice: True) -> list[Job]:
    """Jobs of about as many hours; voices that are not `available` are left out, their shares going to the rest."""
    count = max(3, round(hours * 3600 / (LINES_PER_JOB * SECONDS_PER_LINE)))
    validation, test = max(1, round(VALIDATION_PART * count)), max(1, round(TEST_PART * count))
    splits = ["validation"] * validation + ["test"] * test + ["train"] * (count - validation - test)
    schedules = {split: _schedule(TEST_SHARES if split == "test" else SHARES, available) for split in text.SPLITS}
    rng = np.random.default_rng([seed, 1])
    jobs = []
    for index, split in enumerate(splits):
        group = next(schedules[split])
        if isinstance(group, Voice):
            speakers = [group]
        else:
            speakers = [group[i] for i in rng.integers(len(group), size=VOICES_PER_SYNTHETIC_JOB)]
        requests = [
            Request(speaker, _line(speaker, split, rng))
            for speaker in speakers
            for _ in range(LINES_PER_JOB // len(speakers))
        ]
        jobs.append(Job(split, (seed, index), requests))
    return jobs


def _schedule(shares, available):
    """Endless voices in turn, each as often as its share says; a group of synthetic voices counts as one."""
    weights: list[tuple[Voice | list[Voice], float]] = []
    for group, share in shares:
        present = [voice for voice in group if available(voice)]
        if present and present[0].engine == "espeak":
            weights.append((present, share))
        else:
            weights += [(voice, share / len(group)) for voice in present]
    heard = [0] * len(weights)
    while weights:
        due = min(range(len(weights)), key=lambda i: (heard[i] + 1) / weights[i][1])
        heard[due] += 1
        yield weights[due][0]


def _line(voice: Voice, split: str, rng: np.random.Generator) -> Line:
    while True:
        sentence = text.english(rng) if voice.script == "english" else text.foreign(rng, voice.script)
        if text.split_of(sentence) == split:
            return Line(sentence, tempo=rng.uniform(*TEMPO), pitch=rng.uniform(*PITCH))


def perform(job: Job) -> list[Utterance]:
    """Speaks a job; runs in a process of its own."""
    rng = np.random.default_rng([*job.seed, 2])
    utterances = []
    for voice, requests in itertools.groupby(job.requests, key=lambda request: request.voice):
        for take in voices.speak(voice, [request.line for request in requests]):
            settled = settle(take, rng)
            if not SHORTEST <= len(settled.speech) / SAMPLE_RATE <= LONGEST:
                continue
            utterances.append(utterance_of(settled, voice.full_name, voice.engine, voice.language, job.split))
    return utterances


def settle(take: Take, rng: np.random.Generator) -> Take:
    """The take with a silence of its own at either end and a level of its own."""
    speech, phones = take.speech, take.phones
    edges = np.minimum(0.04 + rng.exponential(0.2, 2), SILENCE)
    first = phones[0][2] if phones[0][0] == "sil" else 0.0  # where the voice begins
    last = phones[-1][1] if phones[-1][0] == "sil" else len(speech) / SAMPLE_RATE
    begin, end = round((first - edges[0]) * SAMPLE_RATE), round((last + edges[1]) * SAMPLE_RATE)
    speech = np.pad(speech[max(begin, 0) : end], (max(-begin, 0), max(end - len(speech), 0)))
    shift, seconds = begin / SAMPLE_RATE, len(speech) / SAMPLE_RATE
    spoken = [(p, start - shift, end - shift) for p, start, end in phones if start >= first and end <= last]
    phones = [("sil", 0.0, first - shift), *spoken, ("sil", last - shift, seconds)]
    level = 10 ** (rng.uniform(*LOUDNESS) / 20) / max(np.sqrt(np.mean(speech**2)), 1e-6)
    return Take(take.line, speech * min(level, 0.98 / max(np.abs(speech).max(), 1e-6)), phones)


def utterance_of(take: Take, voice: str, engine: str, language: str, split: str) -> Utterance:
    """A take as the corpus keeps it."""
    row = {"voice": voice, "engine": engine, "language": language, "text": take.line.text, "split": split}
    row["samples"] = len(take.speech)
    row["phones"] = [[phone, round(start, 4), round(end, 4)] for phone, start, end in take.phones]
    return Utterance(row, np.round(take.speech * 32767).astype(np.int16))


def build(jobs: list[Job], more: Iterable[list[Utterance]], out: Path, processes: int = 2) -> float:
    """Speaks the jobs into out/speech.npy and out/utterances.jsonl, `more` after them; returns the hours of both."""
    out.mkdir(parents=True, exist_ok=True)
    raw, rows = out / "speech.raw.partial", []
    start = 0
    # espeak-ng keeps its state from one utterance to the next: only a process per job makes a job's bytes its own.
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool, raw.open("wb") as file:
        spoken = tqdm(pool.imap(perform, jobs), total=len(jobs), desc="speaking", unit="job")
        for utterances in itertools.chain(spoken, tqdm(more, desc="aligning", unit="recording")):
            for row, speech in utterances:
                rows.append({"name": f"{len(rows):06d}", **row, "start": start})
                start += len(speech)
                speech.tofile(file)
    speech = np.lib.format.open_memmap(out / "speech.npy.partial", "w+", np.int16, (start,))
    speech[:] = np.memmap(raw, np.int16, "r")
    speech.flush()
    table = out / "utterances.jsonl.partial"
    table.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    for name in ("speech.npy", "utterances.jsonl"):
        os.replace(out / f"{name}.partial", out / name)
    raw.unlink()
    return start / SAMPLE_RATE / 3600
