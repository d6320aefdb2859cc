"""Vertex models on the data sets that people have, by the published protocols and masks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from tqdm import tqdm

from codetalker.bundle import Bundle
from codetalker.errors import UserError
from codetalker.metrics import Tally
from codetalker.published.arrays import WHOLE, Allowed, read_arrays

from .datasets import FaceData, Split

UPPER_REGIONS = ("forehead", "eye_region")  # of FLAME_masks.pkl
MASK_BYTES = 4 << 20  # the published ones have 50 kB


def read_mask(path: Path, regions: tuple[str, ...], vertices: int) -> np.ndarray:
    """Vertex indices: numbers in a text, as BIWI's lve.txt and fdd.txt, or regions of a FLAME_masks.pkl together."""
    if path.suffix == ".pkl":
        content = read_arrays(path, Allowed(WHOLE, largest=MASK_BYTES))
        if missing := [region for region in regions if not isinstance(content.get(region), np.ndarray)]:
            raise UserError(f"{path} has no {', '.join(missing)}: it has {', '.join(map(str, content))[:200]}")
        indices = np.concatenate([np.asarray(content[region], np.int64).ravel() for region in regions])
    else:
        try:
            text = path.read_text(encoding="utf-8") if path.stat().st_size <= MASK_BYTES else "too large"
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"can't read the mask {path}: {error}") from error
        if not re.fullmatch(r"[\d,\s\[\]]+", text):
            raise UserError(f"{path} is no mask: vertex numbers with commas between are wanted")
        indices = np.array(re.findall(r"\d+", text), np.int64)
    indices = np.unique(indices)
    if not len(indices) or indices[-1] >= vertices:
        reach = f"vertices up to {indices[-1]}" if len(indices) else "no vertices"
        raise UserError(f"{path} names {reach}, but the data have {vertices}: is it the mask of another data set?")
    return indices


def official_split(data: FaceData, name: str) -> str:
    """ "test" is BIWI's Test-A as well."""
    known = list(data.spec.splits) or ["train", "validation", "test"]
    chosen = "test-a" if name == "test" and "test-a" in known else name
    if chosen not in known:
        raise UserError(f"{data.spec.name} has no split {name}: it has {', '.join(known)}")
    if not data.split(chosen):
        raise UserError(f"{data.folder} holds no sequence of the split {chosen}")
    return chosen


def on_data(
    bundle: Bundle, model: str, data: FaceData, split: str, lips: np.ndarray, upper_face: np.ndarray
) -> dict[str, float]:
    """Figures of a split in the data's unit: subjects that have a style under it, others under every style."""
    if bundle.space != "vertices" or bundle.fps != data.spec.fps:
        told = f"moves {bundle.space} at {bundle.fps:g} fps"
        raise UserError(f"the bundle {bundle.name} {told}, but {data.spec.name} has vertices at {data.spec.fps}")
    every = data.spec.splits.get(split, Split(())).all_styles
    tally = Tally(lips, upper_face)
    for clip in tqdm(data.split(split), f"{split}, {model}", leave=False):
        template = data.template(clip)
        truth = data.motion(clip).reshape(-1, *template.shape) + template
        own = not every and clip.subject in bundle.styles
        styles = [clip.subject] if own else bundle.styles
        heard = bundle.encode(data.speech(clip), model)
        for made in bundle.generate_styles(heard, styles, model, template=template):
            tally.add(truth, np.asarray(made.vertices), template)
    return tally.figures("unit")
