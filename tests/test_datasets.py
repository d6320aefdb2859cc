"""The data sets that people have: layouts, official splits, and what the checker says of a spoilt folder."""

from __future__ import annotations

import pickle
import re
import shutil

import numpy as np
import pytest
import soundfile

from codetalker.errors import UserError
from tests import datasets as tiny
from tests.datasets import BIWI_NAMES, VERTICES, VOCASET_NAMES
from training.datasets import BIWI, VOCASET, FaceData, check, open_data
from training.datasets.__main__ import main


def test_raw_and_converted_vocaset_are_the_same_clips(tmp_path):
    raw, half = (
        FaceData(tiny.raw_vocaset(tmp_path / "raw")),
        FaceData(tiny.converted(tmp_path / "c", VOCASET_NAMES, 30)),
    )
    assert check(raw.folder).problems == check(half.folder).problems == []
    assert [(clip.name, clip.split) for clip in raw.clips] == [(clip.name, clip.split) for clip in half.clips]
    assert isinstance(half.layout.motion(half.clips[0].name), np.memmap) and isinstance(raw.layout.frames, np.memmap)
    clip = raw.clips[0]
    frames = tiny.motion(clip.name, 48)[::2]  # 60 fps to 30
    assert raw.frames(clip) == 24 and np.allclose(
        raw.motion(clip), (frames - raw.template(clip)).reshape(24, -1), atol=1e-6
    )
    assert np.allclose(raw.motion(clip, 5, 3), raw.motion(clip)[5:8])
    assert len(raw.speech(clip)) == pytest.approx(0.8 * 16_000, abs=2)
    # white noise from -0.3 to 0.3, of whose 11 kHz the upper three are cut off
    assert raw.speech(clip).std() == pytest.approx(0.3 / 3**0.5 * (8 / 11) ** 0.5, rel=0.05)


def test_official_splits_and_protocols():
    assert [len(VOCASET.splits[name].subjects) for name in ("train", "validation", "test")] == [8, 2, 2]
    assert VOCASET.splits["train"].sentences == (1, 40) and VOCASET.splits["test"].sentences == (21, 40)
    everyone = [one for split in VOCASET.splits.values() for one in split.subjects]
    assert len(set(everyone)) == 12 and VOCASET.splits["test"].all_styles
    a, b = BIWI.splits["test-a"], BIWI.splits["test-b"]
    assert len(a.subjects) * 4 == 24 and len(b.subjects) * 4 == 32 and not set(a.subjects) & set(b.subjects)
    assert a.sentences == b.sentences == (37, 40) and b.all_styles and not a.all_styles
    assert BIWI.splits["validation"].sentences == (33, 36) and BIWI.splits["train"].sentences == (1, 32)


def test_published_sizes():
    stage1, talker = VOCASET.autoencoder(5023), VOCASET.talker(5023, 768, list(VOCASET.splits["train"].subjects))
    assert (stage1.slots, stage1.code_dim, stage1.entries, stage1.code_projection) == (16, 64, 256, False)
    assert (talker.predictor.layers, talker.predictor.period, talker.predictor.styles) == (6, 30, 8)
    assert talker.code_loss == "feature" and stage1.decay == 0
    stage1, baseline = BIWI.autoencoder(23370), BIWI.faceformer(23370, 768, list(BIWI.splits["train"].subjects))
    assert (stage1.slots, stage1.code_dim, stage1.code_projection, stage1.motion_dim) == (8, 128, True, 70110)
    assert (baseline.width, baseline.layers, baseline.period, baseline.speech_per_frame) == (128, 1, 25, 2)


def test_biwi_splits_by_name(tmp_path):
    folder = tiny.converted(tmp_path / "biwi", BIWI_NAMES, 25)
    (folder / "vertices_npy" / "._F2_e01.npy").write_bytes(b"of macOS")
    data = FaceData(folder)
    assert data.spec is BIWI and data.styles == ["F2", "M3"]
    assert {clip.name: clip.split for clip in data.clips} == {
        "F2_e01": "train", "F2_e33": "validation", "F2_e37": "test-a", "F2_e38": "test-a",
        "M3_e01": "train", "M3_e33": "validation", "M3_e37": "test-a", "M3_e38": "test-a",
        "F1_e01": "", "F1_e33": "", "F1_e37": "test-b", "F1_e38": "test-b",
    }  # fmt: skip


def test_batches_take_a_clip_at_a_time_and_cut_sound_with_motion(tmp_path):
    data = FaceData(tiny.converted(tmp_path / "biwi", BIWI_NAMES, 25))
    seen = [data.draw(index, 0.4, seed=0) for index in range(4)]
    assert {tuple(batch["style"][0].tolist()) for batch in seen} == {(1.0, 0.0), (0.0, 1.0)}
    for batch in seen:
        assert batch["motion"].shape == (1, 10, 3 * VERTICES)
        assert 0.4 * 16_000 - 1 <= batch["speech"].shape[1] <= 0.4 * 16_000 + 80


def test_own_data_is_described_in_a_few_lines(tmp_path):
    names = [f"{who}_{number}" for who in ("anna", "ben") for number in range(10)]
    folder = tiny.converted(tmp_path / "own", names, 50)
    with pytest.raises(UserError, match=r"describe your own data in data\.yaml"):
        FaceData(folder)
    tiny.describe(folder, fps=25, stored_fps=50)
    data = open_data(folder)
    assert (data.spec.name, data.vertices, data.styles, data.frames(data.clips[0])) == (
        "own",
        VERTICES,
        ["anna", "ben"],
        12,
    )
    assert [clip.split for clip in data.clips[:10]] == ["train"] * 8 + ["validation", "test"]
    tiny.describe(folder, fps=50, splits={"train": "anna", "test": {"subjects": ["ben"], "sentences": "3-5"}})
    data = FaceData(folder)
    assert data.styles == ["anna"] and [clip.name for clip in data.split("test")] == ["ben_3", "ben_4", "ben_5"]


@pytest.mark.parametrize(
    "told, words",
    [
        ({}, "must say how many frames"),
        ({"fps": 30, "speed": 2}, "not .'speed'"),
        ({"fps": 30, "stored_fps": 50}, "whole multiple"),
        ({"fps": 30.5}, "a whole number from 1 to 1000, not 30.5"),
        ({"like": "multiface"}, "one of vocaset, biwi, not 'multiface'"),
        ({"like": "biwi", "fps": 30}, "BIWI's form has 25 fps, not 30"),
        ({"fps": 30, "splits": {"test": ["a"]}}, "must name train"),
        ({"fps": 30, "splits": {"train": {"subjects": ["a"], "sentences": "all"}}}, "like 1-40, not 'all'"),
        ({"fps": 30, "model": {"hidden_size": 0}}, "hidden_size must be a number above zero"),
    ],
)
def test_a_description_that_makes_no_sense(tmp_path, told, words):
    folder = tiny.converted(tmp_path / "own", ["anna_1"], 30)
    with pytest.raises(UserError, match=words):
        FaceData(tiny.describe(folder, **told))


def _spoilt(folder):
    """BIWI's layout with one of everything wrong, and what must be said of each file."""
    tiny.converted(folder, BIWI_NAMES, 25)
    vertices, wav = folder / "vertices_npy", folder / "wav"
    (wav / "F2_e01.wav").unlink()
    soundfile.write(wav / "F2_e33.wav", tiny.sound(0.5), 16_000)
    frames = np.load(vertices / "F2_e37.npy")
    frames[[3, 7]] = np.nan
    np.save(vertices / "F2_e37.npy", frames)
    np.save(vertices / "F2_e38.npy", frames[:, :33])
    np.save(vertices / "M3_e01.npy", np.zeros((0, 3 * VERTICES), np.float32))
    np.save(vertices / "M3_e33.npy", np.zeros((24, 3 * VERTICES), int))
    (vertices / "M3_e37.npy").write_bytes(b"no array")
    (wav / "M3_e38.wav").write_bytes(b"no sound")
    np.save(vertices / "F1_e01.npy", np.array([{"no": "numbers"}], dtype=object))
    templates = pickle.loads((folder / "templates.pkl").read_bytes())  # of our own making
    del templates["F1"]
    templates |= {"M9": templates["M3"], "M8": np.zeros((5, 3))}
    (folder / "templates.pkl").write_bytes(pickle.dumps(templates))
    return {
        "vertices_npy/F2_e01.npy": r"has no wav/F2_e01\.wav",
        "vertices_npy/F2_e33.npy": r"lasts 0\.96 s, but its sound only 0\.50 s",
        "vertices_npy/F2_e37.npy": r"NaN or endless values in 2 of 24 frames \(3, 7\)",
        "vertices_npy/F2_e38.npy": r"has the shape \(24, 33\), but 12 vertices as the templates' are \(frames, 36\)",
        "vertices_npy/M3_e01.npy": r"the shape \(0, 36\)",
        "vertices_npy/M3_e33.npy": r"holds int64, not floats",
        "vertices_npy/M3_e37.npy": r"is no array of numbers",
        "vertices_npy/M3_e38.npy": r"M3_e38\.wav is not a sound file",
        "vertices_npy/F1_e01.npy": r"the subject F1, which has no template|no array",
        "vertices_npy/F1_e33.npy": r"the subject F1, which has no template",
        "vertices_npy/F1_e37.npy": r"the subject F1, which has no template",
        "vertices_npy/F1_e38.npy": r"the subject F1, which has no template",
        "templates.pkl, M9": r"a template without its subject",
        "templates.pkl, M8": r"a template without its subject|has the shape \(5, 3\)",
    }


def test_the_checker_lists_all_that_is_wrong_by_file(tmp_path, capsys):
    wanted = _spoilt(tmp_path / "spoilt")
    report = check(tmp_path / "spoilt")
    assert {file for file, _ in report.problems} == set(wanted)
    for file, what in report.problems:
        assert re.search(wanted[file], what), (file, what)
    assert main(["check", str(tmp_path / "spoilt")]) == 1
    said = capsys.readouterr().out
    assert all(line in said for line in report.lines()) and f"{len(report.problems)} problems" in said
    with pytest.raises(UserError) as caught:
        open_data(tmp_path / "spoilt")
    assert all(line in str(caught.value) for line in report.lines())


def test_names_that_would_be_taken_for_mixtures_or_nobody(tmp_path):
    folder = tiny.describe(tiny.converted(tmp_path / "own", ["a b_1", "c_1", "lonely"], 30), fps=30)
    said = dict(check(folder).problems)
    assert "commas, colons and spaces part styles" in said["vertices_npy/a b_1.npy"]
    assert "is not named SUBJECT_SEQUENCE" in said["vertices_npy/lonely.npy"]


def test_a_sound_folder_has_its_problems_told_without_the_motion_folder(tmp_path):
    folder = tiny.converted(tmp_path / "x", BIWI_NAMES, 25)
    shutil.rmtree(folder / "wav")
    (folder / "templates.pkl").unlink()
    assert "lacks the folder wav, templates.pkl" in check(folder).problems[0][1]


def test_raw_vocaset_that_is_spoilt(tmp_path):
    folder = tiny.raw_vocaset(tmp_path / "raw")
    frames = np.load(folder / "data_verts.npy")
    frames[5] = np.inf  # frame 42 of the first sequence, whose rows lie backwards
    np.save(folder / "data_verts.npy", frames[:-2])
    audio = pickle.loads((folder / "raw_audio_fixed.pkl").read_bytes())  # of our own making
    first, last = VOCASET_NAMES[1], VOCASET_NAMES[2]
    del audio[tiny.subject(first)]["sentence02"]
    audio[tiny.subject(last)]["sentence21"]["audio"] = np.zeros(2000, np.int16)
    (folder / "raw_audio_fixed.pkl").write_bytes(pickle.dumps(audio, 2))
    said = dict(check(folder).problems)
    who = "FaceTalk_170728_03272_TA"
    assert "NaN or endless values in 1 of 48 frames (42)" in said[f"{who}/sentence01"]
    assert "has no sound in raw_audio_fixed.pkl" in said[f"{who}/sentence02"]
    assert "its sound only 0.09 s" in said[f"{who}/sentence21"]
    assert "but data_verts.npy has 766" in said["FaceTalk_170809_00138_TA/sentence22"] and len(said) == 4


@pytest.mark.parametrize("spoilt", [np.zeros(5), np.float32(1.0)])
def test_templates_and_motion_that_are_nothing_of_the_kind(tmp_path, spoilt):
    folder = tiny.converted(tmp_path / "biwi", BIWI_NAMES, 25)
    np.save(folder / "vertices_npy" / "F2_e01.npy", spoilt)
    assert [file for file, _ in check(folder).problems] == ["vertices_npy/F2_e01.npy"]
    (folder / "templates.pkl").write_bytes(pickle.dumps(np.zeros((5, 3))))
    assert "holds no arrays under names" in check(folder).problems[0][1]
    assert "there is no folder" in check(tmp_path / "nowhere").problems[0][1]


class _Call:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("file", ["raw_audio_fixed.pkl", "subj_seq_to_idx.pkl", "templates.pkl"])
def test_nothing_in_a_pickle_is_run(tmp_path, file, capfd):
    folder = tiny.raw_vocaset(tmp_path / "raw")
    (folder / file).write_bytes(pickle.dumps({"S": {"sentence01": {0: _Call()}}}))
    assert "it asks for builtins.print" in check(folder).problems[0][1]
    assert "run" not in capfd.readouterr().out


def test_arkit_tables_are_a_layout_of_their_own(tmp_path):
    folder = tiny.arkit(tmp_path / "mine", [f"eva_{number:02}" for number in range(10)])
    data = open_data(folder)
    assert data.space == "arkit" and data.spec.fps == 30 and data.styles == ["eva"]
    assert data.motion(data.clips[0]).shape == (40, 55)
    soundfile.write(folder / "wav" / "eva_03.wav", tiny.sound(0.3), 16_000)
    (folder / "arkit" / "eva_04.csv").write_text("a,b\n1,2\n")
    said = dict(check(folder).problems)
    assert set(said) == {"arkit/eva_03.csv", "arkit/eva_04.csv"} and "no ARKit table" in said["arkit/eva_04.csv"]
