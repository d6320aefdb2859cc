"""The benchmarks run, on tiny models: their tables hold what they say."""

import dataclasses

import numpy as np
import pytest

from benchmarks import decoding as benchmark
from benchmarks import rendering
from codetalker.head import list_heads, load_head
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


def test_the_renderers_are_compared(capsys):
    rendering.main(["--meshes", "5k", "--sizes", "128", "--heads", "1", "--frames", "10"])
    told = capsys.readouterr().out.splitlines()
    start = told.index(rendering.HEADING.splitlines()[0])
    cells = [cell.strip() for cell in told[start + 2].split("|")[1:-1]]
    assert len(cells) == rendering.HEADING.splitlines()[0].count("|") - 1
    assert float(cells[3]) > float(cells[4]) > 0.0 and float(cells[7]) > float(cells[6]) > 0.0
    assert told[-1].startswith("A video of 0.7 s")


def test_a_mesh_to_measure_moves_like_the_head_that_it_is_of():
    head, motion = load_head(list_heads()[0]), rendering.make_motion(3)
    whole, finer = rendering.make_head(head.name, "head"), rendering.make_head(head.name, "23k")
    expected = head.deform(motion.weights, motion.head_rotation)
    np.testing.assert_allclose(whole.deform(motion.weights, motion.head_rotation), expected, atol=1e-6)
    skin = head.parts[0].vertices
    np.testing.assert_allclose(
        finer.deform(motion.weights, motion.head_rotation)[:, : skin.stop], expected[:, skin], atol=1e-6
    )
    assert 20_000 < len(finer.vertices) < 26_000
