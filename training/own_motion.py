"""One's own ARKit motion as the open models learn from it: features and motion of each clip, its subject the style."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from codetalker.speech_encoder import MelEncoder

from .corpus.augment import augment_speech
from .datasets import FaceData
from .motion_set import FPS, STYLES_FILE, Clip, resample

VARIANTS = 4  # hearings of a training clip, the first one clean


def prepare_own(data: FaceData, encoder: MelEncoder, out: Path, seed: int = 0) -> None:
    """Writes what `motion_set.prepare` writes of the corpus, and the styles. data: in `arkit` space."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    clips, features, motions, start = [], [], [], 0
    for clip in tqdm(data.clips, "motion", dynamic_ncols=True):
        if clip.split:
            for heard, motion in _hearings(data, clip, encoder.cpu().eval(), rng):
                clips.append(Clip(clip.name, clip.subject, clip.split, start, len(motion)))
                features.append(heard.astype(np.float16))
                motions.append(motion.astype(np.float16))
                start += len(motion)
    np.save(out / "features.npy", np.concatenate(features))
    np.save(out / "motion.npy", np.concatenate(motions))
    (out / STYLES_FILE).write_text(json.dumps(data.styles), encoding="utf-8")
    with open(out / "clips.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(clip)) + "\n" for clip in clips)


def _hearings(
    data: FaceData, clip: Clip, encoder: MelEncoder, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features (T, D) and motion (T, 55), clean, and augmented where the clip is trained on."""
    speech, (motion, fps) = data.speech(clip), data.layout.animation(clip.name)
    motion = resample(motion, round(len(motion) / fps * FPS))
    for variant in range(VARIANTS if clip.split == "train" else 1):
        sound, moved = speech, motion
        if variant:
            sound, factor = augment_speech(speech, rng, lambda samples: _babble(data, rng, samples))
            moved = resample(motion, round(len(motion) * factor))
        with torch.inference_mode():
            features = encoder(torch.from_numpy(sound)[None])[0].numpy()
        frames = min(len(features), len(moved))
        yield features[:frames], moved[:frames]


def _babble(data: FaceData, rng: np.random.Generator, samples: int) -> np.ndarray:
    """(samples,) of some other clips at once"""
    clips = data.split("train")
    return sum(np.resize(data.speech(clips[pick]), samples) for pick in rng.integers(len(clips), size=3))
