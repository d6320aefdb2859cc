"""A head in motion as numbered PNG files, cut out of its background, for compositing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ..errors import UserError
from .take import Take

MOST = 7_200  # files: two minutes at 60 frames a second
COMPRESSION = 3  # of 9: half the time of PIL's default, a tenth more bytes


def write_pictures(take: Take, path: Path) -> dict[str, float]:
    """00000.png, 00001.png, ... in a new folder: RGBA of 8 bits, sRGB, straight alpha, a still camera."""
    from PIL import Image

    from ..render import Track, render_frames

    check_count(len(take.animation))
    path.mkdir()
    frames = render_frames([Track(take.head, take.animation)], take.animation.fps, take.size)
    with closing(frames):
        for index, picture in enumerate(frames):
            Image.fromarray(picture).save(path / f"{index:05}.png", compress_level=COMPRESSION)
            if take.progress:
                take.progress((index + 1) / len(take.animation))
    return {}


def check_count(frames: int) -> None:
    if frames > MOST:
        raise UserError(f"{frames} frames are too many for a file each: {MOST} is the most, cut the speech")
