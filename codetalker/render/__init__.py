"""Heads in motion to pictures and video. Nothing of OpenGL is loaded here: one process of its own draws."""

from __future__ import annotations

from .process import RenderError, shared_process
from .video import Track, render_stills, render_video

__all__ = ["RenderError", "Track", "check_gl", "render_stills", "render_video"]


def check_gl() -> str:
    """Starts the renderer and returns its name; raises UserError, with what to install, where it can't run."""
    return shared_process().start()
