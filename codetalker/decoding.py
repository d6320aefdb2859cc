"""Autoregressive decoding, of the talker and the baseline alike: plain, cached, and in a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .errors import UserError
from .faceformer import FaceFormer
from .predictor import PredictorState
from .talker import CodeState, Talker

Model = Talker | FaceFormer


def arrange(module: nn.Module) -> nn.Module:
    """Turns the memory order of each linear layer's weight, values and shapes as before; for models that only decode.

    A product with a single row then reads the weight in order: half the time at M = 1 on a CPU, the same at M = 300.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = layer.weight.data.T.contiguous().T
    return module


@contextmanager
def _single_thread(wanted: bool) -> Iterator[None]:
    """Products of one row are too short to share: with a second thread on a busy machine they took 20 times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class DecodingState:
    """A clip in progress; ends with it.

    own: (B, 1, width), the style's vector
    features: (B, n, D), the speech features that are still of use; the first belongs to frame `first`
    motion: (B, 1, M), the last frame that was made
    """

    own: Tensor
    predictor: PredictorState
    output: CodeState | None
    features: Tensor | None = None
    first: int = 0
    motion: Tensor | None = None


@torch.inference_mode()
def start(model: Model, style: Tensor, seed: int = 0) -> DecodingState:
    """style: (B, styles) weights."""
    return DecodingState(
        model.predictor.style_vector(style), model.predictor.start(), model.start(torch.Generator().manual_seed(seed))
    )


@torch.inference_mode()
def push(model: Talker, state: DecodingState, features: Tensor, last: bool = False) -> Tensor:
    """The frames of motion that can be told by now, (B, n, M), n >= 0; chunks of any size give what the whole gives.

    features: (B, S, D), the next of the speech; last: nothing follows. Frames come the predictor's reach late.
    """
    if not _incremental(model):
        raise UserError("this bundle's stage 1 looks at the whole clip, so it cannot stream; generate the clip at once")
    return _advance(model, state, features, last, None)


@torch.inference_mode()
def generate(
    model: Model, features: Tensor, style: Tensor, seed: int = 0, progress: Callable[[float], None] | None = None
) -> Tensor:
    """A whole clip, cached. features: (1 or B, S, D); style: (B, styles) -> motion (B, T, M)."""
    state = start(model, style, seed)
    motion = _advance(model, state, features.expand(len(style), -1, -1), True, progress)
    return model.revise(motion, state.output) if motion.shape[1] else motion


@torch.inference_mode()
def generate_plainly(model: Model, features: Tensor, style: Tensor, seed: int = 0) -> Tensor:
    """`generate` as the papers and the published code do it: each frame recomputes all before it. To compare with."""
    features = features.expand(len(style), -1, -1)
    memories = model.predictor.prepare(features)
    output = model.start(torch.Generator().manual_seed(seed), plain=True)
    unused = style.new_zeros(len(style), 1, model.predictor.motion_map.in_features)
    motion = unused[:, :0]
    for frame in range(memories[0].values.shape[1]):
        seen = [memory.frames(0, frame + 1) for memory in memories]
        hidden = model.predictor(torch.cat([motion, unused], 1), style, seen)
        motion = torch.cat([motion, model.emit(hidden[:, -1:], output)], 1)
    return model.revise(motion, output) if motion.shape[1] else motion


def _incremental(model: Model) -> bool:
    """Whether a frame, once made, stays, and costs the same however many lie before it."""
    return not isinstance(model, Talker) or model.spec.autoencoder.causal


def _advance(
    model: Model, state: DecodingState, features: Tensor, last: bool, progress: Callable[[float], None] | None
) -> Tensor:
    predictor, per_frame, reach = model.predictor, model.predictor.speech_per_frame, model.predictor.reach
    known = features if state.features is None else torch.cat([state.features, features], 1)
    begin = state.predictor.position
    end = state.first + known.shape[1] // per_frame - (0 if last else reach)
    made = []
    if end > begin:
        memories = predictor.prepare(known)
        with _single_thread(_incremental(model)):
            for frame in range(begin, end):
                here = frame - state.first
                memory = [part.frames(here, here + 1) for part in memories]
                hidden = predictor.step(state.own, state.motion, memory, state.predictor)
                state.motion = model.emit(hidden, state.output)
                made.append(state.motion)
                if progress is not None:
                    progress((frame + 1 - begin) / (end - begin))
    keep = max(state.first, state.predictor.position - reach)  # what lies further back no later frame depends on
    state.features, state.first = known[:, (keep - state.first) * per_frame :], keep
    return torch.cat(made, 1) if made else known.new_zeros(len(known), 0, predictor.motion_map.in_features)
