"""Stage 1: causal decoding is incremental and exact, the published form sees everything, regions stay apart."""

from dataclasses import replace

import pytest
import torch

from codetalker.autoencoder import Autoencoder, AutoencoderSpec, RegionSpec
from codetalker.temporal import Shortcut
from tests import models


def test_stepwise_equals_whole():
    torch.manual_seed(0)
    stage1 = models.autoencoder(causal=True)
    vectors = torch.randn(2, 17, stage1.spec.slots, 4)
    whole, states = stage1.decode(vectors), stage1.start()
    steps = torch.cat([stage1.step(vectors[:, t : t + 1], states) for t in range(17)], 1)
    assert torch.allclose(steps, whole, atol=1e-5)


def test_causal_form_never_looks_ahead_nor_beyond_its_reach():
    torch.manual_seed(0)
    stage1 = models.autoencoder(causal=True)
    vectors = torch.randn(1, 40, stage1.spec.slots, 4)
    changed = vectors.clone()
    changed[:, 20] += 1
    moved = (stage1.decode(changed) - stage1.decode(vectors)).abs().amax((0, 2)) > 1e-6
    reach = 4 + 2 * (stage1.spec.window - 1)  # the convolution, and two layers
    assert moved.nonzero().min() == 20 and moved.nonzero().max() <= 20 + reach


def test_published_form_sees_before_and_after():
    torch.manual_seed(0)
    stage1 = models.autoencoder(causal=False)
    vectors = torch.randn(1, 12, 4, 4)
    changed = vectors.clone()
    changed[:, 6] += 1
    assert ((stage1.decode(changed) - stage1.decode(vectors)).abs().amax((0, 2)) > 1e-6).all()


def _stepped(stage1, vectors, shortcut=None):
    states = stage1.start(shortcut)
    latents = torch.cat([stage1.step(one, states) for one in vectors.split(1, 1)], 1)
    return stage1.readout()(latents)


@torch.inference_mode()
def test_step_by_step_each_frame_is_the_last_of_the_whole_so_far():
    torch.manual_seed(0)
    stage1 = models.autoencoder(causal=False)
    vectors = torch.randn(3, 70, 4, 4)  # past the first size of the buffers
    made = _stepped(stage1, vectors)
    whole = torch.cat([stage1.decode(vectors[:, : frame + 1])[:, -1:] for frame in range(70)], 1)
    assert torch.allclose(made, whole, atol=1e-5)
    assert torch.allclose(stage1.readout()(stage1.latents(vectors)), stage1.decode(vectors), atol=1e-6)


@torch.inference_mode()
def test_a_shortcut_is_exact_where_it_recomputes_all_and_near_where_not():
    torch.manual_seed(0)
    stage1 = models.autoencoder(causal=False)
    vectors = torch.randn(2, 150, 4, 4)
    exact = _stepped(stage1, vectors)
    for shortcut in (Shortcut(recent=4, refresh=1), Shortcut(recent=150, refresh=1000)):
        assert torch.allclose(_stepped(stage1, vectors, shortcut), exact, atol=1e-5)
    near = _stepped(stage1, vectors, Shortcut(recent=4, refresh=10))
    off = (near - exact).abs().amax((0, 2))
    assert torch.allclose(near[:, :4], exact[:, :4], atol=1e-5)
    assert torch.allclose(near[:, 9::10], exact[:, 9::10], atol=1e-5)  # each tenth step is whole
    assert off.max() > 1e-4 and off.mean() < 0.1 * exact.std()
    farther = (_stepped(stage1, vectors, Shortcut(recent=1, refresh=1000)) - exact).abs().mean()
    assert farther > off.mean()


def test_regions_keep_to_their_channels():
    stage1 = models.autoencoder(causal=True)
    codes = torch.randint(8, (1, 6, 5))
    other = codes.clone()
    other[:, :, 3:] = (other[:, :, 3:] + 1) % 8  # the upper face's
    moved = (stage1.decode(stage1.lookup(other)) - stage1.decode(stage1.lookup(codes))).abs().amax((0, 1)) > 1e-6
    assert moved.tolist() == [False, True] * 6


def test_some_of_the_regions_make_a_stage_1_of_their_own():
    stage1 = models.autoencoder(causal=True)
    motion = torch.randn(2, 8, models.MOTION_DIM)
    codes, whole = stage1.encode(motion), stage1.decode(stage1.lookup(stage1.encode(motion)))
    upper = stage1.only(replace(stage1.spec, regions=stage1.spec.regions[1:]))
    assert torch.equal(upper.encode(motion), codes[..., 3:])
    made = upper.decode(upper.lookup(codes[..., 3:]))
    assert torch.equal(made[..., 1::2], whole[..., 1::2]) and (made[..., ::2] == 0).all()
    states = upper.start()
    steps = [upper.step(one, states) for one in upper.lookup(codes[..., 3:]).split(1, 1)]
    assert torch.allclose(torch.cat(steps, 1), made, atol=1e-5)


def test_encode_gives_the_codes_that_training_sees():
    stage1 = models.autoencoder(causal=True)
    motion = torch.randn(2, 8, models.MOTION_DIM)
    made = stage1(motion)
    assert torch.equal(stage1.encode(motion), made.codes)
    assert torch.allclose(stage1.decode(stage1.lookup(made.codes)), made.motion, atol=1e-5)
    books = stage1.codebooks()
    assert torch.equal(stage1.lookup(made.codes)[0, 0, 3], books[3, made.codes[0, 0, 3]])


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    stage1 = Autoencoder(models.autoencoder_spec(causal=True)).train()
    time = torch.linspace(0, 12, 40)[None, :, None]
    motion = torch.sin(time + torch.rand(8, 1, models.MOTION_DIM)) * 3 + 5
    stage1.standardise(motion.mean((0, 1)), motion.std((0, 1)))
    optimiser = torch.optim.Adam(stage1.parameters(), 3e-3)
    trace = []
    for _ in range(60):
        losses, _ = stage1.losses(motion)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        trace.append(losses["motion"].item())
    assert trace[-1] < 0.5 * trace[0]


def test_specs_that_clash_are_refused():
    sizes = {"width": 16, "heads": 4, "layers": 1, "feed_forward": 8, "entries": 8, "code_dim": 4}
    with pytest.raises(ValueError, match="3 parts x code_dim 4"):
        AutoencoderSpec(6, (RegionSpec("face", None, 3),), code_projection=False, **sizes)
    for regions in ((RegionSpec("a", (0, 1), 4), RegionSpec("b", (1, 2), 4)), (RegionSpec("a", (5, 6), 4),)):
        with pytest.raises(ValueError, match="cover each channel once"):
            AutoencoderSpec(6, regions, code_projection=True, window=3, **sizes)
    with pytest.raises(ValueError, match="leaves no channel to others"):
        AutoencoderSpec(6, (RegionSpec("mouth", (0, 1), 4),), code_projection=True, **sizes)
