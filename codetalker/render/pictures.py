"""Heads to pictures, without a video around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..head import Head
from ..surroundings import TRANSPARENT, camera_yaws, read_background
from .figure import figure_of
from .process import shared_process
from .tracks import Track, motion


def render_frames(
    tracks: list[Track], fps: float, size: int = 512, background: str | None = TRANSPARENT, drift: bool = False
) -> Iterator[np.ndarray]:
    """The tracks side by side, without captions, as long as the longest of them.

    background: 'transparent', '#rrggbb', or None for the glow of the videos; drift: the camera sways slowly.
    Yields (size, size * tracks, 4) uint8 sRGB with straight alpha, the caller's until the next one; close it to stop.
    Raises as render_video does.
    """
    shared_process().start_early()
    frames = max(len(track.animation) for track in tracks)
    figures = [figure_of(track.head) for track in tracks]
    colour, yaws = read_background(background), camera_yaws(fps, drift)
    pictures = shared_process().frames(figures, size, motion(tracks, frames), colour, yaws)
    try:
        for picture in pictures:
            if background == TRANSPARENT:
                straighten(picture)
            yield picture
    finally:
        pictures.close()


def straighten(picture: np.ndarray) -> None:
    """(H, W, 4) uint8, changed in place: the colours of its edges, weighted by their alpha when drawn, as they are."""
    edge = (picture[..., 3] > 0) & (picture[..., 3] < 255)
    pixels = picture[edge].astype(np.uint16)  # (N, 4)
    alpha = pixels[:, 3:]
    picture[edge, :3] = np.minimum((pixels[:, :3] * 255 + alpha // 2) // alpha, 255)


def render_stills(
    head: Head, weights: np.ndarray, size: int = 512, yaw: float = 0.0, rotation: np.ndarray | None = None
) -> np.ndarray:
    """weights: (B, 52), yaw: of the camera, radians to the head's left, rotation: (B, 3) of the head
    -> (B, size, size, 3) uint8
    """
    figure = figure_of(head)
    figure = replace(figure, camera=replace(figure.camera, yaw=yaw))
    vertices = head.deform(weights, rotation)
    pictures = shared_process().frames([figure], size, ([one] for one in vertices))
    return np.stack([picture[..., :3].copy() for picture in pictures])
