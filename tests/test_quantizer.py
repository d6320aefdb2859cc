"""Nearest entries, straight-through gradients, and the two ways of training a codebook."""

import torch

from codetalker.quantizer import Quantizer


def test_nearest_is_nearest():
    torch.manual_seed(0)
    quantizer = Quantizer(16, 4)
    features = torch.randn(3, 5, 4)
    wanted = torch.cdist(features.flatten(0, 1), quantizer.codebook).argmin(1).view(3, 5)
    assert torch.equal(quantizer.nearest(features), wanted)


def test_gradient_passes_straight_through():
    quantizer = Quantizer(16, 4).eval()
    features = torch.randn(2, 4, requires_grad=True)
    (quantizer(features).vectors * torch.arange(8.0).view(2, 4)).sum().backward()
    assert torch.allclose(features.grad, torch.arange(8.0).view(2, 4))


def test_published_losses_move_the_codebook_by_gradient():
    quantizer = Quantizer(4, 2)
    quantizer(torch.randn(10, 2)).loss.backward()
    assert quantizer.codebook.grad.abs().sum() > 0


def _trained(data, entries=8, steps=200):
    quantizer = Quantizer(entries, 2, decay=0.9).train()
    for _ in range(steps):
        result = quantizer(data + 0.05 * torch.randn_like(data))
    return quantizer.eval(), result


def test_averages_find_the_clusters():
    torch.manual_seed(0)
    centres = torch.tensor([[x, y] for x in (-3.0, 3.0) for y in (-3.0, -1.0, 1.0, 3.0)])
    quantizer, result = _trained(centres.repeat(40, 1), entries=16)
    assert torch.cdist(centres, quantizer.codebook).min(1).values.max() < 0.1
    assert result.perplexity > 7.5  # eight equal clusters


def test_dead_entries_start_anew_among_the_data():
    torch.manual_seed(0)
    quantizer, _ = _trained(torch.randn(64, 2))
    quantizer.train().codebook[3] = 100.0
    quantizer.sums[3] = 100.0 * quantizer.counts[3]
    for _ in range(60):
        quantizer(torch.randn(64, 2))
    assert quantizer.codebook[3].norm() < 5


def test_evaluation_leaves_the_codebook_alone():
    quantizer, _ = _trained(torch.randn(64, 2), steps=3)
    before = quantizer.codebook.clone()
    quantizer(torch.randn(64, 2))
    assert torch.equal(quantizer.codebook, before)


def test_training_goes_on_after_a_reload():
    torch.manual_seed(0)
    quantizer, _ = _trained(torch.randn(64, 2))
    resumed = Quantizer(8, 2, decay=0.9).train()
    resumed.load_state_dict(quantizer.state_dict())
    resumed(torch.randn(64, 2))
    assert (resumed.codebook - quantizer.codebook).norm(dim=1).median() < 0.5  # not drawn anew from the batch
