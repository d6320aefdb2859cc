"""The benchmarks run, on tiny models: their tables hold what they say."""

import dataclasses

import pytest

from benchmarks import decoding as benchmark
from tests import models

TINY = benchmark.Size(4, 30, models.STYLES, 1, 1, False, 1, 1)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(benchmark, "build", lambda size, device: models.talker(causal=False))
    monkeypatch.setattr(benchmark, "SPEECH_DIM", models.SPEECH_DIM)
    monkeypatch.setitem(benchmark.SIZES, "tiny", TINY)


def test_plain_and_exact_agree_and_their_ratio_is_told():
    line = benchmark.measure("tiny", 1, "cpu", plain=True)
    assert line.frames == 30 and line.difference < 1e-4 and line.gigabytes > 0.05
    cells = [cell.strip() for cell in line.row().split("|")[1:-1]]
    assert len(cells) == benchmark.HEADING.splitlines()[0].count("|") - 1
    assert float(cells[5]) == pytest.approx(line.plain / line.exact, abs=0.06)


def test_long_speech_goes_through_windows():
    line = benchmark.measure("tiny", 25, "cpu", plain=False)
    assert line.windows > 0 and line.plain is None and benchmark.Line(**dataclasses.asdict(line)) == line
