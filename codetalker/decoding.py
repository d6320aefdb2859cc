"""Autoregressive decoding, of the talker and the baseline alike: plain, cached, and in a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .errors import UserError
from .faceformer import FaceFormer
from .layers import Readout
from .predictor import PredictorState
from .talker import CodeState, Talker, TalkerGroup
from .temporal import Shortcut

Model = Talker | TalkerGroup | FaceFormer


def arrange(module: nn.Module) -> nn.Module:
    """Makes a module ready to decode under the weights that it has now: the same results, sooner.

    Each linear layer's weight changes its memory order, so that a product with a single row reads it in order: up to
    half the time on a CPU. A published stage 1, which works on several rows, keeps its order. A model's last map and
    the first of its next frame become one.
    """
    models, kept = module.members if isinstance(module, Model) else (), set()
    for model in models:
        if not incremental(model):
            kept |= set(model.autoencoder.modules())
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and layer not in kept:
            layer.weight.data = layer.weight.data.T.contiguous().T
    for model in models:
        with torch.no_grad():
            model.predictor.fuse(model.readout())
    return module


@contextmanager
def single_thread(wanted: bool = True) -> Iterator[None]:
    """Products of one row are too short to share: with a second thread on a busy machine they took 20 times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class DecodingState:
    """A clip in progress, of one member of a model; ends with it.

    own: (B, 1, width), the style's vector
    readout: from latents to motion; None: a latent is the motion
    features: (B, n, D), the speech features that are still of use; the first belongs to frame `first`
    latent: (B, 1, R), of the last frame that was made
    """

    own: Tensor
    readout: Readout | None
    predictor: PredictorState
    output: CodeState | None
    features: Tensor | None = None
    first: int = 0
    latent: Tensor | None = None


@dataclass
class Decoded:
    """A clip as its latents, (B, T, R), and the readout that makes motion of them, None where they are the motion."""

    latents: Tensor
    readout: Readout | None

    @torch.inference_mode()
    def motion(self) -> Tensor:
        """(B, T, M)"""
        return self.latents if self.readout is None else self.readout(self.latents)


@torch.inference_mode()
def start(model: Model, style: Tensor, seed: int = 0, shortcut: Shortcut | None = None) -> list[DecodingState]:
    """Of each member. style: (B, styles) weights; shortcut: as in `decode`."""
    states = []
    for one in model.members:
        output = one.start(style, torch.Generator().manual_seed(seed), shortcut=shortcut)
        states.append(DecodingState(one.predictor.style_vector(style), one.readout(), one.predictor.start(), output))
    return states


@torch.inference_mode()
def push(model: Model, states: list[DecodingState], features: Tensor, last: bool = False) -> Tensor:
    """The frames of motion that can be told by now, (B, n, M), n >= 0; chunks of any size give what the whole gives.

    features: (B, S, D), the next of the speech; last: nothing follows. Frames come the model's reach late.
    """
    if not incremental(model):
        raise UserError("this bundle's stage 1 looks at the whole clip, so it cannot stream; generate the clip at once")
    made = [_advance(one, state, features, 0 if last else model.reach) for one, state in zip(model.members, states)]
    return _whole(made, states).motion()


@torch.inference_mode()
def settle(model: Model, states: list[DecodingState], features: Tensor, begin: int, frames: int) -> Tensor:
    """The next `frames` of motion, (B, frames, M), whose speech is frame `begin` and on of `features`, (B, S, D).

    `push` for features that come better each time they are heard: nothing is kept of them, and a frame is made of what
    is given, even where its reach goes beyond.
    """
    made = [_make(one, state, features, begin, frames) for one, state in zip(model.members, states)]
    return _whole(made, states).motion()


@torch.inference_mode()
def decode(
    model: Model,
    features: Tensor,
    style: Tensor,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    shortcut: Shortcut | None = None,
) -> Decoded:
    """A whole clip, cached. features: (1 or B, S, D); style: (B, styles).

    shortcut: of a published stage 1; None is exact. With one it is faster, the more the longer the clip, and chooses
    other codes here and there: benchmarks/README.md has what that does to the lips.
    """
    states, made = start(model, style, seed, shortcut), []
    for index, (one, state) in enumerate(zip(model.members, states)):

        def tell(fraction: float, index: int = index) -> None:
            progress((index + fraction) / len(states))

        latents = _advance(one, state, features.expand(len(style), -1, -1), 0, tell if progress else None)
        made.append(one.revise(latents, state.output) if latents.shape[1] else latents)
    return _whole(made, states)


def generate(model: Model, features: Tensor, style: Tensor, seed: int = 0) -> Tensor:
    """The motion of `decode`, (B, T, M)."""
    return decode(model, features, style, seed).motion()


@torch.inference_mode()
def generate_plainly(model: Model, features: Tensor, style: Tensor, seed: int = 0) -> Tensor:
    """`generate` as the papers and the published code do it: each frame recomputes all before it. To compare with."""
    if isinstance(model, TalkerGroup):
        return sum(generate_plainly(one, features, style, seed) for one in model.members)
    speech = model.predictor.hear(features.expand(len(style), -1, -1))
    readout = model.readout()
    output = model.start(style, torch.Generator().manual_seed(seed), plain=True)
    unused = style.new_zeros(len(style), 1, model.motion_dim)
    made, motion = [], unused[:, :0]
    for _ in range(speech.shape[1]):
        hidden = model.predictor(torch.cat([motion, unused], 1), style, [speech] * len(model.predictor.layers))
        latents = model.emit(hidden[:, -1:], output)
        made.append(latents[:, -1:])
        motion = torch.cat([motion, Decoded(latents, readout).motion()[:, -1:]], 1)
    return Decoded(model.revise(torch.cat(made, 1), output), readout).motion() if made else motion


def incremental(model: Model) -> bool:
    """Whether a frame, once made, stays, and costs the same however many lie before it."""
    return all(one.spec.autoencoder.causal for one in model.members if isinstance(one, Talker))


def _whole(made: list[Tensor], states: list[DecodingState]) -> Decoded:
    """Of all members, whose latents are (B, T, R) each."""
    if len(made) == 1:
        return Decoded(made[0], states[0].readout)
    return Decoded(sum(Decoded(one, state.readout).motion() for one, state in zip(made, states)), None)


def _advance(
    model: Talker | FaceFormer,
    state: DecodingState,
    features: Tensor,
    ahead: int,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """The latents of the frames that can be told, (B, n, R). ahead: frames of speech that must be known beyond one."""
    per_frame = model.speech_per_frame
    known = features if state.features is None else torch.cat([state.features, features], 1)
    begin = state.predictor.position - state.first
    frames = known.shape[1] // per_frame - ahead - begin
    made = _make(model, state, known, begin, max(0, frames), progress)
    keep = max(state.first, state.predictor.position - model.reach)  # what lies further back no later frame depends on
    state.features, state.first = known[:, (keep - state.first) * per_frame :], keep
    return made


def _make(
    model: Talker | FaceFormer,
    state: DecodingState,
    features: Tensor,
    begin: int,
    frames: int,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """The latents of the next `frames`, (B, frames, R), of which the first is frame `begin` of `features`."""
    predictor, made = model.predictor, []
    if frames:
        memories = predictor.prepare(features)
        with single_thread(incremental(model)):
            for here in range(begin, begin + frames):
                memory = [part.frames(here, here + 1) for part in memories]
                hidden = predictor.step(state.own, state.latent, state.readout, memory, state.predictor)
                state.latent = model.emit(hidden, state.output)
                made.append(state.latent)
                if progress is not None:
                    progress((here + 1 - begin) / frames)
        return torch.cat(made, 1)
    width = predictor.motion_map.in_features if state.readout is None else state.readout.weight.shape[1]
    return features.new_zeros(len(features), 0, width)
