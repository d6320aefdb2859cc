"""What is exported beside a video: checked before any work, written after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .audio import SAMPLE_RATE, shown
from .errors import UserError
from .motion import Animation, VertexAnimation
from .outputs import same_file

if TYPE_CHECKING:
    import numpy as np

    from .bundle import Bundle
    from .head import Head
    from .pipeline import Job
    from .windows import Heard


def check_beside(job: Job) -> None:
    """Raises UserError where an export would take the place of something else."""
    stem = job.out.stem
    if job.report == job.out.with_name(f"{stem}.visemes.json") and "visemes" in job.exports:
        raise UserError(f"the report {shown(job.report)} is also the visemes' file: choose another name")
    frames, sound = job.out.with_name(f"{stem}_frames"), job.out.with_name(f"{stem}.wav")
    if "png" in job.exports and frames.exists():
        raise UserError(f"there is {shown(frames)} already: remove it, or choose another output")
    if "glb" in job.exports and sound.exists() and not same_file(sound, job.speech) and not is_exported_sound(sound):
        raise UserError(f"{shown(sound)}, where the GLB's speech belongs, is another sound: choose another output")


def check_exports(kinds: tuple[str, ...], bundle: Bundle, head: Head) -> None:
    """Raises UserError for ARKit weights, or visemes of them, that no shapes could be fitted with."""
    for kind in kinds:
        if kind in ("arkit", "visemes") and bundle.space == "vertices" and not head.has_shapes:
            raise UserError(
                f"the template {head.name} has no ARKit shapes, so its motion has no ARKit weights: give a head of the "
                f"same topology that has them with --head FILE.glb, or leave {kind} out"
            )


def spoken_phones(bundle: Bundle, heard: Heard, model: str) -> np.ndarray | None:
    """(T, phones) probabilities in each frame; None where the speech encoder tells no phones."""
    from .phones import PHONES
    from .speech_encoder import MelEncoder

    if not isinstance(bundle.encoders[model], MelEncoder):
        return None
    return heard.features[0, :, : len(PHONES)].cpu().numpy()


def write_exports(
    job: Job, animation: Animation | VertexAnimation, head: Head, stem: Path, belonging: dict
) -> dict[str, dict[str, float]]:
    """Writes what `job` exports, as `stem` with endings; returns how far off each is, where it is at all.

    belonging: of export.Take
    """
    from .export import export

    made = {kind: export(kind, animation, head, stem, **belonging) for kind in job.exports}
    sound = stem.with_name(f"{stem.name}.wav")  # beside the GLB
    if sound.exists() and same_file(job.out.with_name(sound.name), job.speech):
        sound.unlink()  # the speech stands there already, and is the user's own
    return {kind: one.deviation for kind, one in made.items() if one.deviation}


def is_exported_sound(path: Path) -> bool:
    """Whether it is such a wav as stands beside our GLBs, not a recording of the user's."""
    import soundfile

    try:
        told = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError):
        return False
    return (told.format, told.samplerate, told.channels, told.subtype) == ("WAV", SAMPLE_RATE, 1, "PCM_16")
