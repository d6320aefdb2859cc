"""Live speech: the same motion in whatever chunks it comes, a bounded time late, at a bounded cost."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from codetalker import cli, decoding, streaming
from codetalker.audio import SAMPLE_RATE
from codetalker.autoencoder import AutoencoderSpec, RegionSpec
from codetalker.bundle import Bundle
from codetalker.errors import UserError
from codetalker.faceformer import FaceFormer
from codetalker.motion import MOTION_DIM
from codetalker.predictor import PredictorSpec
from codetalker.speech_encoder import HOP, MelEncoder, MelSpec
from codetalker.streaming import GRID, RunningMean, Stream
from codetalker.talker import TalkerGroup, TalkerGroupSpec, TalkerSpec
from tests import models

FPS = 30.0


def tiny_bundle() -> Bundle:
    """Open, with weights that make it move."""
    torch.manual_seed(0)
    encoder = MelEncoder(MelSpec(mels=32, width=16, blocks=1, attention_layers=1, heads=2)).eval()
    mouth, rest = RegionSpec("mouth", tuple(range(30)), 2), RegionSpec("rest", tuple(range(30, MOTION_DIM)), 1, 1.0, 3)
    sizes = {"width": 16, "heads": 4, "layers": 1, "feed_forward": 16, "entries": 8, "code_dim": 4, "window": 5}
    stage1 = [AutoencoderSpec(MOTION_DIM, (one,), code_projection=True, decay=0.9, **sizes) for one in (mouth, rest)]
    sizes = {"width": 16, "layers": 1, "period": 30, "window": 20}
    specs = [PredictorSpec(MOTION_DIM, encoder.dim, 1, 2, context_blocks=blocks, **sizes) for blocks in (3, 2)]
    members = tuple(TalkerSpec(*pair, "cross_entropy") for pair in zip(specs, stage1))
    talker = TalkerGroup(TalkerGroupSpec(members)).eval()
    baseline = FaceFormer(specs[0]).eval()
    for one, size in zip(talker.members, (0.5, 0.05)):  # larger features would leave nothing to chance
        torch.nn.init.normal_(one.feature_map.weight, std=size)
        for coder in one.autoencoder.regions.values():
            torch.nn.init.normal_(coder.quantizer.codebook, std=0.5)
    for weight in (encoder.phones.weight, baseline.motion_out.weight):
        torch.nn.init.normal_(weight, std=0.5)
    encoders = {"talker": encoder, "baseline": encoder}
    return Bundle("tiny", "arkit", FPS, {"calm": "", "lively": ""}, encoders, talker, baseline)


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


@pytest.fixture(autouse=True)
def heard(monkeypatch) -> int:
    """Samples that an encoder hears at a time: few, so that short speech is long enough to slide along."""
    monkeypatch.setattr(streaming, "HEARD", 12_800)
    return 12_800


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """That swells and fades, so that there is something to follow."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.random.default_rng(seed).normal(size=len(time)) * np.sin(7.3 * time) ** 2
    return (0.1 * sound).astype(np.float32)


def streamed(bundle, speech, chunk=10**9, **options) -> np.ndarray:
    stream = Stream(bundle, seed=5, **options)
    made = [stream.push(speech[start : start + chunk]) for start in range(0, len(speech), chunk)]
    return np.concatenate([*made, stream.finish()])


@pytest.mark.parametrize("model", ["talker", "baseline"])
def test_chunks_of_any_size_give_the_same_motion(bundle, model):
    speech = noise(1.27)
    whole = streamed(bundle, speech, model=model)
    assert whole.shape == (38, MOTION_DIM) and whole.std(0).mean() > 0.01
    for chunk in (160, 7_777):
        assert np.array_equal(streamed(bundle, speech, chunk, model=model), whole)
    short = speech[:4_500]
    assert np.array_equal(streamed(bundle, short, 1, model=model), streamed(bundle, short, model=model))


@pytest.mark.parametrize("look_ahead", [0.0, 0.06, 0.2])
@pytest.mark.parametrize("samples", [0, 1, 266, 267, 800, 2_400, 7_733])
def test_there_are_as_many_frames_as_the_speech_lasts(bundle, samples, look_ahead):
    made = streamed(bundle, noise(0.5)[:samples], 700, look_ahead=look_ahead)
    assert made.shape == (round(samples / SAMPLE_RATE * FPS), MOTION_DIM)


@pytest.mark.parametrize("look_ahead", [0.0, 0.06, 0.2])
def test_a_frame_depends_on_no_speech_beyond_its_look_ahead(bundle, look_ahead):
    speech, cut = noise(1.1), 12_000
    other = np.concatenate([speech[:cut], noise(1.1, seed=1)[cut:]])
    one, two = (streamed(bundle, given, look_ahead=look_ahead, model="baseline") for given in (speech, other))
    settled = [k for k in range(len(one)) if (k + 0.5) / FPS + look_ahead <= cut / SAMPLE_RATE]
    assert np.array_equal(one[settled], two[settled])
    assert not np.array_equal(one[: settled[-1] + 4], two[: settled[-1] + 4])


@pytest.mark.parametrize("look_ahead", [0.0, 0.06, 0.1, 0.2])
def test_a_frame_is_told_once_its_look_ahead_is_heard(bundle, look_ahead):
    stream, told = Stream(bundle, look_ahead=look_ahead, model="baseline"), 0
    for blocks, block in enumerate(noise(0.6).reshape(-1, 200), 1):
        told += len(stream.push(block))
        assert told >= math.floor((blocks * 200 / SAMPLE_RATE - look_ahead) * FPS + 0.5 - 1e-3)


@torch.inference_mode()
def directly(bundle, speech: np.ndarray, heard_at_once: int, look_ahead: float, together: int) -> np.ndarray:
    """What a stream is to give, window by window from the recording, decoded by the plain loop."""
    model, encoder, mean = bundle.talker, bundle.encoders["talker"], RunningMean.expected(bundle.encoders["talker"])
    total, parts, style = round(len(speech) / SAMPLE_RATE * FPS), [], torch.eye(2)[:1]
    for start in range(0, total, together):
        horizon = math.floor((start + 0.5) * SAMPLE_RATE / FPS + look_ahead * SAMPLE_RATE)
        at_end = horizon >= len(speech)
        horizon = min(horizon, len(speech))
        begin = max(0, (horizon - heard_at_once) // GRID * GRID)
        mels = encoder.log_powers(torch.from_numpy(speech[begin:horizon])[None])
        end = math.floor(horizon / SAMPLE_RATE * FPS + 0.5)
        middles = (torch.arange(max(end, total if at_end else start + together)) + 0.5) / FPS
        kept = middles >= begin / SAMPLE_RATE  # all that the window holds, more than the frames need
        ends = torch.arange(mean.counted, max(mean.counted, (horizon - 200) // HOP + 1))
        seconds = torch.cat([middles[kept], ends * HOP / SAMPLE_RATE]) - begin / SAMPLE_RATE
        features, silence = encoder.features(mels - mean.value, seconds).split([int(kept.sum()), len(ends)], 1)
        pitch = encoder.pitch(torch.from_numpy(speech[begin:horizon])[None], seconds[: len(middles[kept])])
        features = torch.cat([features, pitch], -1)
        mean.follow(mels[0, ends - begin // HOP], silence[0, :, 0])
        first = int((~kept).sum())
        stop = total if at_end else start + together
        parts.append([one.predictor.hear(features)[:, start - first : stop - first] for one in model.members])
        if at_end:
            break
    whole = 0.0
    for one, heard in zip(model.members, zip(*parts)):
        heard, motion = torch.cat(heard, 1), torch.zeros(1, 0, MOTION_DIM)
        output = one.start(style, torch.Generator().manual_seed(5), plain=True)
        for _ in range(total):
            inputs = torch.cat([motion, torch.zeros(1, 1, MOTION_DIM)], 1)
            hidden = one.predictor(inputs, style, [heard] * len(one.predictor.layers))
            motion = one.emit(hidden[:, -1:], output)
        whole = whole + motion
    return whole[0].numpy()


@pytest.mark.parametrize(("look_ahead", "together"), [(0.0, 1), (0.06, 2), (0.2, 3)])
def test_a_stream_gives_what_its_windows_give_one_by_one(bundle, heard, look_ahead, together):
    speech = noise(1.11)
    made = streamed(bundle, speech, 1_000, look_ahead=look_ahead)
    np.testing.assert_allclose(made, directly(bundle, speech, heard, look_ahead, together), atol=1e-5)


def test_memory_and_work_are_bounded(bundle, heard, monkeypatch):
    lengths, log_powers = [], MelEncoder.log_powers

    def counting(encoder, speech):
        lengths.append(speech.shape[1])
        return log_powers(encoder, speech)

    monkeypatch.setattr(MelEncoder, "log_powers", counting)
    stream = Stream(bundle)
    for second in range(3):
        stream.push(noise(1.0, second))
    assert sum(map(len, stream._speech)) <= heard + GRID + SAMPLE_RATE
    assert heard <= max(lengths) < heard + GRID and len(lengths) <= 3 * FPS / stream.together
    for state, one in zip(stream._states, bundle.talker.members):
        kept = [cache.keys.shape[2] for cache in state.predictor.caches]
        assert kept == [one.predictor.bias.window] * len(kept) and state.features is None


def test_what_is_no_number_passes_without_a_trace(bundle):
    stream = Stream(bundle)
    assert np.isfinite(stream.push(np.full(8_000, np.nan))).all()
    assert np.isfinite(stream.push(np.full(8_000, np.inf))).all() and torch.isfinite(stream._mean.value).all()


def test_the_mean_finds_a_voice_in_a_second_and_a_pause_hardly_moves_it(bundle):
    mean = RunningMean.expected(bundle.encoders["talker"])
    assert -12 < mean.value.min() < mean.value.max() < -4
    voice, hush = mean.value + 2.0, mean.value - 4.0
    mean.follow(voice.expand(100, -1), torch.zeros(100))
    found = (voice - mean.value).mean()
    assert 0.9 < found < 1.1
    for _ in range(100):
        mean.follow(voice.expand(100, -1), torch.zeros(100))
    assert (voice - mean.value).abs().max() < 0.01 and mean.weight == streaming.MOST
    mean.follow(hush.expand(200, -1), torch.ones(200))
    assert (voice - mean.value).abs().max() < 0.4


def test_mistakes_are_told(bundle):
    with pytest.raises(UserError, match=r"look-ahead of 0\.3 s can't be had: choose from 0 to 0\.2 s"):
        Stream(bundle, look_ahead=0.3)
    with pytest.raises(UserError, match="look-ahead"):
        Stream(bundle, look_ahead=math.nan)
    with pytest.raises(UserError, match="no style 'angry'"):
        Stream(bundle, "angry")
    with pytest.raises(UserError, match="no model 'best'"):
        Stream(bundle, model="best")
    whole = models.talker(causal=False)
    assert not decoding.incremental(whole)
    with pytest.raises(UserError, match="the bundle tiny needs to hear the whole clip: to stream, take an open bundle"):
        Stream(replace(bundle, talker=whole))


def test_the_command_waits_as_long_as_a_stream_does():
    assert cli.build_parser().parse_args(["stream"]).look_ahead == streaming.LOOK_AHEAD
