"""Which style, or mixture of styles, a user means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .errors import UserError


def parse_style(text: str) -> dict[str, float]:
    """ "calm" or "calm:0.7,lively:0.3" to {name: share}; shares as written, 1 where none is."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, colon, number = (word.strip() for word in part.strip().partition(":"))
        try:
            share = float(number) if colon else 1.0
        except ValueError:
            raise UserError(f"the style {part.strip()!r} needs a number after the colon, as in calm:0.7") from None
        if not name or name in shares:
            raise UserError(f"the style {text!r} must name each style once, as in calm:0.7,lively:0.3")
        shares[name] = share
    return shares


def style_weights(style: int | str | Mapping[int | str, float] | None, styles: Sequence[str]) -> Tensor:
    """(1, styles) float32 that sum to one. style: a name, an index, a mixture of either, as text too; None: the first.

    Raises UserError, listing what there is, for an unknown style, and for shares that are no proportions.
    """
    if style is None:
        style = 0
    if isinstance(style, str):
        style = parse_style(style)
    shares = style if isinstance(style, Mapping) else {style: 1.0}
    weights = torch.zeros(1, len(styles))
    for name, share in shares.items():
        if isinstance(name, str) and name not in styles:
            raise UserError(f"there is no style {name!r}: there is {', '.join(styles)}")
        if not isinstance(name, str) and not 0 <= name < len(styles):
            raise UserError(f"there is no style {name}: they are numbered 0 to {len(styles) - 1}, {', '.join(styles)}")
        if not (math.isfinite(share) and share >= 0):
            raise UserError(f"the share of a style must be a number from 0 up, not {share}")
        weights[0, styles.index(name) if isinstance(name, str) else name] += share
    if not weights.sum() > 0:
        raise UserError("the shares of the styles must not all be zero")
    return weights / weights.sum()
