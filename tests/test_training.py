"""What training sees of the corpus."""

from __future__ import annotations

import numpy as np
import pytest

from codetalker.errors import UserError
from codetalker.phones import PHONES, VISEME_OF_PHONE, VISEMES
from training.data import Corpus, phone_labels
from training.motion_set import resample


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
