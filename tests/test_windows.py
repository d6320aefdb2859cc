"""Long speech in windows: what they cover and hear, and no jump at their seams."""

import itertools

import numpy as np
import pytest
import torch

import codetalker
from codetalker import decoding, windows
from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError
from codetalker.windows import OVERLAP_SECONDS, WHOLE_SECONDS, WINDOW_SECONDS, cross_fade, window_starts
from tests.test_parity import import_golden


@pytest.fixture(scope="module", params=["codetalker_vocaset", "codetalker_biwi", "faceformer_vocaset"])
def bundle(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle")
    import_golden(request.param, out)
    made = codetalker.load(out)
    made.templates = {"someone": np.zeros((_vertices(made), 3), np.float32)}
    return made


def _vertices(bundle):
    return (bundle.talker or bundle.baseline).predictor.motion_map.in_features // 3


def _role(bundle):
    return "talker" if bundle.talker else "baseline"


def _speech(seconds):
    """Noise that swells and fades, so that there is something to follow."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(size=len(time))
    return (noise * np.sin(2.3 * time) ** 2 * 0.1).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 11.9, 12.0, 12.1, 20.5, 22.0, 22.1, 47.3, 60.0, 301.0])
def test_windows_cover_the_speech_and_overlap(seconds):
    starts = window_starts(seconds)
    assert starts[0] == 0 and starts[-1] + WINDOW_SECONDS >= seconds
    assert all(WINDOW_SECONDS - (later - start) >= OVERLAP_SECONDS for start, later in itertools.pairwise(starts))
    assert len(starts) == 1 or starts[-1] < seconds - 1


def test_cross_fade_of_equal_windows_changes_nothing():
    whole = torch.randn(1, 50, 4)
    parts = torch.cat([whole[:, start : start + 20] for start in (0, 13, 30)])
    assert torch.allclose(cross_fade(parts, (0, 13, 30), 50), whole, atol=1e-6)
    assert torch.equal(cross_fade(parts, (0, 13, 30), 45), cross_fade(parts, (0, 13, 30), 50)[:, :45])


def test_cross_fade_of_different_windows_moves_evenly():
    parts = torch.stack([torch.zeros(60, 1), torch.ones(60, 1)])
    faded = cross_fade(parts, (0, 20), 80)[0, :, 0]
    steps = faded.diff()
    assert faded[20] < 0.01 and faded[59] > 0.99 and (steps >= 0).all() and steps.max() < 1.6 / 40


def test_up_to_twenty_seconds_speech_stays_whole(bundle):
    role, speech = _role(bundle), _speech(WHOLE_SECONDS)
    assert bundle.encode(speech, role).told() == "whole"
    assert len(bundle.encode(_speech(WHOLE_SECONDS + 0.5), role).starts) == 2


def test_long_speech_has_no_jump_at_a_seam(bundle):
    role, speech = _role(bundle), _speech(26.4)
    heard = bundle.encode(speech, role)
    assert len(heard.starts) == 3 and "3 windows of 12 s" in heard.told()
    made = bundle.generate(heard, model=role)
    whole = bundle.encode(speech, role, "whole")
    assert len(made) == whole.features.shape[1] // getattr(bundle, role).predictor.speech_per_frame
    steps, seams = _steps(made.vertices[:]), np.zeros(len(made) - 1, bool)
    for start in heard.starts[1:]:
        seams[start - 1 : start + windows.OVERLAP_SECONDS * round(bundle.fps)] = True
    model, style = getattr(bundle, role), torch.eye(len(bundle.styles))[:1].expand(len(heard.starts), -1)
    parts = decoding.decode(model, heard.features, style).motion().unflatten(2, (-1, 3)).numpy()
    own = max(_steps(part[1:]).max() for part in parts)  # each window's, but for its first, out of rest
    assert 0 < seams.sum() < len(steps) and steps[seams].max() <= own


def _steps(vertices):
    """(T, V, 3) -> (T - 1,), how far the furthest vertex goes from frame to frame."""
    return np.linalg.norm(np.diff(vertices, axis=0), axis=2).max(1)


def test_windows_hear_what_the_whole_hears(bundle):
    """Each frame of a window is about the same moment of speech: features agree but for what lies around them."""
    encoder = bundle.encoders[_role(bundle)]
    values = torch.from_numpy(_speech(30.0))[None]
    with torch.inference_mode():
        whole, cut = encoder.features(values), encoder.windows(values, [0, 9, 18], WINDOW_SECONDS)
    rate = cut.shape[1] // WINDOW_SECONDS
    assert cut.shape[1] == rate * WINDOW_SECONDS and cut.shape[0] == 3
    middle = slice(4 * rate, 8 * rate)
    there = whole[0, 9 * rate :][middle] - whole.mean(1)
    here = cut[1][middle] - whole.mean(1)
    same = torch.nn.functional.cosine_similarity(there, here, dim=1).mean()
    late = torch.nn.functional.cosine_similarity(there[:-5], here[5:], dim=1).mean()
    assert same > late


def test_only_so_many_windows_are_decoded_at_once(bundle, monkeypatch):
    rows, decode = [], decoding.decode
    monkeypatch.setattr(
        decoding, "decode", lambda model, features, *rest: rows.append(len(features)) or decode(model, features, *rest)
    )
    told = []
    heard = bundle.encode(_speech(45.0), _role(bundle))
    bundle.generate(heard, model=_role(bundle), progress=told.append)
    assert max(rows) <= windows.TOGETHER and sum(rows) == len(heard.starts) > windows.TOGETHER
    assert told == sorted(told) and told[-1] == 1.0


def test_styles_side_by_side_equal_styles_alone(bundle):
    role, styles = _role(bundle), [bundle.styles[1], f"{bundle.styles[0]}:0.3,{bundle.styles[2]}:0.7"]
    heard = bundle.encode(_speech(21.0), role, "windows")
    for style, together in zip(styles, bundle.generate_styles(heard, styles, role)):
        alone = bundle.generate(heard, style, role)
        assert np.allclose(together.vertices[:], alone.vertices[:], atol=1e-5)


def test_predict_takes_several_styles(bundle):
    template = np.random.default_rng(1).normal(size=(_vertices(bundle), 3)).astype(np.float32)
    speech = _speech(1.0)
    made = bundle.predict(speech, template, [0, {1: 0.5, 2: 0.5}])
    assert np.allclose(made[0], bundle.predict(speech, template, 0), atol=1e-5)
    assert np.allclose(made[1], bundle.predict(speech, template, {1: 0.5, 2: 0.5}), atol=1e-5)


def test_unknown_decoding(bundle):
    with pytest.raises(UserError, match="auto, whole, windows, fast"):
        bundle.encode(_speech(1.0), _role(bundle), "best")
