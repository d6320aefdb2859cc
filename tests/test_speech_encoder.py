"""What the open talker hears: phones, loudness, pitch, at the motion's frame rate."""

import numpy as np
import pytest
import torch

from codetalker.audio import SAMPLE_RATE
from codetalker.phones import PHONES
from codetalker.prosody import measure
from codetalker.speech_encoder import PITCH_SCALE, LocalAttentionBlock, MelEncoder, MelSpec

FPS = 30.0


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return MelEncoder(MelSpec(width=16, blocks=1, attention_layers=1)).eval()


def voice(semitones: np.ndarray, base: float = 120.0, loud: np.ndarray | float = 1.0) -> np.ndarray:
    """(N,) six harmonics of a pitch so many semitones above `base`, in Hz"""
    phase = 2 * np.pi * np.cumsum(base * 2 ** (semitones / 12)) / SAMPLE_RATE
    return (0.1 * loud * sum(np.sin(k * phase) / k for k in range(1, 7))).astype(np.float32)


def heard(encoder: MelEncoder, speech: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return encoder(torch.from_numpy(speech)[None])[0].numpy()


def test_a_feature_a_frame(encoder):
    features = heard(encoder, voice(np.zeros(SAMPLE_RATE)))
    assert features.shape == (30, encoder.dim) == (30, len(PHONES) + 4 + 1)
    assert np.allclose(features[:, : len(PHONES)].sum(1), 1.0, atol=1e-5)
    assert heard(encoder, np.zeros(0, np.float32)).shape == (0, encoder.dim)
    assert np.isfinite(heard(encoder, np.zeros(4_000, np.float32))).all()


def test_pitch_is_in_semitones_from_the_voices_own(encoder):
    """The same melody, of a man and of a woman, and loud or soft."""
    melody = 4 * np.sin(2 * np.pi * 0.5 * np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE)
    middles = ((np.arange(120) + 0.5) / FPS * SAMPLE_RATE).astype(int)
    for base, loud in ((100.0, 1.0), (210.0, 0.2)):
        pitch = PITCH_SCALE * heard(encoder, voice(melody, base, loud))[:, -1]
        assert np.abs(pitch - melody[middles])[3:-3].max() < 0.7


def test_pitch_is_carried_where_there_is_no_voice(encoder):
    speech = voice(np.repeat([0.0, 5.0], [3 * SAMPLE_RATE, 2 * SAMPLE_RATE]))
    noise = 0.02 * np.random.default_rng(0).normal(size=SAMPLE_RATE)
    speech[5 * SAMPLE_RATE // 2 : 7 * SAMPLE_RATE // 2] = noise  # a second about the step
    pitch = PITCH_SCALE * heard(encoder, speech)[:, -1]
    assert np.allclose(pitch[5:70], 0, atol=0.7) and np.allclose(pitch[110:145], 5, atol=0.7)
    assert (np.diff(pitch[70:110]) > -0.1).all()  # from the one to the other
    assert not heard(encoder, np.tile(noise, 2).astype(np.float32))[:, -1].any()


def test_accents_are_sought_on_the_pitch_that_the_talker_hears(encoder):
    speech = voice(3 * np.sin(np.arange(2 * SAMPLE_RATE) / 4_000))
    assert np.allclose(PITCH_SCALE * heard(encoder, speech)[:, -1], measure(speech, 60, FPS).pitch, atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("frames", [1, 4, 5, 23])
def test_local_attention_equals_attention_under_a_mask(frames):
    torch.manual_seed(0)
    block = LocalAttentionBlock(8, heads=2, reach=5).eval()
    torch.nn.init.normal_(block.distance_bias)
    x = torch.randn(2, frames, 8)
    q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in block.qkv(block.norm(x)).chunk(3, -1))
    distance = torch.arange(frames)[None] - torch.arange(frames)[:, None]
    bias = block.distance_bias[:, distance.clamp(-5, 5) + 5].masked_fill(distance.abs() > 5, float("-inf"))
    weights = (q @ k.mT * q.shape[-1] ** -0.5 + bias).softmax(-1)
    y = x + block.out((weights @ v).transpose(1, 2).flatten(2))
    assert torch.allclose(block(x), y + block.mlp(y), atol=1e-5)
