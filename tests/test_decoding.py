"""Cached decoding equals the plain loop, and a stream equals the whole, for every form of the models."""

import time

import pytest
import torch

from codetalker import decoding, specs
from codetalker.errors import UserError
from codetalker.talker import TalkerGroup
from tests import models

FORMS = {
    "vocaset": lambda: models.talker(causal=False),
    "biwi": lambda: models.talker(causal=False, speech_per_frame=2),
    "open": lambda: models.group(window=6, context_blocks=2),
    "open, drawn": lambda: models.talker(causal=True, temperature=1.0, window=6),
    "open, two features": lambda: models.talker(causal=True, speech_per_frame=2, context_blocks=1),
    "baseline": lambda: models.faceformer(),
    "baseline, two features": lambda: models.faceformer(speech_per_frame=2, window=5, context_blocks=1),
}


def _clip(model, frames, batch=1):
    torch.manual_seed(1)
    return torch.randn(batch, frames * model.speech_per_frame, models.SPEECH_DIM)


@pytest.mark.parametrize("form", FORMS)
def test_cached_equals_plain(form):
    torch.manual_seed(0)
    model = FORMS[form]()
    features, style = _clip(model, 23), models.style(2)
    plain = decoding.generate_plainly(model, features, style, seed=3)
    assert plain.shape == (1, 23, models.MOTION_DIM) and plain.std(1).mean() > 0.01
    assert torch.allclose(decoding.generate(model, features, style, seed=3), plain, atol=1e-5)
    assert torch.allclose(decoding.generate(decoding.arrange(model), features, style, seed=3), plain, atol=1e-5)


@pytest.mark.parametrize("form", ["vocaset", "open, two features", "baseline"])
def test_styles_batched_equal_styles_alone(form):
    torch.manual_seed(0)
    model = FORMS[form]()
    features, styles = _clip(model, 9), torch.cat([models.style(0, 1), torch.tensor([[0.3, 0.7, 0.0]])])
    together = decoding.generate(model, features, styles)
    for row in range(3):
        alone = decoding.generate(model, features, styles[row : row + 1])
        assert torch.allclose(together[row : row + 1], alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
@pytest.mark.parametrize("form", ["open", "open, two features", "baseline", "baseline, two features"])
def test_streamed_equals_whole(form, chunk):
    torch.manual_seed(0)
    model = FORMS[form]()
    features, style = _clip(model, 25), models.style(1)
    states = decoding.start(model, style, seed=5)
    made = [decoding.push(model, states, part) for part in features.split(chunk, 1)]
    made.append(decoding.push(model, states, features[:, :0], last=True))
    assert torch.allclose(torch.cat(made, 1), decoding.generate(model, features, style, seed=5), atol=1e-5)
    kept = max(state.features.shape[1] for state in states)
    assert kept <= 2 * model.reach * model.speech_per_frame + chunk + 1


@pytest.mark.parametrize("form", ["baseline", "open, two features"])
def test_past_600_frames_a_pass_over_the_result_gives_the_result(form):
    torch.manual_seed(0)
    model = FORMS[form]()
    features, style = _clip(model, 700), models.style(1)
    motion = decoding.generate(model, features, style)
    with torch.inference_mode():
        hidden = model.predictor(motion, style, model.predictor.prepare(features))
        state = model.start(style, torch.Generator().manual_seed(0))
        again = torch.cat([model.emit(one, state) for one in hidden.split(1, 1)], 1)
        again = decoding.Decoded(again, model.readout()).motion()
    assert torch.allclose(again, motion, atol=1e-4)


def test_past_600_frames_the_published_form_equals_the_plain_loop():
    torch.manual_seed(0)
    model = FORMS["vocaset"]()
    features, style = _clip(model, 610), models.style(1)
    made = decoding.generate(decoding.arrange(model), features, style)
    assert torch.allclose(made, decoding.generate_plainly(model, features, style), atol=1e-4)


def test_published_form_cannot_stream():
    model = FORMS["vocaset"]()
    with pytest.raises(UserError, match="cannot stream"):
        decoding.push(model, decoding.start(model, models.style(0)), _clip(model, 3))


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("form", FORMS)
def test_shortest_clips(form, frames):
    model = FORMS[form]()
    assert decoding.generate(model, _clip(model, frames), models.style(0)).shape == (1, frames, models.MOTION_DIM)


def test_chance_comes_from_the_seed_alone():
    torch.manual_seed(0)
    model = FORMS["open"]()
    features = _clip(model, 20)
    first, same, other = (decoding.generate(model, features, models.style(0), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    model = FORMS["open"]()
    decoding.generate(model, _clip(model, 3), models.style(0))
    assert torch.get_num_threads() == before


def test_ten_seconds_of_the_open_talker_take_under_two_seconds_of_work():
    model = decoding.arrange(TalkerGroup(specs.open_talker(42, 6)).eval())
    features, style = torch.randn(1, 300, 42), torch.eye(6)[:1]
    decoding.generate(model, features[:, :30], style)
    begin = time.process_time()  # not the clock on the wall: the machine may be busy
    decoding.generate(model, features, style)
    assert time.process_time() - begin < 2.0
