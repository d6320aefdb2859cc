"""The sizes of the open models. The published ones are read from their checkpoints' config."""

from __future__ import annotations

from .autoencoder import AutoencoderSpec, RegionSpec
from .motion import ARKIT_NAMES, MOTION_DIM
from .predictor import PredictorSpec
from .talker import TalkerSpec

FPS = 30
UPPER_PREFIXES = ("eye", "brow", "cheekSquint")  # with the head's rotation: what speech tells only in part


def face_regions(mouth_parts: int = 4, upper_parts: int = 4, upper_temperature: float = 1.0) -> tuple[RegionSpec, ...]:
    """Mouth and upper face: the mouth's codes are the nearest, the upper face's are drawn, or it would freeze."""
    upper = [channel for channel, name in enumerate(ARKIT_NAMES) if name.startswith(UPPER_PREFIXES)]
    upper += range(len(ARKIT_NAMES), MOTION_DIM)
    mouth = [channel for channel in range(MOTION_DIM) if channel not in upper]
    return (
        RegionSpec("mouth", tuple(mouth), mouth_parts),
        RegionSpec("upper_face", tuple(upper), upper_parts, upper_temperature),
    )


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


def open_talker(speech_dim: int, styles: int, autoencoder: AutoencoderSpec | None = None) -> TalkerSpec:
    predictor = PredictorSpec(
        motion_dim=MOTION_DIM,
        speech_dim=speech_dim,
        speech_per_frame=1,
        styles=styles,
        width=256,
        layers=3,
        period=FPS,
        window=4 * FPS,
        context_blocks=3,
        dropout=0.0,
    )
    return TalkerSpec(predictor, autoencoder or open_autoencoder(), code_loss="cross_entropy")


def open_faceformer(speech_dim: int, styles: int) -> PredictorSpec:
    """One layer of width 128, the published baseline's shape, hearing as much of the speech as the talker."""
    return PredictorSpec(
        motion_dim=MOTION_DIM,
        speech_dim=speech_dim,
        speech_per_frame=1,
        styles=styles,
        width=128,
        layers=1,
        period=FPS,
        window=4 * FPS,
        context_blocks=3,
        dropout=0.0,
    )
