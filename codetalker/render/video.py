"""Tracks and their speech to one video: deforming, drawing and encoding overlap."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..surroundings import camera_yaws, check_video_background, read_background
from .captions import draw_captions
from .figure import figure_of
from .process import RenderError, shared_process
from .tracks import Track, motion

SAMPLE_RATE = 16_000  # Hz, of the speech
PIPE_BYTES = 1 << 20  # of the pipe to ffmpeg, the most that Linux allows: a frame goes in few steps


def render_video(
    tracks: list[Track],
    speech: np.ndarray,
    out: str | Path,
    fps: float,
    size: int = 512,
    progress: Callable[[float], None] | None = None,
    background: str | None = None,
    drift: bool = False,
) -> None:
    """One picture of `size` x `size` per track, side by side, H.264 with the speech as AAC.

    speech: (N,) float32 at 16 kHz; the video lasts as long as it, to half a frame. `progress` hears the fraction done
    and may raise to stop. `out` appears when it is finished, and replaces an older file in one step.
    background: None for the glow, or '#rrggbb'; drift: the camera sways slowly.
    Raises RenderError where drawing or encoding fails, UserError where this machine can't draw.
    """
    check_video_background(background)
    shared_process().start_early()
    out = Path(out)
    frames = max(1, round(len(speech) / SAMPLE_RATE * fps))
    colour, words = read_background(background), [track.caption for track in tracks]
    captions = draw_captions(words, size, colour) if any(words) else None
    figures = [figure_of(track.head) for track in tracks]
    pictures = shared_process().frames(figures, size, motion(tracks, frames), colour, camera_yaws(fps, drift))
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out.parent) as folder:
        video, sound = Path(folder) / "video.mp4", Path(folder) / "speech.f32"
        sound.write_bytes(np.ascontiguousarray(speech, "<f4").tobytes())
        encoder = _Encoder(video, sound, (size * len(tracks), size), fps)
        try:
            for index, picture in enumerate(pictures):
                if captions:
                    captions.lay_over(picture)
                encoder.write(picture)
                if progress and index % 5 == 0:
                    progress(index / frames)
            encoder.finish()
        finally:
            encoder.stop()
            pictures.close()
        os.replace(video, out)
    if progress:
        progress(1.0)


class _Encoder:
    """ffmpeg, fed with frames."""

    def __init__(self, video: Path, sound: Path, size: tuple[int, int], fps: float) -> None:
        from imageio_ffmpeg import get_ffmpeg_exe

        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  read after the process has ended
        rate = str(Fraction(fps).limit_denominator(1001))
        picture = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{size[0]}x{size[1]}", "-r", rate, "-i", "-"]
        speech = ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", str(sound)]
        h264 = ["-c:v", "libx264", "-preset", "superfast", "-crf", "20", "-pix_fmt", "yuv420p"]
        colour = ["-vf", "scale=out_color_matrix=bt709:flags=fast_bilinear", "-colorspace", "bt709"]
        colour += ["-color_primaries", "bt709", "-color_trc", "bt709"]
        aac = ["-c:a", "aac", "-b:a", "96k"]
        command = [get_ffmpeg_exe(), "-y", "-v", "error", *picture, *speech, "-map", "0:v", "-map", "1:a"]
        command += [*h264, *colour, *aac, "-movflags", "+faststart", str(video)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._stderr, bufsize=0
        )
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; a busy machine may refuse
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def write(self, picture: np.ndarray) -> None:
        try:
            left = memoryview(np.ascontiguousarray(picture)).cast("B")
            while left:
                left = left[self._process.stdin.write(left) :]
        except OSError:
            raise self._failure() from None

    def finish(self) -> None:
        self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._failure()

    def stop(self) -> None:
        """Ends ffmpeg where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if not self._process.stdin.closed:
            self._process.stdin.close()
        self._stderr.close()

    def _failure(self) -> RenderError:
        code = self._process.wait()
        self._stderr.seek(0)
        words = self._stderr.read()[-2000:].decode(errors="replace").strip()
        return RenderError(f"encoding the video failed (ffmpeg exit code {code}): {words}")
