"""The sizes of the open models. The published ones are read from their checkpoints' config."""

from __future__ import annotations

from dataclasses import replace

from .autoencoder import AutoencoderSpec, RegionSpec
from .motion import ARKIT_NAMES, MOTION_DIM, ROTATION_NAMES
from .predictor import PredictorSpec
from .talker import TalkerGroupSpec, TalkerSpec

FPS = 30
FORESIGHT = 17  # frames, a kernel: brows rise 0.65 s before a question ends, and three blocks reach 0.8 s
ABOVE = {  # first letters of their channels
    "lids": ("eyeBlink", "eyeSquint", "eyeWide", "cheekSquint"),
    "gaze": ("eyeLook",),
    "brows": ("brow",),
    "head": ("head",),
}
SMOOTHING = {"lids": 3, "gaze": 3, "brows": 7, "head": 15}  # frames: a blink takes four, a nod ten
# At 1, eyes and heads are half as fast again as the truth's.
TEMPERATURES = {"lids": 1.0, "gaze": 0.85, "brows": 1.0, "head": 0.85}


def face_regions(mouth_parts: int = 4) -> tuple[RegionSpec, ...]:
    """The mouth, whose codes are the nearest, and what speech tells only in part, whose codes are drawn.

    A drawn region has one code a frame: parts drawn apart could not agree to begin a blink.
    """
    names = [*ARKIT_NAMES, *ROTATION_NAMES]
    above = {
        region: tuple(channel for channel, name in enumerate(names) if name.startswith(first))
        for region, first in ABOVE.items()
    }
    mouth = sorted(set(range(MOTION_DIM)) - set(sum(above.values(), ())))
    drawn = [
        RegionSpec(region, channels, 1, TEMPERATURES[region], SMOOTHING[region]) for region, channels in above.items()
    ]
    return RegionSpec("mouth", tuple(mouth), mouth_parts), *drawn


def open_autoencoder(regions: tuple[RegionSpec, ...] | None = None, width: int = 128) -> AutoencoderSpec:
    return AutoencoderSpec(
        motion_dim=MOTION_DIM,
        regions=regions or face_regions(),
        width=width,
        heads=4,
        layers=2,
        feed_forward=2 * width,
        entries=256,
        code_dim=32,
        code_projection=True,
        window=FPS,
        decay=0.99,
    )


def published_form(width: int = 256) -> AutoencoderSpec:
    """The published stage 1's form and depth at the open motion's size: one region, all frames seen, before and after.

    For comparisons: the open bundle's is causal.
    """
    return AutoencoderSpec(
        motion_dim=MOTION_DIM,
        regions=(RegionSpec("face", None, width // 32),),
        width=width,
        heads=8,
        layers=6,
        feed_forward=3 * width // 2,
        entries=256,
        code_dim=32,
        code_projection=False,
        decay=0.99,
    )


def open_talker(speech_dim: int, styles: int, autoencoder: AutoencoderSpec | None = None) -> TalkerGroupSpec:
    """Of the regions whose codes are the nearest, and of those whose codes are drawn, so far as there are any."""
    autoencoder, members = autoencoder or open_autoencoder(), []
    nearest = _predictor(speech_dim, styles, width=256, layers=3)
    above = _predictor(speech_dim, styles, width=128, layers=2, context_kernel=FORESIGHT)
    for drawn, predictor in ((False, nearest), (True, above)):
        regions = tuple(region for region in autoencoder.regions if (region.temperature > 0) == drawn)
        if regions:
            members.append(TalkerSpec(predictor, replace(autoencoder, regions=regions), code_loss="cross_entropy"))
    return TalkerGroupSpec(tuple(members))


def open_faceformer(speech_dim: int, styles: int) -> PredictorSpec:
    """One layer of width 128, the published baseline's shape, hearing as much of the speech as the talker."""
    return _predictor(speech_dim, styles, width=128, layers=1, context_kernel=FORESIGHT)


def _predictor(speech_dim: int, styles: int, width: int, layers: int, context_kernel: int = 7) -> PredictorSpec:
    """What the open models have in common: one feature a frame, four seconds of their own past."""
    return PredictorSpec(
        motion_dim=MOTION_DIM,
        speech_dim=speech_dim,
        speech_per_frame=1,
        styles=styles,
        width=width,
        layers=layers,
        period=FPS,
        window=4 * FPS,
        context_blocks=3,
        context_kernel=context_kernel,
        dropout=0.1,
    )
