"""The training loop, and what training sees of the corpus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codetalker.errors import UserError
from codetalker.phones import PHONES, VISEME_OF_PHONE, VISEMES
from training.data import Corpus, phone_labels
from training.loop import LoopConfig, fit
from training.motion_set import resample


def regression(out: Path, steps: int, total: int) -> nn.Module:
    """`steps` of a run of `total`; a batch depends on its step alone, so a resumed run sees what a whole one sees."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)

    def batches(step: int):
        while True:
            generator = torch.Generator().manual_seed(step)
            x = torch.randn(32, 4, generator=generator)
            yield x, x.sum(1, keepdim=True)
            step += 1

    def losses(batch, step: int):
        x, y = batch
        if step == steps:
            raise KeyboardInterrupt
        return {"error": (model(x) - y).square().mean()}

    config = LoopConfig(total, 0.05, warmup=5, average=0.9, log_every=10, save_every=20)
    return fit(model, losses, batches, out, config)


def test_training_reduces_the_loss_and_logs_it(tmp_path):
    averaged = regression(tmp_path, -1, 200)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(10, 201, 10))
    assert rows[-1]["error"] < 0.01 * rows[0]["error"]
    assert torch.allclose(averaged.weight, torch.ones(1, 4), atol=0.05)


def test_a_run_that_was_killed_resumes_where_it_left_off(tmp_path):
    whole = regression(tmp_path / "whole", -1, 60)
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path / "killed", 40, 60)
    resumed = regression(tmp_path / "killed", -1, 60)
    assert torch.equal(whole.weight, resumed.weight)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="step 0"):
        fit(model, lambda batch, step: {"bad": model.weight.sum() / 0}, lambda step: iter([0]), tmp_path, LoopConfig(1))


def test_labels_follow_the_phones_and_gaps_are_silence():
    labels = phone_labels([("aa", 0.1, 0.2), ("m", 0.3, 0.4)], 25, 50.0)
    named = [PHONES[label] for label in labels]
    assert named == ["sil"] * 5 + ["aa"] * 5 + ["sil"] * 5 + ["m"] * 5 + ["sil"] * 5


def test_every_phone_has_one_viseme():
    assert sorted(phone for group in VISEMES for phone in group) == sorted(PHONES)
    assert all(phone in VISEMES[viseme] for phone, viseme in zip(PHONES, VISEME_OF_PHONE))


def test_resampling_keeps_the_course_of_a_motion():
    time = np.linspace(0, 1, 90)[:, None]
    slower = resample(np.sin(2 * np.pi * time), 117)
    assert slower.shape == (117, 1)
    assert np.abs(slower[:, 0] - np.sin(2 * np.pi * np.linspace(0, 1, 117))).max() < 0.03


def test_a_missing_corpus_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"training\.corpus"):
        Corpus(tmp_path)
