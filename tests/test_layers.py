"""The transformer pieces against torch's own and against the formulas of the papers."""

import pytest
import torch
from torch import nn

from codetalker.layers import AlignedAttention, BiasRows, CausalBias, DecoderLayer, KeyValueCache, PeriodicEncoding


def test_bias_is_the_papers_formula():
    bias = CausalBias(heads=4, period=3)(8)
    for head, slope in enumerate([1 / 4, 1 / 16, 1 / 64, 1 / 256]):
        for query in range(8):
            for key in range(8):
                wanted = -slope * ((query - key) // 3) if key <= query else -torch.inf
                assert bias[head, query, key] == pytest.approx(wanted)


def test_window_shuts_out_what_lies_further_back():
    bias = CausalBias(heads=2, period=1, window=3)(6)
    seen = bias[0].isfinite()
    assert seen.sum(1).tolist() == [1, 2, 3, 3, 3, 3]


def test_positions_repeat_with_the_period_and_go_on_from_any_start():
    encoding = PeriodicEncoding(8, period=5)
    whole = encoding(torch.zeros(1, 13, 8))
    assert torch.equal(whole[:, 5:10], whole[:, :5])
    assert torch.equal(encoding(torch.zeros(1, 6, 8), start=7), whole[:, 7:])


def test_decoder_layer_equals_torchs_under_the_published_masks():
    torch.manual_seed(0)
    width, frames = 16, 9
    reference = nn.TransformerDecoderLayer(width, 4, 32, batch_first=True).eval()
    ours = DecoderLayer(width, 4, 32).eval()
    theirs, state = reference.state_dict(), ours.state_dict()
    for part in ("weight", "bias"):
        cross = theirs[f"multihead_attn.in_proj_{part}"]
        state[f"attention.qkv.{part}"] = theirs[f"self_attn.in_proj_{part}"]
        state[f"attention.out.{part}"] = theirs[f"self_attn.out_proj.{part}"]
        state[f"speech.query.{part}"], state[f"speech.key_value.{part}"] = cross[:width], cross[width:]
        state[f"speech.out.{part}"] = theirs[f"multihead_attn.out_proj.{part}"]
        state[f"expand.{part}"], state[f"contract.{part}"] = theirs[f"linear1.{part}"], theirs[f"linear2.{part}"]
        for norm in range(3):
            state[f"norms.{norm}.{part}"] = theirs[f"norm{norm + 1}.{part}"]
    ours.load_state_dict(state)
    x = torch.randn(2, frames, width)
    bias = CausalBias(4, period=4)(frames)
    for per_frame in (1, 2):
        speech = torch.randn(2, frames * per_frame, width)
        apart = torch.arange(frames)[:, None] != torch.arange(frames * per_frame) // per_frame
        wanted = reference(x, speech, tgt_mask=bias.repeat(2, 1, 1), memory_mask=apart)
        memory = ours.speech.prepare(speech.unflatten(1, (frames, per_frame)))
        assert torch.allclose(ours(x, bias, memory), wanted, atol=1e-6)


@pytest.mark.parametrize("window", [0, 4])
def test_cached_attention_equals_whole(window):
    torch.manual_seed(0)
    layer = DecoderLayer(16, 4, 32).eval()
    frames = 300 if window == 0 else 11  # past the first size of the cache, and around the ring
    x = torch.randn(2, frames, 16)
    memory = layer.speech.prepare(torch.randn(2, frames, 1, 16))
    bias = CausalBias(4, period=3, window=window)
    whole = layer(x, bias(frames), memory)
    cache, rows = KeyValueCache(window), BiasRows(bias, capacity=8)
    for frame in range(frames):
        one = layer(x[:, frame : frame + 1], rows(frame), memory.frames(frame, frame + 1), cache)
        assert torch.allclose(one[:, 0], whole[:, frame], atol=1e-6)


def test_a_single_feature_leaves_the_query_no_choice():
    attention = AlignedAttention(8, 2)
    memory = attention.prepare(torch.randn(1, 5, 1, 8))
    assert torch.equal(attention(torch.randn(1, 5, 8), memory), attention(torch.randn(1, 5, 8), memory))
