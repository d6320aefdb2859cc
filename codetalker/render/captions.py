"""Captions under the heads: text drawn once, laid over every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLOUR = (244, 245, 247)
SHADOW = 0.55  # opacity of the soft dark band that keeps light clothes from swallowing the text


@dataclass(frozen=True)
class Captions:
    """Rows `top` and below. text: (h, W, 3) uint16, the text's share times 255; keep: (h, W, 1) uint16, 0 to 255"""

    top: int
    text: np.ndarray
    keep: np.ndarray

    def lay_over(self, picture: np.ndarray) -> None:
        """picture: (H, W, 4) uint8, changed in place"""
        rows = picture[self.top : self.top + len(self.text), :, :3]
        rows[:] = (rows * self.keep + self.text) // 255


def draw_captions(captions: list[str], size: int) -> Captions:
    """One caption for each picture of `size` pixels, centred near its bottom, in a type that fits."""
    height = max(16, round(0.095 * size))
    layer = Image.new("L", (size * len(captions), height), 0)
    draw = ImageDraw.Draw(layer)
    for index, caption in enumerate(captions):
        shown, font = _fitting(caption, 0.9 * size, round(0.046 * size))
        draw.text(((index + 0.5) * size, 0.56 * height), shown, fill=255, font=font, anchor="mm")
    alpha = np.asarray(layer, np.float32)[..., None] / 255.0  # (h, W, 1)
    ramp = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    shade = SHADOW * ramp * ramp * (3.0 - 2.0 * ramp)
    keep = (1.0 - alpha) * (1.0 - shade)
    text = alpha * np.array(COLOUR, np.float32)
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
