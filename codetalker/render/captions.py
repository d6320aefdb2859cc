"""Captions under the heads: text drawn once, laid over every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..surroundings import Colour

LIGHT, DARK = (244, 245, 247), (32, 35, 40)
BAND = 0.55  # opacity of the soft band that keeps clothes from swallowing the text


@dataclass(frozen=True)
class Captions:
    """Rows `top` and below. keep: (h, W, 1) uint16, 0 to 255, the share of what is there; text: (h, W, 3) uint16, what
    is added, times 255
    """

    top: int
    text: np.ndarray
    keep: np.ndarray

    def lay_over(self, picture: np.ndarray) -> None:
        """picture: (H, W, 4) uint8, changed in place"""
        rows = picture[self.top : self.top + len(self.text), :, :3]
        rows[:] = (rows * self.keep + self.text) // 255


def draw_captions(captions: list[str], size: int, background: Colour | None = None) -> Captions:
    """One caption for each picture of `size` pixels, centred near its bottom, in a type that fits.

    They stand on a band of the background's colour, dark in front of the glow.
    """
    band = 255.0 * np.array((background or (0.0, 0.0, 0.0))[:3], np.float32)
    colour = np.array(DARK if band @ (0.30, 0.59, 0.11) > 140.0 else LIGHT, np.float32)
    height = max(16, round(0.095 * size))
    layer = Image.new("L", (size * len(captions), height), 0)
    draw = ImageDraw.Draw(layer)
    for index, caption in enumerate(captions):
        shown, font = _fitting(caption, 0.9 * size, round(0.046 * size))
        draw.text(((index + 0.5) * size, 0.56 * height), shown, fill=255, font=font, anchor="mm")
    alpha = np.asarray(layer, np.float32)[..., None] / 255.0  # (h, W, 1)
    ramp = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    shade = BAND * ramp * ramp * (3.0 - 2.0 * ramp)
    keep = (1.0 - alpha) * (1.0 - shade)
    text = alpha * colour + (1.0 - alpha) * shade * band
    return Captions(size - height, np.round(text * 255.0).astype(np.uint16), np.round(keep * 255.0).astype(np.uint16))


def _fitting(caption: str, width: float, size: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """Pillow's own typeface, at `size` or as small as two thirds of it; what is longer yet loses its end."""
    font = ImageFont.load_default(max(8, size))
    length = font.getlength(caption)
    if length > width:
        font = ImageFont.load_default(max(8, size * max(width / length, 2 / 3)))
    if font.getlength(caption) <= width:
        return caption, font
    while caption and font.getlength(caption + "...") > width:
        caption = caption[:-1]
    return caption + "...", font
