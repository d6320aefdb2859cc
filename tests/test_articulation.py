"""The articulation model: lips that close and rest, styles that differ, curves fit to be played."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from codetalker.gestures import HEAD_MOST
from codetalker.motion import ARKIT_NAMES
from codetalker.prosody import Prosody
from training.corpus.articulation import STYLES, articulate, without_gaps
from training.corpus.capture import load_capture
from training.corpus.coarticulation import GESTURES, RELEASE
from training.corpus.mouth import CLOSES, PARTS
from training.corpus.upper_face import blinks

SHARED = Path(__file__).resolve().parents[2] / "shared"
FPS = 30.0
WORDS = "sil m aa p iy sil b uw m ae l ao p eh sh uh b aa v er sil t ih p ah f iy w ih m sil".split()


def spoken() -> tuple[list, np.ndarray]:
    """Phones of 30 to 160 ms with pauses of 0.5 s, and noise that is loud where they sound."""
    rng = np.random.default_rng(5)
    phones, now = [], 0.0
    for phone in WORDS:
        length = 0.5 if phone == "sil" else rng.uniform(0.03, 0.16)
        phones.append((phone, now, now + length))
        now += length
    speech = rng.standard_normal(int(now * 16_000)).astype(np.float32) * 0.1
    for phone, start, end in phones:
        if phone == "sil":
            speech[int(start * 16_000) : int(end * 16_000)] *= 1e-3
    return phones, speech


def column(motion: np.ndarray, name: str) -> np.ndarray:
    return motion[:, ARKIT_NAMES.index(name)]


def parting(motion: np.ndarray) -> np.ndarray:
    """(T,) mm between the lips, by the shapes that part them; pairs at their mean."""
    gap = -CLOSES * column(motion, "mouthClose")
    for name, amount in PARTS.items():
        names = [name] if name in ARKIT_NAMES else [name + "Left", name + "Right"]
        gap = gap + amount * np.mean([column(motion, each) for each in names], axis=0)
    return gap


@pytest.fixture(scope="module")
def motions() -> dict[str, np.ndarray]:
    phones, speech = spoken()
    return {name: articulate(phones, speech, style, seed=3) for name, style in STYLES.items()}


@pytest.mark.parametrize("name", STYLES)
def test_lips_meet_in_every_bilabial_and_part_in_open_vowels(motions, name):
    phones, _ = spoken()
    gap, time = parting(motions[name]), (np.arange(len(motions[name])) + 0.5) / FPS
    for phone, start, end in phones:
        inside = (time >= start - 0.5 / FPS) & (time <= end + 0.5 / FPS)
        if phone in ("p", "b", "m"):
            assert gap[inside].min() < 0.3, (phone, start)
            closed = np.abs(time - (start + RELEASE.get(phone, 0.9) * (end - start) / 2)).argmin()
            assert column(motions[name], "mouthPressLeft")[closed - 1 : closed + 2].max() > 0.08
        if phone in ("aa", "ae"):
            assert gap[inside].max() > 0.25 * STYLES[name].opening


@pytest.mark.parametrize("name", STYLES)
def test_lips_rest_in_silence(motions, name):
    phones, _ = spoken()
    time = (np.arange(len(motions[name])) + 0.5) / FPS
    for phone, start, end in phones:
        if phone == "sil":
            assert parting(motions[name])[(time > start + 0.15) & (time < end - 0.15)].max() < 0.8


def test_motion_is_playable(motions):
    _, speech = spoken()
    for name, motion in motions.items():
        assert motion.shape == (round(len(speech) / 16_000 * FPS), 55) and motion.dtype == np.float32
        assert np.isfinite(motion).all() and motion[:, :52].min() >= 0 and motion[:, :52].max() <= 1
        rotation = np.degrees(motion[:, 52:])
        assert np.abs(rotation).max() <= HEAD_MOST + 1e-4
        assert np.abs(np.diff(rotation, axis=0)).max() < 1.0  # degrees a frame
        snap = 0.3 if STYLES[name].jaw_inertia else 0.6  # the capture's jaw moves by up to 0.39 a frame
        assert np.abs(np.diff(column(motion, "jawOpen"))).max() < snap


def test_deterministic_for_a_seed_which_moves_the_upper_face_alone():
    phones, speech = spoken()
    style = STYLES["lively"]
    one, again, other = (articulate(phones, speech, style, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    mouth = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("mouth", "jaw", "tongue"))]
    np.testing.assert_array_equal(one[:, mouth], other[:, mouth])
    assert np.abs(one[:, 52:] - other[:, 52:]).max() > 0.01
    assert np.abs(column(one, "eyeBlinkLeft") - column(other, "eyeBlinkLeft")).max() > 0.5


def test_rounding_is_anticipated():
    phones = [("sil", 0, 0.5), ("s", 0.5, 0.65), ("t", 0.65, 0.75), ("uw", 0.75, 1.0), ("sil", 1.0, 1.5)]
    spread = [(("iy" if phone == "uw" else phone), start, end) for phone, start, end in phones]
    speech = np.zeros(24_000, np.float32)
    rounded, wide = (column(articulate(p, speech), "mouthPucker") for p in (phones, spread))
    during_t = round(0.7 * FPS)
    assert rounded[during_t] > wide[during_t] + 0.1


def test_styles_differ_as_their_names_say(motions):
    def mean(name, shape):
        return column(motions[name], shape).mean()

    opening = {name: np.percentile(parting(motion), 95) for name, motion in motions.items()}
    assert opening["soft"] < 0.65 * opening["neutral"] < opening["lively"]
    assert mean("smiling", "mouthSmileLeft") > mean("neutral", "mouthSmileLeft") + 0.25
    assert mean("wry", "mouthSmileLeft") > 3 * mean("wry", "mouthSmileRight")
    assert mean("rounded", "mouthFunnel") > 1.4 * mean("neutral", "mouthFunnel")
    assert mean("rounded", "jawOpen") < 0.7 * mean("neutral", "jawOpen")
    assert mean("heavy", "browDownLeft") > mean("neutral", "browDownLeft") + 0.2
    assert mean("stern", "browDownLeft") > mean("heavy", "browDownLeft") + 0.2
    assert mean("stern", "mouthRollUpper") > mean("neutral", "mouthRollUpper") + 0.15
    assert mean("tired", "eyeBlinkLeft") > mean("soft", "eyeBlinkLeft") + 0.15
    assert mean("amazed", "eyeWideLeft") > mean("neutral", "eyeWideLeft") + 0.4
    pitch = {name: np.degrees(motions[name][:, 52].mean()) for name in ("tired", "neutral", "amazed")}
    assert pitch["tired"] > pitch["neutral"] + 1 > pitch["amazed"] + 2
    assert mean("brisk", "mouthFunnel") > 1.2 * mean("neutral", "mouthFunnel")
    assert mean("brisk", "mouthPucker") < 0.3 * mean("neutral", "mouthPucker")
    assert mean("crisp", "mouthPressLeft") > 1.2 * mean("neutral", "mouthPressLeft")
    speed = {name: np.abs(np.diff(parting(motion))).mean() / opening[name] for name, motion in motions.items()}
    assert speed["crisp"] > speed["neutral"] > speed["heavy"]


@pytest.mark.parametrize("name", STYLES)
def test_blinks_have_natural_numbers_and_lengths(name):
    minutes = 10
    frames = int(minutes * 60 * FPS)
    silence = Prosody(np.zeros(frames), np.zeros(frames), np.zeros((0, 2)), [], np.zeros(0, bool))
    lids = blinks(silence, STYLES[name], frames, FPS, np.random.default_rng(0))
    edges = np.flatnonzero(np.diff(np.r_[0, (lids > 0).astype(int), 0]))
    lengths = edges[1::2] - edges[::2]
    assert 8 * minutes <= len(lengths) <= 25 * minutes
    assert lengths[:-1].min() >= 4 and lengths.max() <= 6
    assert all(lids[start:end].max() > 0.99 for start, end in zip(edges[::2][:-1], edges[1::2]))


def test_louder_speech_opens_wider():
    phones = [("sil", 0, 0.5), ("aa", 0.5, 1.0), ("sil", 1.0, 1.5), ("aa", 1.5, 2.0), ("sil", 2.0, 2.5)]
    speech = np.random.default_rng(0).standard_normal(40_000).astype(np.float32) * 1e-4
    speech[8_000:16_000] *= 1000
    speech[24_000:32_000] *= 100
    gap = parting(articulate(phones, speech))
    assert gap[round(0.75 * FPS)] > 1.1 * gap[round(1.75 * FPS)]


def test_only_long_pauses_close_the_lips():
    def gap_within(pause: float) -> float:
        again = 0.8 + pause
        phones = [("sil", 0, 0.5), ("aa", 0.5, 0.8), ("sil", 0.8, again), ("aa", again, 1.5), ("sil", 1.5, 2)]
        return float(parting(articulate(phones, np.zeros(32_000, np.float32)))[round((0.8 + pause / 2) * FPS)])

    assert gap_within(0.35) < 0.8 < 3 < gap_within(0.1)


def test_phones_other_than_bilabials_keep_the_lips_apart():
    for phone in sorted(set(GESTURES) - {"sil", "p", "b", "m"}):
        phones = [("sil", 0, 0.5), ("aa", 0.5, 0.7), (phone, 0.7, 0.8), ("iy", 0.8, 1.0), ("sil", 1.0, 1.5)]
        gap = parting(articulate(phones, np.zeros(24_000, np.float32)))
        assert gap[round(0.72 * FPS) : round(0.8 * FPS)].min() > 0.2 * gap.max(), phone


def test_gaps_become_silence():
    assert without_gaps([("aa", 0.2, 0.4), ("sil", 0.4, 0.5)], 1.0) == [
        ("sil", 0.0, 0.2),
        ("aa", 0.2, 0.4),
        ("sil", 0.4, 1.0),
    ]
    assert without_gaps([], 0.5) == [("sil", 0.0, 0.5)]


def test_every_phone_has_a_gesture():
    from codetalker.phones import PHONES

    assert set(GESTURES) == set(PHONES)


def test_style_refuses_nonsense():
    with pytest.raises(ValueError, match=r"tempo is 9"):
        dataclasses.replace(STYLES["neutral"], tempo=9)


def test_capture_splits_recordings_in_time(tmp_path, caplog):
    assert load_capture(tmp_path / "absent") == [] and "no capture" in caplog.text
    import soundfile

    weights = np.random.default_rng(0).random((900, 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", weights=weights, names=np.array(["jawOpen", "mouthPucker"]), fps=30.0)
    soundfile.write(tmp_path / "a.flac", np.zeros(480_000, np.float32), 16_000)
    pieces = load_capture(tmp_path)
    assert sum(len(piece.motion) for piece in pieces if piece.split == "train") == 720
    whole = np.concatenate([piece.motion for piece in pieces])
    np.testing.assert_array_equal(whole[:, ARKIT_NAMES.index("mouthPucker")], weights[:, 1])
    for piece in pieces:
        assert abs(len(piece.speech) / 16_000 - len(piece.motion) / 30) < 1e-3


@pytest.mark.parametrize("name", STYLES)
def test_lipsync_measures(name):
    """On real clips with phone times: what the models are asked to learn must itself pass the measure."""
    if not (SHARED / "tools" / "lipsync.py").exists():
        pytest.skip("../shared/tools is not there")
    soundfile = pytest.importorskip("soundfile")
    sys.path.insert(0, str(SHARED / "tools"))
    from lipsync import report

    clips = json.loads((SHARED / "speech" / "phones.json").read_text())
    reports = []
    for clip, row in clips.items():
        speech, rate = soundfile.read(SHARED / "speech" / clip, dtype="float32")
        if rate == 16_000 and speech.ndim == 1:
            motion = articulate(row["phones"], speech, STYLES[name], seed=1)
            reports.append(report(ARKIT_NAMES, motion[:, :52], FPS, row["phones"]))
    mean = {key: np.mean([r[key] for r in reports if r[key] is not None]) for key in reports[0]}
    assert mean["closure_recall"] >= 0.98 and mean["closure_precision"] >= 0.95 and mean["silence_closed"] >= 0.97
    assert mean["aperture_r"] >= 0.9 and mean["round_r"] >= 0.85
    assert (6 if name == "soft" else 8) <= mean["gap95_mm"] <= 20
    assert mean["jitter"] < 0.03 and all(r["lag_ms"] == 0 for r in reports)
