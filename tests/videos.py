"""A small motion, and what comes of it: as frames, and as a player would have them from a video."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from codetalker.motion import ARKIT_NAMES, Animation
from codetalker.render import Track, render_frames

JAW = ARKIT_NAMES.index("jawOpen")
FPS = 30.0
SIZE = 128


def motion(frames: int, jaw_from: int | None = None) -> Animation:
    weights = np.zeros((frames, 52), np.float32)
    if jaw_from is not None:
        weights[jaw_from:, JAW] = 1.0
    return Animation(weights, np.zeros((frames, 3), np.float32), FPS)


def frames_of(head, motion_, **options) -> list[np.ndarray]:
    return [picture.copy() for picture in render_frames([Track(head, motion_)], FPS, SIZE, **options)]


def decode(path: Path, width: int) -> tuple[np.ndarray, np.ndarray]:
    """-> pictures (T, SIZE, width, 3) uint8 and sound (N,) float32 at 16 kHz"""
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    raw = [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    picture = subprocess.run(raw, capture_output=True, check=True).stdout
    raw = [*command, "-f", "f32le", "-ar", "16000", "-ac", "1", "-"]
    sound = subprocess.run(raw, capture_output=True, check=True).stdout
    return np.frombuffer(picture, np.uint8).reshape(-1, SIZE, width, 3), np.frombuffer(sound, np.float32)
