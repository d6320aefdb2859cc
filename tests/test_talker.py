"""Training passes of the talker and the baseline, and the code query."""

import pytest
import torch

from codetalker import decoding
from codetalker.faceformer import FaceFormer
from codetalker.motion import ARKIT_NAMES, MOTION_DIM
from codetalker.predictor import mix_own
from codetalker.specs import face_regions, open_faceformer
from codetalker.talker import FEW, CodeQuery, DrawnQuery, TalkerGroupSpec, TalkerSpec
from tests import models
from training.above import notice_above


@pytest.fixture
def clip():
    torch.manual_seed(0)
    return torch.randn(3, 10, models.SPEECH_DIM), torch.randn(3, 10, models.MOTION_DIM), models.style(0, 1, 2)


def test_query_is_the_nearest_entry_and_logits_agree():
    torch.manual_seed(0)
    books, features = torch.randn(5, 8, 4), torch.randn(2, 3, 5, 4)
    query = CodeQuery(books, torch.ones(5))
    wanted = (features[..., None, :] - books).square().sum(-1).argmin(-1)
    assert torch.equal(query(features), wanted)
    assert torch.equal(query.logits(features).argmax(-1), wanted)
    assert torch.equal(query.lookup(wanted)[1, 2, 4], books[4, wanted[1, 2, 4]])


def test_an_expected_query_is_the_entry_that_is_least_far_from_all_that_are_likely():
    """Entries on a line at 0, 1 and 10; the feature halfway between the outer two leaves both open."""
    books, feature = torch.tensor([[[0.0], [4.0], [10.0]]]), torch.tensor([[[[4.9]]]])
    likeliest, between = (CodeQuery(books, torch.tensor([0.05]), expected) for expected in (False, True))
    assert likeliest(feature).item() == 1 == between(feature).item()
    books[0, 1] = -5.0
    likeliest, between = (CodeQuery(books, torch.tensor([0.05]), expected) for expected in (False, True))
    mean = likeliest.mean(likeliest.logits(feature))
    assert likeliest(feature).item() == 0 and torch.equal(between(feature), likeliest(mean))
    risk = (likeliest.logits(feature).softmax(-1)[..., None, :] * (books - books.transpose(1, 2)).square()).sum(-1)
    assert between(feature).item() == risk.argmin().item()


def test_draws_follow_the_logits():
    torch.manual_seed(0)
    books, after = torch.randn(2, 4, 3), torch.randn(1, 2, 5, 4)
    query = DrawnQuery(books, torch.full((2,), 0.5), [0.5, 2.0], after)
    features = torch.randn(1, 1, 2, 3).expand(1, 20_000, 2, 3)
    before = torch.tensor([3, 1]).expand(1, 20_000, 2)
    codes = query(features, torch.Generator().manual_seed(0), before)
    logits = query.logits(features[:, :1], before[:, :1])[0, 0]
    assert torch.allclose(logits[1] - logits[1].mean(), _told(books[1], features[0, 0, 1], after[0, 1, 1]), atol=1e-5)
    for slot, heat in enumerate((0.5, 2.0)):
        shares = torch.bincount(codes[0, :, slot], minlength=4) / 20_000
        assert torch.allclose(shares, (logits[slot] / heat).softmax(-1), atol=0.02)
    assert torch.equal(codes, query(features, torch.Generator().manual_seed(0), before))
    at_first = query.logits(features[:, :1])[0, 0, 0]
    assert torch.allclose(at_first - at_first.mean(), _told(books[0], features[0, 0, 0], after[0, 0, 4]), atol=1e-5)


def _told(entries, feature, after):
    logits = 2 * 0.5 * entries @ feature + after
    return logits - logits.mean()


@pytest.mark.parametrize("causal", [False, True])
def test_both_losses_reach_the_predictor_but_not_stage_1(causal, clip):
    talker = models.talker(causal).train()
    for name in ("code", "motion"):
        talker.zero_grad()
        talker.losses(*clip, own=0.5).losses[name].backward()
        assert talker.feature_map.weight.grad.abs().sum() > 0
        assert talker.predictor.speech_map.weight.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in talker.autoencoder.parameters())
    assert not talker.autoencoder.training


def test_training_learns_the_codes(clip):
    features, motion, style = clip
    talker = models.talker(causal=True).train()
    optimiser = torch.optim.Adam((p for p in talker.parameters() if p.requires_grad), 1e-2)
    for _ in range(80):
        made = talker.losses(features, motion, style, own=0.3, decode=False)
        optimiser.zero_grad()
        made.losses["code"].backward()
        optimiser.step()
    right = (talker.eval().losses(features, motion, style).logits.argmax(-1) == made.codes).float().mean()
    assert right > 0.8  # chance: 1/8


@pytest.fixture
def drawing(monkeypatch):
    """A talker whose codes are drawn, with a stage 1 whose codes tell the channels apart."""
    talker = models.talker(causal=True, temperature=1.0)
    monkeypatch.setattr(talker.autoencoder, "encode", lambda motion: (7.99 * motion[..., :5].sigmoid()).long())
    return talker


def test_what_is_drawn_follows_the_transitions_that_were_counted(clip, drawing):
    """Before a feature has learned to say anything, the codes come as often after each other as in the style's motions,
    and in a mixture of styles as one style and the other have it."""
    (features, motion, style), talker = clip, drawing
    torch.nn.init.zeros_(talker.feature_map.weight)
    motions = torch.randn(3, 400, models.MOTION_DIM).cumsum(1)[:, ::40].repeat_interleave(40, 1)  # codes that last
    talker.count_transitions((number, talker.recognise(one[None])[0][0]) for number, one in enumerate(motions))
    style = torch.zeros_like(style)
    style[:, 1] = 1.0
    made = talker.chances(features, *talker.recognise(motion), style)
    odds = made.logits.softmax(-1)
    codes = talker.recognise(motions[1:2])[0][0]
    for slot, one in enumerate(codes.T):
        for before, shown in zip(made.codes[0, :-1, slot], odds[0, 1:, slot]):
            after = one[1:][one[:-1] == before]
            if len(after):
                share = torch.bincount(after, minlength=8) / len(after)
                assert torch.allclose(shown, share, atol=FEW / (len(after) + FEW))
        assert odds[0, 0, slot, one[0]] > 1 / (1 + FEW)  # a clip begins as this one did
    nothing, before = torch.zeros(1, 8, 5, 4), torch.arange(8)[None, :, None].expand(1, 8, 5)
    styles = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, 0.7, 0.0]])
    one, other, mixed = (talker.query(style[None]).logits(nothing, before).softmax(-1) for style in styles)
    assert not torch.allclose(one, other, atol=0.1)
    assert torch.allclose(mixed, 0.3 * one + 0.7 * other, atol=1e-5)


def test_what_is_drawn_learns_when_to_come(clip):
    """From the speech, and from a past that is true."""
    features, motion, style = clip
    talker = models.talker(causal=True, temperature=1.0).train()
    trace = []
    optimiser = torch.optim.Adam((p for p in talker.parameters() if p.requires_grad), 1e-2)
    for _ in range(80):
        trace.append(talker.chances(features, *talker.recognise(motion), style).losses["code"])
        optimiser.zero_grad()
        trace[-1].backward()
        optimiser.step()
    assert trace[-1] < 0.5 * trace[0]


def test_the_talkers_of_a_group_leave_each_others_channels_alone(clip):
    features, group = clip[0], models.group()
    mouth, upper = (decoding.generate(one, features, models.style(0, 1, 2), seed=1) for one in group.members)
    assert (mouth[..., 1::2] == 0).all() and (upper[..., ::2] == 0).all()
    assert torch.equal(decoding.generate(group, features, models.style(0, 1, 2), seed=1), mouth + upper)
    with pytest.raises(ValueError, match="each channel once"):
        TalkerGroupSpec((group.members[0].spec,))


def test_own_frames_come_at_the_asked_share():
    torch.manual_seed(0)
    mixed = mix_own(torch.zeros(50, 100, 2), torch.ones(50, 100, 2), 0.3)
    assert mixed[..., 0].mean() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(mixed[..., 0], mixed[..., 1])


@pytest.mark.parametrize("make", [lambda: models.talker(True, context_blocks=1), models.faceformer])
def test_padding_changes_nothing(make, clip):
    features, motion, style = (part[:1] for part in clip)
    model = make()
    padded = [torch.cat([part, torch.randn(1, 4, part.shape[2])], 1) for part in (features, motion)]
    mask = torch.arange(14)[None] < 10
    alone, beside = model.losses(features, motion, style), model.losses(*padded, style, mask=mask)
    for name, loss in alone.losses.items():
        assert beside.losses[name].item() == pytest.approx(loss.item(), rel=1e-5)
    assert torch.allclose(beside.motion[:, :10], alone.motion, atol=1e-5)


def test_baseline_learns(clip):
    baseline = models.faceformer().train()
    optimiser = torch.optim.Adam(baseline.parameters(), 1e-2)
    trace = []
    for _ in range(60):
        loss = baseline.losses(*clip, own=0.2).losses["motion"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        trace.append(loss.item())
    assert trace[-1] < 0.7 * trace[0]


def test_specs_that_clash_are_refused():
    with pytest.raises(ValueError, match="code_loss must be one of"):
        TalkerSpec(models.predictor_spec(), models.autoencoder_spec(True), "hinge")
    with pytest.raises(ValueError, match="a talker each"):
        TalkerSpec(models.predictor_spec(), models.autoencoder_spec(True, upper=1.0), "cross_entropy")
    with pytest.raises(ValueError, match="must be cross_entropy"):
        TalkerSpec(models.predictor_spec(), models.autoencoder_spec(True, 1.0, 1.0), "feature")
    with pytest.raises(ValueError, match="power of two of heads"):
        models.predictor_spec(heads=3)


def test_a_fresh_predictor_hears_what_moves_above_the_mouth_in_deviations():
    predictor, z = FaceFormer(open_faceformer(models.SPEECH_DIM, 2)).predictor, torch.randn(2, 5, MOTION_DIM)
    mean, deviation = torch.randn(MOTION_DIM), torch.rand(MOTION_DIM) + 0.01
    plain = predictor.motion_map(z)
    notice_above(predictor, mean, deviation)
    brows, mouth = (ARKIT_NAMES.index(name) for name in ("browDownLeft", "jawOpen"))
    seen = mean + deviation * z
    mouths = list(face_regions()[0].channels)
    assert mouth in mouths and brows not in mouths
    seen[..., mouths] = z[..., mouths]
    assert torch.allclose(predictor.motion_map(seen), plain, atol=1e-4)
