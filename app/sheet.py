"""A contact sheet: one sentence in all styles of its bundle at once, as one video with sound."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from codetalker import pipeline
from codetalker.audio import load_speech
from codetalker.casting import head_for_bundle

from .handlers import Studio
from .sessions import Session
from .steps import Step

SIZE = 192  # pixels of each picture
MOST = 16  # styles: published bundles have 12 at most


def make_sheet(
    studio: Studio, key: str, address: str, speech: str | Path | None, head: str, weights: str, seed: int
) -> Iterator[Step | Path]:
    """Yields steps, then the video. Raises as Studio.generate does."""
    path, entry = studio.checked(speech, head, weights, seed), studio.shelf.entry(weights)

    def make(session: Session, progress: pipeline.Progress, show: Callable[[Step], None]) -> Path:
        out = session.new_folder() / "styles.mp4"
        try:
            _draw(studio, path, list(entry.styles)[:MOST], head, entry.name, seed, out, progress)
        except BaseException:
            shutil.rmtree(out.parent, ignore_errors=True)
            raise
        return out

    yield from studio.jobs.run("sheet", key, path, address, make)


def _draw(
    studio: Studio,
    path: Path,
    styles: list[str],
    head_name: str,
    weights: str,
    seed: int,
    out: Path,
    progress: pipeline.Progress,
) -> None:
    from codetalker.render import Track, render_video

    bundle = studio.shelf.load(weights)
    head = head_for_bundle(head_name, bundle)
    template = head.vertices if bundle.space == "vertices" else None
    progress("speech", 0.0)
    speech = load_speech(path, studio.settings.limit_seconds)
    model = "talker" if bundle.talker is not None else "baseline"
    heard = bundle.encode(speech, model)
    moved = bundle.generate_styles(heard, styles, model, seed, lambda fraction: progress("talker", fraction), template)
    tracks = [Track(head, animation, style) for animation, style in zip(moved, styles)]
    row = out.with_name("row.mp4")
    render_video(tracks, speech, row, bundle.fps, SIZE, lambda fraction: progress("render", 0.95 * fraction))
    lay_out(row, out, len(styles), columns_for(len(styles)))
    row.unlink()


def columns_for(count: int) -> int:
    """Of a sheet that is a little wider than high: 3 of 9, 4 of 10 to 12."""
    return math.ceil(math.sqrt(count))


def lay_out(row: Path, out: Path, count: int, columns: int) -> None:
    """A video of `count` square pictures beside each other becomes rows of `columns`, filled up with black."""
    from imageio_ffmpeg import get_ffmpeg_exe

    rows = math.ceil(count / columns)
    names = [f"r{number}" for number in range(rows)]
    steps = [f"[0:v]pad=ih*{rows * columns}:ih:0:0,split={rows}" + "".join(f"[{name}]" for name in names)]
    steps += [f"[{name}]crop=ih*{columns}:ih:ih*{columns * number}:0[c{name}]" for number, name in enumerate(names)]
    stack = f"vstack=inputs={rows}" if rows > 1 else "null"
    steps.append("".join(f"[c{name}]" for name in names) + f"{stack}[v]")
    command = [get_ffmpeg_exe(), "-y", "-v", "error", "-i", str(row), "-filter_complex", ";".join(steps), "-map", "[v]"]
    command += ["-map", "0:a", "-c:a", "copy", "-c:v", "libx264", "-preset", "superfast", "-crf", "21", "-pix_fmt"]
    command += ["yuv420p", "-movflags", "+faststart", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"laying out the sheet failed (ffmpeg exit code {done.returncode}): {done.stderr[-2000:]}")
