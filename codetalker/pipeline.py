"""The main job, for the command line and the app alike: a speech file becomes the side-by-side video.

Models, renderer and exporters are imported inside the functions, so that looking at `--help` loads none of them.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .audio import LIMIT_SECONDS, SAMPLE_RATE, load_speech
from .errors import UserError
from .motion import Animation, VertexAnimation
from .outputs import check_output, staging

if TYPE_CHECKING:
    from .bundle import Bundle
    from .head import Head

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_WEIGHTS = ROOT / "weights" / "open"
EXPORT_KINDS = ("npz", "arkit", "glb")  # the keys of export.EXPORTERS; a test holds them equal
SIZES = (128, 1080)  # pixels, the smallest and the largest picture
STAGES = ("load", "speech", "talker", "baseline", "render")  # in the order of work

Progress = Callable[[str, float], None]  # stage, and how much of it is done in [0, 1]; raises to stop the job


@dataclass(frozen=True)
class Job:
    """What to make. Raises UserError for what can be seen to be wrong before any work is done."""

    speech: Path
    out: Path  # the .mp4; exports stand beside it under its stem
    style: str | None = None  # a name, or a mixture "a:0.7,b:0.3"; None: the bundle's first
    head: str | None = None  # a name, or a GLB file; None: the first of ours
    baseline: bool = True  # FaceFormer beside the talker
    size: int = 512  # pixels, width and height of each picture
    seed: int = 0
    exports: tuple[str, ...] = ()  # of EXPORT_KINDS
    report: Path | None = None  # the .json
    limit_seconds: float = LIMIT_SECONDS

    def __post_init__(self) -> None:
        check_output(self.out, ".mp4", (self.speech,))
        if self.report is not None:
            check_output(self.report, ".json", (self.speech,))
        check_size(self.size)
        unknown = [kind for kind in self.exports if kind not in EXPORT_KINDS]
        if unknown:
            raise UserError(f"can't export {', '.join(unknown)}: there is {', '.join(EXPORT_KINDS)}")


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


def animate(job: Job, weights: str | Path | Bundle = DEFAULT_WEIGHTS, progress: Progress | None = None) -> dict:
    """Makes the video, the exports and the report of `job`; returns the report.

    weights: a bundle's folder, or a bundle that is loaded already (then `seconds.load` is next to nothing).
    Nothing is written unless everything is: all files move into place at the end.
    Raises UserError for a user's mistake, and whatever `progress` raises.
    """
    from .export import export
    from .render import Track, render_video

    watch = Stopwatch(progress)
    with staging(job.out.parent) as folder, staging((job.report or job.out).parent) as report_folder:
        with watch.stage("load"):
            head = open_head(job.head)
            bundle = open_bundle(weights)
        with watch.stage("speech"):
            speech = load_speech(job.speech, job.limit_seconds)
            features = bundle.encode(speech)
        with watch.stage("talker") as tell:
            animation = bundle.generate(features, style=job.style, seed=job.seed, progress=tell)
        style = job.style or bundle.styles[0]
        tracks = [Track(head, needs_arkit(animation), f"CodeTalker · {style}")]
        if job.baseline and bundle.has_baseline:
            with watch.stage("baseline") as tell:
                if not bundle.shares_features:
                    features = bundle.encode(speech, model="baseline")
                shown = bundle.generate(features, style=job.style, model="baseline", seed=job.seed, progress=tell)
            tracks.append(Track(head, needs_arkit(shown), "FaceFormer"))
        with watch.stage("render") as tell:
            video = folder / job.out.name
            render_video(tracks, speech, video, fps=bundle.fps, size=job.size, progress=tell)
            for kind in job.exports:
                export(kind, animation, head, video.with_suffix(""))
        report = {
            "audio_seconds": round(len(speech) / SAMPLE_RATE, 3),
            "frames": len(animation),
            "fps": bundle.fps,
            "style": style,
            "head": head.name,
            "weights": bundle.name,
            "device": str(bundle.device),
            "seconds": watch.report(),
        }
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
) -> None:
    """Speech to a motion file (.npz), without rendering."""
    check_output(out, ".npz", (speech_path,))
    watch = Stopwatch(progress)
    with staging(out.parent) as folder:
        with watch.stage("load"):
            bundle = open_bundle(weights)
        with watch.stage("speech"):
            features = bundle.encode(load_speech(speech_path, limit_seconds), model=model)
        with watch.stage(model) as tell:
            animation = bundle.generate(features, style=style, model=model, seed=seed, progress=tell)
        animation.save(folder / out.name)


def render_motion(
    motion_path: Path,
    speech_path: Path,
    out: Path,
    head: str | None = None,
    size: int = 512,
    limit_seconds: float = LIMIT_SECONDS,
    progress: Progress | None = None,
) -> None:
    """A motion file (.npz, or ARKit .csv) and its speech to a video of one head."""
    from .export import read_motion
    from .render import Track, render_video

    check_output(out, ".mp4", (motion_path, speech_path))
    check_size(size)
    watch = Stopwatch(progress)
    with staging(out.parent) as folder:
        with watch.stage("load"):
            animation = needs_arkit(read_motion(motion_path))
            opened = open_head(head)
        with watch.stage("speech"):
            speech = load_speech(speech_path, limit_seconds)
        animation = fit_to_speech(animation, len(speech) / SAMPLE_RATE)
        with watch.stage("render") as tell:
            track = Track(opened, animation, motion_path.stem)
            render_video([track], speech, folder / out.name, fps=animation.fps, size=size, progress=tell)


def fit_to_speech(animation: Animation, seconds: float) -> Animation:
    """As many frames as the speech has: the last one is held, or the rest cut. Half a second apart is a mistake."""
    frames = max(1, round(seconds * animation.fps))
    if abs(len(animation) - frames) > 0.5 * animation.fps:
        lasts = len(animation) / animation.fps
        raise UserError(f"the motion lasts {lasts:.1f} s and the speech {seconds:.1f} s: they don't belong together")
    rows = np.minimum(np.arange(frames), len(animation) - 1)
    return Animation(animation.weights[rows], animation.head_rotation[rows], animation.fps)


def open_bundle(weights: str | Path | Bundle) -> Bundle:
    """Loads a folder onto the GPU where there is one; a bundle passes through."""
    if not isinstance(weights, (str, Path)):
        return weights
    import torch

    from .bundle import load

    return load(weights, device="cuda" if torch.cuda.is_available() else "cpu")


def read_styles(weights: str | Path) -> dict[str, str]:
    """{name: a few words on it, or ""} from a bundle's `bundle.json`, without loading the models."""
    path = Path(weights) / "bundle.json"
    try:
        styles = json.loads(path.read_text(encoding="utf-8"))["styles"]
    except FileNotFoundError:
        raise UserError(f"there is no bundle in {weights}: {path.name} is missing") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a bundle's description: {error}") from error
    return dict(styles) if isinstance(styles, dict) else dict.fromkeys(styles, "")


def open_head(name_or_path: str | None) -> Head:
    """None: the first of our heads, which are kept once loaded: the renderer's preparation of them costs seconds."""
    from .head import list_heads, load_head

    names = list_heads()
    if name_or_path is None and not names:
        raise UserError("there is no head in assets/heads: give one with --head FILE.glb")
    name = names[0] if name_or_path is None else name_or_path
    return _kept_head(name) if name in names else load_head(name)


@functools.cache
def _kept_head(name: str) -> Head:
    from .head import load_head

    return load_head(name)


def needs_arkit(animation: Animation | VertexAnimation) -> Animation:
    """Raises UserError for a motion in `vertices` space, which belongs to a template and not to a head."""
    if isinstance(animation, VertexAnimation):
        raise UserError("this motion moves the vertices of a published model's template, which no head here can play")
    return animation


def check_size(size: int) -> None:
    if not SIZES[0] <= size <= SIZES[1] or size % 2:
        raise UserError(f"a picture of {size} pixels can't be made: choose an even size from {SIZES[0]} to {SIZES[1]}")
