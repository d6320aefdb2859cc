"""The main job, for the command line and the app alike: a speech file becomes the side-by-side video.

Models, renderer and exporters are imported inside the functions, so that looking at `--help` loads none of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .audio import LIMIT_SECONDS, SAMPLE_RATE, load_speech
from .beside import check_beside, check_exports, spoken_phones, write_exports
from .casting import head_for_bundle, head_for_motion
from .errors import UserError
from .motion import Animation, VertexAnimation
from .outputs import check_output, staging
from .shelf import DEFAULT_WEIGHTS
from .surroundings import check_video_background
from .tuning import check_tuning, tune

if TYPE_CHECKING:
    import numpy as np

    from .bundle import Bundle
    from .head import Head

EXPORT_KINDS = ("npz", "arkit", "glb", "visemes", "png")  # the keys of export.EXPORTERS; a test holds them equal
ADDITION_KINDS = ("blink", "gaze", "sway", "breath")  # life.ADDITIONS; a test holds them equal
DECODINGS = ("auto", "whole", "windows", "fast")  # windows.DECODINGS; a test holds them equal
SIZES = (128, 1080)  # pixels, the smallest and the largest picture
STAGES = ("load", "speech", "talker", "baseline", "render")  # in the order of work
CAPTIONS = {"talker": "CodeTalker", "baseline": "FaceFormer"}  # of each model

Progress = Callable[[str, float], None]  # stage, and how much of it is done in [0, 1]; raises to stop the job


@dataclass(frozen=True)
class Job:
    """What to make. Raises UserError for what can be seen to be wrong before any work is done."""

    speech: Path
    out: Path  # the .mp4; exports stand beside it under its stem
    style: str | None = None  # a name, or a mixture "a:0.7,b:0.3"; None: the bundle's first
    head: str | None = None  # a name, or a file; None: the first of ours, or of the bundle's templates
    baseline: bool = True  # FaceFormer beside the talker
    size: int = 512  # pixels, width and height of each picture
    background: str | None = None  # "#rrggbb"; None: a glow behind the head
    drift: bool = False  # the camera sways slowly
    seed: int = 0
    decoding: str = "auto"  # of DECODINGS, for the published models: whole, in windows, or as the length asks for
    exports: tuple[str, ...] = ()  # of EXPORT_KINDS
    additions: tuple[str, ...] = ()  # of ADDITION_KINDS, on all heads alike; ("auto",): what all of them lack
    expressiveness: float = 1.0  # of both models alike, as tuning.tune: 1 is what they predicted
    smoothing: float = 0.0  # s, the same
    report: Path | None = None  # the .json
    limit_seconds: float = LIMIT_SECONDS

    def __post_init__(self) -> None:
        check_output(self.out, ".mp4", (self.speech,))
        if self.report is not None:
            check_output(self.report, ".json", (self.speech,))
        check_size(self.size)
        check_video_background(self.background)
        check_additions(self.additions)
        check_tuning(self.expressiveness, self.smoothing)
        unknown = [kind for kind in self.exports if kind not in EXPORT_KINDS]
        if unknown:
            raise UserError(f"can't export {', '.join(unknown)}: there is {', '.join(EXPORT_KINDS)}")
        check_beside(self)


@dataclass(frozen=True)
class Moved:
    """What is known before anything is drawn.

    speech: (N,) float32 at 16 kHz; animations: by model, in the order in which they are shown, additions included
    phones: (T, phones.PHONES) probabilities in each frame, None where the speech encoder tells none
    """

    speech: np.ndarray
    head: Head
    animations: dict[str, Animation | VertexAnimation]
    phones: np.ndarray | None


@dataclass
class Stopwatch:
    """Measures stages and tells how far they are."""

    progress: Progress | None = None
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Yields what the stage calls with the fraction done."""
        tell = (lambda fraction: self.progress(name, fraction)) if self.progress else (lambda fraction: None)
        tell(0.0)
        start = time.perf_counter()
        yield tell
        self.seconds[name] += time.perf_counter() - start
        tell(1.0)

    def report(self) -> dict[str, float]:
        total = time.perf_counter() - self.started
        return {name: round(seconds, 3) for name, seconds in (self.seconds | {"total": total}).items()}


def animate(
    job: Job,
    weights: str | Path | Bundle = DEFAULT_WEIGHTS,
    progress: Progress | None = None,
    moved: Callable[[Moved], None] | None = None,
) -> dict:
    """Makes the video, the exports and the report of `job`; returns the report.

    weights: a bundle's folder, or a bundle that is loaded already (then `seconds.load` is next to nothing).
    moved: hears of the motion before it is drawn, which takes most of the time.
    Nothing is written unless everything is: all files move into place at the end.
    Raises UserError for a user's mistake, and whatever `progress` raises.
    """
    from .export import check_count
    from .render import Track, render_video

    watch = Stopwatch(progress)
    with staging(job.out.parent) as folder, staging((job.report or job.out).parent) as report_folder:
        with watch.stage("load"):
            bundle = open_bundle(weights)
            head = head_for_bundle(job.head, bundle)
            check_exports(job.exports, bundle, head)
            models = models_shown(bundle, job.baseline)
        with watch.stage("speech"):
            speech = load_speech(job.speech, job.limit_seconds)
            heard = bundle.encode(speech, model=models[0], decoding=job.decoding)
            decoding = heard.told()
            phones = spoken_phones(bundle, heard, models[0]) if moved or "visemes" in job.exports else None
            if "png" in job.exports:
                check_count(round(len(speech) / SAMPLE_RATE * bundle.fps))
        template = head.vertices if bundle.space == "vertices" else None
        style = job.style or bundle.styles[0]
        animations: list[Animation | VertexAnimation] = []
        for model in models:
            with watch.stage(model) as tell:
                if animations and not bundle.shares_features:
                    heard = bundle.encode(speech, model=model, decoding=job.decoding)
                animation = bundle.generate(
                    heard, style=job.style, model=model, seed=job.seed, progress=tell, template=template
                )
                animations.append(animation)
        animations = [tuned(animation, job) for animation in animations]
        animations, added = enliven(animations, speech, job.additions, job.seed)
        if moved:
            moved(Moved(speech, head, dict(zip(models, animations)), phones))
        captions = [f"{CAPTIONS[models[0]]} · {style}", *(CAPTIONS[model] for model in models[1:])]
        tracks = [Track(head, animation, caption) for animation, caption in zip(animations, captions)]
        animation = animations[0]
        with watch.stage("render") as tell:
            video = folder / job.out.name
            look = {"size": job.size, "background": job.background, "drift": job.drift}
            share = len(tracks) / (len(tracks) + ("png" in job.exports))  # of the drawing, the video's
            render_video(
                tracks, speech, video, fps=bundle.fps, progress=lambda fraction: tell(share * fraction), **look
            )
            belonging = {"speech": speech, "phones": phones, "size": job.size}
            belonging["progress"] = lambda fraction: tell(share + (1 - share) * fraction)
            deviations = write_exports(job, animation, head, video.with_suffix(""), belonging)
        report = {
            "audio_seconds": round(len(speech) / SAMPLE_RATE, 3),
            "frames": len(animation),
            "fps": bundle.fps,
            "style": style,
            "head": head.name,
            "weights": bundle.name,
            "decoding": decoding,
            **told_additions(bundle, job.additions, added),
            **told_tuning(job),
            "device": str(bundle.device),
            "seconds": watch.report(),
        }
        if deviations:
            report["deviations"] = deviations
        if head.notes:
            report["head_notes"] = head.notes
        if job.report is not None:
            (report_folder / job.report.name).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def write_motion(
    speech_path: Path,
    out: Path,
    weights: str | Path | Bundle = DEFAULT_WEIGHTS,
    model: str = "talker",
    style: str | None = None,
    seed: int = 0,
    limit_seconds: float = LIMIT_SECONDS,
    progress: Progress | None = None,
    decoding: str = "auto",
    additions: tuple[str, ...] = (),
) -> dict:
    """Speech to a motion file (.npz), without rendering; returns a report of its `additions`."""
    check_output(out, ".npz", (speech_path,))
    check_additions(additions)
    watch = Stopwatch(progress)
    with staging(out.parent) as folder:
        with watch.stage("load"):
            bundle = open_bundle(weights)
        with watch.stage("speech"):
            speech = load_speech(speech_path, limit_seconds)
            heard = bundle.encode(speech, model=model, decoding=decoding)
        with watch.stage(model) as tell:
            animation = bundle.generate(heard, style=style, model=model, seed=seed, progress=tell)
            (animation,), added = enliven([animation], speech, additions, seed)
        animation.save(folder / out.name)
    return told_additions(bundle, additions, added)


def render_motion(
    motion_path: Path,
    speech_path: Path,
    out: Path,
    head: str | None = None,
    size: int = 512,
    limit_seconds: float = LIMIT_SECONDS,
    progress: Progress | None = None,
    background: str | None = None,
    drift: bool = False,
) -> Head:
    """A motion file (.npz, or ARKit .csv) and its speech to a video of one head, which is returned."""
    from .export import read_motion
    from .render import Track, render_video

    check_output(out, ".mp4", (motion_path, speech_path))
    check_size(size)
    check_video_background(background)
    watch = Stopwatch(progress)
    with staging(out.parent) as folder:
        with watch.stage("load"):
            animation = read_motion(motion_path)
            played_by = head_for_motion(head, animation, motion_path.name)
        with watch.stage("speech"):
            speech = load_speech(speech_path, limit_seconds)
        check_length(animation, len(speech) / SAMPLE_RATE)
        with watch.stage("render") as tell:
            track = Track(played_by, animation, motion_path.stem)  # which holds its last frame
            look = {"size": size, "background": background, "drift": drift}
            render_video([track], speech, folder / out.name, fps=animation.fps, progress=tell, **look)
    return played_by


def enliven(
    animations: list[Animation | VertexAnimation], speech: np.ndarray, wanted: tuple[str, ...], seed: int
) -> tuple[list[Animation | VertexAnimation], tuple[str, ...]]:
    """The same additions to all animations, for a fair comparison; and which they are."""
    if not wanted:
        return animations, ()
    from .life import add_life, choose

    added = choose(wanted, animations)
    return [add_life(one, speech, added, seed) if added else one for one in animations], added


def tuned(animation: Animation | VertexAnimation, job: Job) -> Animation | VertexAnimation:
    """As the job asks for; vertices have no weights that could be raised."""
    if isinstance(animation, VertexAnimation):
        return animation
    return tune(animation, job.expressiveness, job.smoothing)


def told_tuning(job: Job) -> dict:
    """For a report: nothing where the motion is as predicted."""
    given = {"expressiveness": (job.expressiveness, 1.0), "smoothing": (job.smoothing, 0.0)}
    return {name: value for name, (value, untouched) in given.items() if value != untouched}


def told_additions(bundle: Bundle, wanted: tuple[str, ...], added: tuple[str, ...]) -> dict:
    """For a report: what was added, and why nothing was where it was asked for."""
    told: dict = {"additions": list(added)}
    if wanted and bundle.space == "vertices":
        told["additions_note"] = "nothing was added: moving vertices have no shapes for it"
    return told


def check_additions(names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in ADDITION_KINDS]
    if unknown and names != ("auto",):
        raise UserError(f"can't add {', '.join(unknown)}: there is {', '.join(ADDITION_KINDS)}, or auto or none alone")


def check_length(animation: Animation | VertexAnimation, seconds: float) -> None:
    """Raises UserError where a motion and its speech differ by more than half a second."""
    lasts = len(animation) / animation.fps
    if abs(lasts - seconds) > 0.5:
        raise UserError(f"the motion lasts {lasts:.1f} s and the speech {seconds:.1f} s: they don't belong together")


def models_shown(bundle: Bundle, baseline: bool) -> list[str]:
    """The talker, and the baseline beside it; the baseline alone where a bundle has nothing else."""
    if bundle.talker is not None:
        return ["talker", "baseline"] if baseline and bundle.has_baseline else ["talker"]
    if not baseline:
        raise UserError(f"the bundle {bundle.name} holds FaceFormer alone: leave out --baseline none")
    return ["baseline"]


def open_bundle(weights: str | Path | Bundle) -> Bundle:
    """Loads a folder onto the GPU where there is one; a bundle passes through."""
    if not isinstance(weights, (str, Path)):
        return weights
    import torch

    from .bundle import load

    return load(weights, device="cuda" if torch.cuda.is_available() else "cpu")


def check_size(size: int) -> None:
    if not SIZES[0] <= size <= SIZES[1] or size % 2:
        raise UserError(f"a picture of {size} pixels can't be made: choose an even size from {SIZES[0]} to {SIZES[1]}")
