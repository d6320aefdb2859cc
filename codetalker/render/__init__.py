"""Heads in motion to pictures and video. Nothing of OpenGL is loaded here: one process of its own draws."""

from __future__ import annotations

from ..surroundings import check_video_background, read_background
from .pictures import render_frames, render_stills
from .process import RenderError, shared_process
from .tracks import Track
from .video import render_video

__all__ = [
    "RenderError",
    "Track",
    "check_gl",
    "check_video_background",
    "give_way",
    "read_background",
    "render_frames",
    "render_stills",
    "render_video",
]


def give_way(nice: int = 5) -> None:
    """Has the renderer leave other processes the first turn, from its next start: a page is quicker beside a video that
    is drawn, and where all cores are busy the video takes a twentieth longer."""
    shared_process().nice = nice


def check_gl() -> str:
    """Starts the renderer and returns its name; raises UserError, with what to install, where it can't run."""
    return shared_process().start()
