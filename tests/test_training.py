"""What training sees of the corpus."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from codetalker.errors import UserError
from codetalker.motion import MOTION_DIM
from codetalker.phones import PHONES, VISEME_OF_PHONE, VISEMES
from codetalker.specs import open_talker
from codetalker.talker import Talker
from training.above import Recognised
from training.data import Corpus, phone_labels
from training.motion_set import MotionSet, resample


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


def test_a_crop_goes_on_from_the_code_before_it(tmp_path):
    """And begins with none only where its clip does."""
    np.save(tmp_path / "motion.npy", np.random.default_rng(0).uniform(0, 1, (60, MOTION_DIM)).astype(np.float16))
    np.save(tmp_path / "features.npy", np.arange(60, dtype=np.float16)[:, None])
    clips = [
        {"name": name, "style": "neutral", "split": "train", "start": start, "frames": 30}
        for name, start in (("a", 0), ("b", 30))
    ]
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, clips)))
    torch.manual_seed(0)
    spec = open_talker(1, 2).members[1]
    data = Recognised(MotionSet(tmp_path), Talker(spec), "cpu")
    batch = data.batch(32, 10, (0,))
    first = batch["features"][:, 0, 0].long()  # which of all frames a crop begins with
    assert torch.equal(batch["codes"], data.codes[first[:, None] + torch.arange(10)])
    assert torch.equal(batch["before"][:, 1:], batch["codes"][:, :-1])
    begins = first % 30 == 0
    assert begins.any() and (~begins).any()
    assert (batch["before"][begins, 0] == spec.autoencoder.entries).all()
    assert torch.equal(batch["before"][~begins, 0], data.codes[first[~begins] - 1])
