"""Visemes over time: of phones, of the mouth, without gaps, and back to a mouth that moves."""

import json

import numpy as np
import pytest
from heads import tiny_head_file

from codetalker.errors import UserError
from codetalker.export import export, read_motion, read_visemes
from codetalker.export.visemes import MOUTHS, PHONES_OF, VARIES, VISEMES, from_phones, mouth_motion, timeline
from codetalker.head import load_head
from codetalker.motion import ARKIT_NAMES, Animation, VertexAnimation
from codetalker.phones import PHONES

FPS = 30.0
WORDS = [("sil", 9), ("m", 4), ("aa", 8), ("f", 3), ("iy", 6), ("sh", 4), ("uw", 7), ("t", 3), ("sil", 10)]
SEEN = ["sil", "PP", "aa", "FF", "ih", "CH", "ou", "DD", "sil"]
JAW = ARKIT_NAMES.index("jawOpen")


@pytest.fixture
def head(tmp_path):
    return load_head(tiny_head_file(tmp_path))


def spoken() -> np.ndarray:
    """(T, phones) rather sure probabilities of WORDS"""
    said = np.repeat([PHONES.index(phone) for phone, _ in WORDS], [length for _, length in WORDS])
    probabilities = np.full((len(said), len(PHONES)), 0.1 / (len(PHONES) - 1))
    probabilities[np.arange(len(said)), said] = 0.9
    return probabilities


def still(frames: int) -> Animation:
    return Animation(np.zeros((frames, 52), np.float32), np.zeros((frames, 3), np.float32), FPS)


def test_every_phone_has_one_viseme():
    assert sorted(" ".join(PHONES_OF.values()).split()) == sorted(PHONES)
    np.testing.assert_allclose(from_phones(spoken()).sum(1), 1.0)
    plain = {name.removesuffix("Left").removesuffix("Right") for name in ARKIT_NAMES}
    assert tuple(MOUTHS) == VISEMES and len(VISEMES) == 15
    assert {shape for mouth in MOUTHS.values() for shape in mouth} <= plain and set(VARIES) <= plain


def test_the_file_follows_the_phones(tmp_path, head):
    phones = spoken()
    path = export("visemes", still(len(phones)), head, tmp_path / "take.2", phones=phones).path
    assert path.name == "take.2.visemes.json"
    told = json.loads(path.read_text())
    assert [one["viseme"] for one in told] == SEEN
    edges = np.cumsum([length for _, length in WORDS]) / FPS
    np.testing.assert_allclose([one["end"] for one in told], edges, atol=1e-3)
    np.testing.assert_allclose([one["start"] for one in told], [0.0, *edges[:-1]], atol=1e-3)
    assert all(0.88 < one["weight"] <= 1.0 for one in told)
    assert [tuple(one.values()) for one in told] == read_visemes(path)


def test_one_frame_counts_where_lips_shut():
    shares = np.zeros((9, 15))
    shares[:, VISEMES.index("aa")] = 0.5
    for frame, viseme in ((2, "PP"), (6, "kk")):
        shares[frame] = 0.0
        shares[frame, VISEMES.index(viseme)] = 1.0
    assert [one.viseme for one in timeline(shares, FPS)] == ["aa", "PP", "aa"]


def test_the_mouth_alone_tells_what_lips_show(tmp_path, head):
    """A mouth made of visemes shows them again, but for those that look alike."""
    made = mouth_motion(timeline(from_phones(spoken()), FPS))
    path = export("visemes", made, head, tmp_path / "a").path
    visemes = read_visemes(path)
    at = [visemes[[one.end > time for one in visemes].index(True)].viseme for time in (0.1, 0.55, 0.77, 1.12, 1.25)]
    assert at == ["sil", "aa", "FF", "CH", "ou"] and visemes[-1].end == pytest.approx(54 / FPS, abs=1e-3)


def test_a_mouth_comes_back_and_follows_the_speech(tmp_path, head):
    phones = spoken()
    back = read_motion(export("visemes", still(len(phones)), head, tmp_path / "a", phones=phones).path)
    assert len(back) == len(phones) and back.fps == FPS and not back.head_rotation.any()
    jaw = back.weights[:, JAW]
    assert jaw[17] > 0.25 and jaw[:5].max() < 0.01 and jaw[-5:].max() < 0.01
    press = back.weights[:, ARKIT_NAMES.index("mouthPressLeft")]
    assert 9 <= press.argmax() <= 12 and np.array_equal(press, back.weights[:, ARKIT_NAMES.index("mouthPressRight")])


def test_moving_vertices_are_fitted(tmp_path, head):
    made = mouth_motion(timeline(from_phones(spoken()), FPS))
    moving = VertexAnimation(head.deform(made.weights), head.vertices, FPS)
    path, deviation = export("visemes", moving, head, tmp_path / "a")
    assert deviation["mean_of_height"] < 1e-2 and read_visemes(path)[-1].end == pytest.approx(54 / FPS, abs=1e-3)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "[1]", "null", '[{"start": 0, "end": 1, "viseme": "aa"}]', "[" * 100_000,
     '[{"start": 0, "end": 1, "viseme": "wow", "weight": 1}]', '[{"start": 0, "end": 1, "viseme": "aa", "weight": 2}]',
     '[{"start": 1, "end": 0, "viseme": "aa", "weight": 1}]', '[{"start": 0, "end": NaN, "viseme": "aa", "weight": 1}]',
     '[{"start": 0, "end": 1e9, "viseme": "aa", "weight": 1}]'],
)  # fmt: skip
def test_other_lists_are_refused(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.json"):
        read_motion(path)
