"""What the evaluation makes of clips: pooling, groups, rivals, and the published protocols on data with masks."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from codetalker.bundle import Bundle, save_bundle
from codetalker.errors import UserError
from codetalker.faceformer import FaceFormer
from codetalker.head import list_heads, load_head
from codetalker.motion import ARKIT_NAMES, MOTION_DIM, Animation
from codetalker.specs import open_faceformer
from codetalker.speech_encoder import MelEncoder, MelSpec
from codetalker.windows import Heard
from tests import datasets as tiny
from tests.datasets import BIWI_NAMES, VERTICES
from tests.test_streaming import noise, tiny_bundle
from training import evaluate, rivals
from training.datasets import FaceData
from training.evaluate import against_truth, main, of_people, table
from training.judging import (
    HeldOut,
    above_the_mouth,
    blinks,
    cross_validated,
    held_out,
    in_noise,
    over_seeds,
    people_of,
    separability,
)
from training.motion_set import FPS, MotionSet
from training.protocols import official_split, on_data, read_mask

needs_head = pytest.mark.skipif(not list_heads(), reason="assets/heads holds no head")


class Parrot:
    """Answers with the motion that its features hold; a seed may move the brows."""

    def __init__(self, by_seed=0.0):
        self.by_seed = by_seed

    def encode(self, speech, model):
        return Heard(torch.from_numpy(speech)[None])

    def generate(self, heard, style, model, seed=0):
        motion = heard.features[0, :, :MOTION_DIM].numpy().copy()
        motion[:, ARKIT_NAMES.index("browInnerUp")] += self.by_seed * seed
        return Animation.from_motion(motion, FPS)

    def generate_styles(self, heard, styles, model):
        shift = {style: 0.3 * index * np.eye(MOTION_DIM)[3 * index] for index, style in enumerate(styles)}
        motion = 0.1 * heard.features[0].numpy()
        return [Animation.from_motion(motion + shift[style], FPS) for style in styles]


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


def test_a_mouth_that_never_shuts_has_no_precision():
    clip = "c", np.zeros((4, MOTION_DIM), np.float32), [("p", 0, 1)]
    pooled = of_people(Parrot(), "talker", [clip], lambda *a: report(*a) | {"closure_precision": None}, None)
    assert "closure_precision" not in pooled and pooled["jitter"] == 1.0


def test_noise_lies_as_far_below_the_speech_as_asked():
    speech = 0.1 * np.sin(np.arange(16_000) / 9.0).astype(np.float32)
    ((name, noisy, phones),) = in_noise([("a", speech, [("aa", 0, 1)])], 10.0)
    assert (name, phones) == ("a", [("aa", 0, 1)]) and noisy.dtype == np.float32
    assert np.mean(speech**2) / np.mean((noisy - speech) ** 2) == pytest.approx(10.0, rel=0.05)


def test_people_who_are_kept_for_testing_are_those_that_training_never_heard(tmp_path):
    rows, said = [], [("known", "recorded", "train"), ("known", "recorded", "test"), ("flite:x", "flite", "test")]
    said += [("new", "recorded", "test")] * 5
    for index, (voice, engine, split) in enumerate(said):
        seconds = 1 if index == 4 else 4  # one is too short to judge by
        row = {"name": str(index), "voice": voice, "engine": engine, "split": split, "samples": seconds * 16_000}
        rows.append(row | {"phones": [["aa", 0.0, seconds]], "start": sum(one["samples"] for one in rows)})
    (tmp_path / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.save(tmp_path / "speech.npy", np.zeros(sum(row["samples"] for row in rows), np.int16))
    heard = people_of(tmp_path, 2)
    assert {voice: [name for name, _, _ in clips] for voice, clips in heard.items()} == {"new": ["3", "7"]}
    assert people_of(tmp_path / "nowhere", 2) == {}


def test_recordings_are_grouped_by_how_their_names_begin(tmp_path, monkeypatch):
    clips = [(name, noise(0.1), []) for name in ("LJ001.wav", "jfk.flac", "LJ002.wav", "1998.flac")]
    monkeypatch.setattr(evaluate, "real_clips", lambda folder: clips)
    options = SimpleNamespace(real=tmp_path, corpus=tmp_path, group=["women=LJ,1998", "men=jfk"])
    heard = {name: [clip[0] for clip in group] for name, group in evaluate.people_heard(options).items()}
    assert heard["women "] == ["LJ001.wav", "LJ002.wav", "1998.flac"] and heard["men "] == ["jfk.flac"]
    assert len(heard[""]) == len(heard["10 dB noise "]) == 4
    for wrong in ("women", "women=", "women=Eva"):
        options.group = [wrong]
        with pytest.raises(UserError, match="--group women"):
            evaluate.people_heard(options)


def motion_set(folder, features=None, styles=("neutral", "neutral", "capture", "lively")):
    folder.mkdir(exist_ok=True)
    motion = np.random.default_rng(0).uniform(0, 0.5, (40, MOTION_DIM)).astype(np.float16)
    np.save(folder / "motion.npy", motion)
    np.save(folder / "features.npy", motion if features is None else features)
    clips = [
        {"name": f"x{k}", "style": style, "split": "test", "start": 10 * k, "frames": 10}
        for k, style in enumerate(styles)
    ]
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, clips)))
    return MotionSet(folder)


@needs_head
def test_the_truth_itself_has_no_error_and_a_still_face_has(tmp_path):
    head = load_head(list_heads()[0])
    perfect = against_truth(Parrot(), "talker", held_out(motion_set(tmp_path), "test"), head)
    restless = [name for name in perfect if "jitter" in name]
    followed = [name for name in perfect if "opening r" in name]
    alive = ["brows' range / truth", "gaze's speed / truth", "head's speed / truth"]
    assert [perfect.pop(name) for name in restless + followed + alive] == pytest.approx([1.0] * 9)
    assert perfect == pytest.approx(dict.fromkeys(perfect, 0.0), abs=1e-4)
    still = motion_set(tmp_path, np.zeros((40, MOTION_DIM), np.float16))
    frozen = against_truth(Parrot(), "talker", held_out(still, "test"), head)
    assert frozen["FDD mm2"] == frozen["|FDD| mm2"] > 0.1  # the truth is livelier
    assert [frozen.pop(name) for name in restless + followed + alive] == [0.0] * 9
    assert min(frozen.values()) > 0.1
    pooled = (3 * frozen["synthetic LVE mm2"] + frozen["capture LVE mm2"]) / 4
    assert frozen["LVE mm2"] == pytest.approx(pooled)


def test_a_lid_that_falls_and_rises_has_blinked_and_one_that_hangs_has_not():
    weights = np.zeros((60, len(ARKIT_NAMES)), np.float32)
    lid = weights[:, ARKIT_NAMES.index("eyeBlinkLeft")]
    lid[:] = 0.4
    lid[10:14], lid[30:33], lid[50:] = (0.6, 1.0, 0.9, 0.5), 0.6, 1.0
    assert blinks(weights) == 2
    twice = Animation(np.concatenate([weights, weights]), np.ones((120, 3), np.float32), FPS)
    once = Animation(weights, np.ones((60, 3), np.float32), FPS)
    assert above_the_mouth([(twice, once), (once, once)])["blinks / truth"] == pytest.approx(4 / 6)


@needs_head
def test_seeds_that_move_the_brows_are_diverse_above_the_mouth_alone():
    clips = [HeldOut("neutral", np.full((8, MOTION_DIM), 0.1, np.float32), np.zeros((8, MOTION_DIM), np.float32))]
    made = over_seeds(Parrot(by_seed=0.1), "talker", clips, load_head(list_heads()[0]))
    assert made["diversity upper mm"] > 0.05 and made["diversity lips mm"] < 0.01


def test_styles_are_told_apart_where_they_differ_and_by_chance_where_not():
    rng = np.random.default_rng(0)
    clips = [HeldOut("neutral", rng.uniform(0, 1, (30, MOTION_DIM)).astype(np.float32), None) for _ in range(10)]
    assert separability(Parrot(), "talker", clips, ["a", "b", "c", "d"])["style accuracy"] == 1.0
    chance = cross_validated(rng.normal(size=(200, 4, 20)))
    assert 0.2 < chance < 0.3


def test_the_jaw_follows_loudness_along_a_line_fitted_on_training_clips():
    encoder = MelEncoder(MelSpec())
    features = np.zeros((50, encoder.dim), np.float32)
    features[:, -5:-1] = np.linspace(-1, 1, 50)[:, None]
    motion = np.zeros((50, MOTION_DIM), np.float32)
    jaw = ARKIT_NAMES.index("jawOpen")
    motion[:, jaw] = 0.3 + 0.2 * features[:, -2]

    class Motions:
        def split(self, name):
            return [0] if name == "train" else []

        def read(self, clip):
            return features, motion

    class Hearing:
        encoders = {"talker": encoder}  # noqa: RUF012

    loudness = rivals.Loudness(Hearing(), Motions())
    made = loudness.generate(Heard(torch.from_numpy(features)[None]), None, "loudness")
    assert np.allclose(made.weights[:, jaw], motion[:, jaw], atol=1e-5) and made.weights.sum(0).argmax() == jaw
    speech = np.r_[np.zeros(16_000), tiny.sound(1.0)].astype(np.float32)
    opened = loudness.generate(loudness.encode(speech, ""), None, "").weights[:, jaw]
    assert opened[40:55].mean() > opened[5:20].mean()


def test_segments_of_pocketsphinx_become_visemes():
    class Segment:
        def __init__(self, word, start, end):
            self.word, self.start_frame, self.end_frame = word, start, end

    heard = [Segment("SIL", 0, 9), Segment("B", 10, 19), Segment("AY", 20, 29), Segment("+NSN+", 30, 39)]
    visemes = [one for segment in heard for one in rivals._visemes(segment)]
    assert [name for name, _, _ in visemes] == ["sil", "p", "aa", "iy", "sil"]
    assert [start for _, start, _ in visemes] == pytest.approx([0, 0.1, 0.2, 0.26, 0.3])


@pytest.mark.skipif(not rivals.Visemes.installed(), reason="pocketsphinx is not installed")
def test_pocketsphinx_moves_the_mouth_alone():
    one = rivals.Visemes()
    made = one.generate(one.encode(tiny.sound(1.0), ""), None, "")
    assert len(made) == 30 and not made.weights[:, ARKIT_NAMES.index("browInnerUp")].any()
    assert not made.head_rotation.any()


def test_the_table_has_a_row_a_measure_and_a_column_a_model():
    lines = table({"talker": {"LVE": 1.0, "FD": 2e-5}, "baseline": {"LVE": 2.0}}).splitlines()
    assert lines[0].split() == ["talker", "baseline"]
    assert lines[1].split() == ["LVE", "1.000", "2.000"]
    assert lines[2].split() == ["FD", "2.000e-05", "-"]


@needs_head
def test_the_command_makes_one_table_and_says_what_it_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rivals.Visemes, "installed", staticmethod(lambda: False))
    encoder = MelEncoder(MelSpec())
    beside = FaceFormer(open_faceformer(encoder.dim, 2))
    save_bundle(Bundle("b", "arkit", FPS, {"a": "", "b": ""}, {"baseline": encoder}, None, beside), tmp_path / "b")
    features = np.random.default_rng(0).uniform(-1, 1, (40, encoder.dim)).astype(np.float16)
    motion_set(tmp_path / "motion", features, ("a", "a", "b", "b"))
    clips = (
        (tmp_path / "motion" / "clips.jsonl")
        .read_text()
        .replace('"x3", "style": "b", "split": "test"', '"x3", "style": "b", "split": "train"')
    )
    (tmp_path / "motion" / "clips.jsonl").write_text(clips)
    common = ["--weights", str(tmp_path / "b"), "--motion", str(tmp_path / "motion"), "--real", str(tmp_path)]
    common += ["--corpus", str(tmp_path), "--capture", str(tmp_path / "none"), "--json", str(tmp_path / "out.json")]
    assert main(common) == 0
    said = capsys.readouterr().out
    assert "pocketsphinx: left out, it is not installed" in said and "3 synthetic held-out clips" in said
    figures = json.loads((tmp_path / "out.json").read_text())
    assert set(figures) == {"baseline", "loudness"}
    assert {"LVE mm2", "FDD mm2", "|FDD| mm2", "MVE mm", "MOD mm", "FD mm2"} <= set(figures["loudness"])
    assert figures["baseline"]["diversity upper mm"] == 0 and 0 <= figures["baseline"]["style accuracy"] <= 1


def test_recordings_heard_live_stand_beside_themselves_heard_whole(tmp_path, capsys, monkeypatch):
    save_bundle(tiny_bundle(), tmp_path / "b")
    monkeypatch.setattr(evaluate, "real_clips", lambda folder: [("a", noise(0.5), [("p", 0.0, 0.2)])])
    monkeypatch.setattr(evaluate, "load_report", lambda path: report)
    (tmp_path / "lipsync.py").touch()
    common = ["--weights", str(tmp_path / "b"), "--streamed", "--json", str(tmp_path / "out.json")]
    assert main([*common, "--lipsync", str(tmp_path / "none.py")]) == 2
    assert "--streamed needs recordings of people" in capsys.readouterr().err
    assert main([*common, "--lipsync", str(tmp_path / "lipsync.py")]) == 0
    assert "1 recordings of people, 0 s, in chunks of 0.1 s" in capsys.readouterr().out
    figures = json.loads((tmp_path / "out.json").read_text())
    assert list(figures) == ["whole", "0 ms", "60 ms", "100 ms", "200 ms"]
    assert figures["0 ms"]["closure_recall"] != figures["200 ms"]["closure_recall"] > 0
    assert all(row["CPU seconds a second"] > 0 for name, row in figures.items() if name != "whole")


@needs_head
def test_own_arkit_motion_is_judged(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rivals.Visemes, "installed", staticmethod(lambda: False))
    encoder = MelEncoder(MelSpec())
    beside = FaceFormer(open_faceformer(encoder.dim, 1))
    save_bundle(Bundle("b", "arkit", FPS, {"eva": ""}, {"baseline": encoder}, None, beside), tmp_path / "b")
    folder = tiny.arkit(tmp_path / "mine", [f"eva_{number}" for number in range(10)])
    common = ["--weights", str(tmp_path / "b"), "--data", str(folder), "--motion", str(tmp_path)]
    assert main([*common, "--real", str(tmp_path), "--json", str(tmp_path / "out.json")]) == 0
    assert "1 mine held-out clips" in capsys.readouterr().out
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["baseline"]["LVE mm2"] > 0 and "real-time factor" in figures["baseline"]
    assert "style accuracy" not in figures["baseline"]  # of one style there is nothing to tell apart


class Told:
    """A bundle of vertices that says the truth in the style "F2", and the template in any other."""

    space, name, fps, styles = "vertices", "told", 25, ("F2", "M3")

    def __init__(self, data):
        self.data, self.asked = data, []

    def encode(self, speech, model):
        return next(self.clips)

    def generate_styles(self, clip, styles, model, template):
        self.asked.append((clip.name, tuple(styles)))
        truth = self.data.motion(clip).reshape(-1, VERTICES, 3) + template
        still = np.repeat(template[None], len(truth), 0)

        class Made:
            def __init__(self, vertices):
                self.vertices = vertices

        return [Made(truth if style == "F2" else still) for style in styles]


def test_biwi_test_a_in_its_own_styles_and_test_b_in_all(tmp_path):
    data = FaceData(tiny.converted(tmp_path / "biwi", BIWI_NAMES, 25))
    lips, upper = np.array([0, 1, 2]), np.array([5, 6])
    bundle = Told(data)
    bundle.clips = iter(data.split("test-a"))
    seen = on_data(bundle, "talker", data, official_split(data, "test"), lips, upper)
    assert bundle.asked == [("F2_e37", ("F2",)), ("F2_e38", ("F2",)), ("M3_e37", ("M3",)), ("M3_e38", ("M3",))]
    moved = np.stack([data.motion(clip).reshape(-1, VERTICES, 3) for clip in data.split("test-a")[2:]])
    worst = np.square(moved[:, :, lips]).sum(-1).max(-1)
    assert seen["LVE unit2"] == pytest.approx(worst.mean() / 2, rel=1e-4)  # half of the sequences are true
    bundle = Told(data)
    bundle.clips = iter(data.split("test-b"))
    on_data(bundle, "talker", data, "test-b", lips, upper)
    assert bundle.asked == [("F1_e37", ("F2", "M3")), ("F1_e38", ("F2", "M3"))]
    with pytest.raises(UserError, match="has no split dev: it has train, validation, test-a, test-b"):
        official_split(data, "dev")


def test_masks_are_read_from_texts_and_flame_regions(tmp_path):
    (tmp_path / "lve.txt").write_text("3, 1, 7")
    assert read_mask(tmp_path / "lve.txt", (), 8).tolist() == [1, 3, 7]
    regions = {"lips": np.array([4, 2]), "forehead": np.arange(3), "eye_region": np.arange(2, 5)}
    (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps(regions, 2))
    assert read_mask(tmp_path / "FLAME_masks.pkl", ("lips",), 8).tolist() == [2, 4]
    assert read_mask(tmp_path / "FLAME_masks.pkl", ("forehead", "eye_region"), 8).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="vertices up to 7, but the data have 5"):
        read_mask(tmp_path / "lve.txt", (), 5)
    with pytest.raises(UserError, match="has no nose: it has lips"):
        read_mask(tmp_path / "FLAME_masks.pkl", ("nose",), 8)
    (tmp_path / "bad.txt").write_text("lips: 1 2")
    with pytest.raises(UserError, match="is no mask"):
        read_mask(tmp_path / "bad.txt", (), 8)
