"""What the evaluation makes of clips: pooling, and that a model which repeats the truth has no error."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from codetalker.head import list_heads, load_head
from codetalker.motion import ARKIT_NAMES, MOTION_DIM, Animation
from codetalker.windows import Heard
from training.evaluate import against_truth, of_people, table
from training.motion_set import FPS, MotionSet


class Parrot:
    """Answers with the motion that its features hold."""

    def encode(self, speech, model):
        return Heard(torch.from_numpy(speech)[None])

    def generate(self, heard, style, model):
        return Animation.from_motion(heard.features[0, :, :MOTION_DIM].numpy(), FPS)


def report(names, weights, fps, phones):
    assert names == ARKIT_NAMES
    return {
        "bilabials": len(phones),
        "closure_recall": float(weights.mean()),
        "closures": 1,
        "closure_precision": None if not phones else 1.0,
        **dict.fromkeys(
            ("silence_closed", "aperture_r", "round_r", "lag_ms", "gap95_mm", "jitter"), float(len(phones))
        ),
    }


def test_shares_of_events_are_pooled_by_their_counts():
    still, open_ = np.zeros((4, MOTION_DIM), np.float32), np.ones((4, MOTION_DIM), np.float32)
    clips = [("a", still, [("p", 0, 1)] * 3), ("b", open_, [("p", 0, 1)]), ("c", still, [])]
    pooled = of_people(Parrot(), "talker", clips, report, None)
    assert pooled["closure_recall"] == pytest.approx(1 / 4)  # three closures missed, one made
    assert pooled["closure_precision"] == 1.0  # the clip without any is left out
    assert pooled["aperture_r"] == pytest.approx(4 / 3)


@pytest.mark.skipif(not list_heads(), reason="assets/heads holds no head")
def test_the_truth_itself_has_no_error_and_a_still_face_has(tmp_path):
    motion = np.random.default_rng(0).uniform(0, 0.5, (40, MOTION_DIM)).astype(np.float16)
    np.save(tmp_path / "motion.npy", motion)
    clips = [{"name": "x", "style": "neutral", "split": "test", "start": 10 * k, "frames": 10} for k in range(4)]
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, clips)))
    head = load_head(list_heads()[0])
    np.save(tmp_path / "features.npy", motion)
    perfect = against_truth(Parrot(), "talker", MotionSet(tmp_path), "test", head)
    assert perfect == pytest.approx(dict.fromkeys(perfect, 0.0), abs=1e-5)
    np.save(tmp_path / "features.npy", np.zeros_like(motion))
    frozen = against_truth(Parrot(), "talker", MotionSet(tmp_path), "test", head)
    assert frozen["FDD mm2"] == frozen["|FDD| mm2"] > 0.1  # the truth is livelier
    assert min(frozen.values()) > 0.1


def test_the_table_has_a_row_a_measure_and_a_column_a_model():
    lines = table({"talker": {"LVE": 1.0}, "baseline": {"LVE": 2.0}}).splitlines()
    assert lines[0].split() == ["talker", "baseline"]
    assert lines[1].split() == ["LVE", "1.000", "2.000"]
