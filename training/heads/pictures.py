"""Pictures of the open heads for assets/heads/README.md: at rest, in eight poses of speech, in profile, and in clay."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codetalker.head import Head, load_head
from codetalker.motion import ARKIT_NAMES
from codetalker.render import render_stills

WIDTH = 1080  # pixels of a head's sheet
CLAY_SIZE = 240  # pixels of a picture in clay
CLAY = (0.46, 0.42, 0.385, 1.0)  # linear
WORN = r"hair|brow|lash|marks|cap|cloth"  # what clay is seen without
QUALITY = 88


def _both(name: str, weight: float) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


POSES = {
    "ah": {"jawOpen": 0.72} | _both("mouthLowerDown", 0.2),
    "ee": {"jawOpen": 0.18} | _both("mouthSmile", 0.55) | _both("mouthStretch", 0.3) | _both("mouthUpperUp", 0.25)
    | _both("mouthLowerDown", 0.35),
    "oo": {"jawOpen": 0.22, "mouthPucker": 0.85, "mouthFunnel": 0.25},
    "oh": {"jawOpen": 0.45, "mouthFunnel": 0.7, "mouthPucker": 0.2},
    "m b p": {"jawOpen": 0.25, "mouthClose": 0.25, "mouthRollUpper": 0.2, "mouthRollLower": 0.2}
    | _both("mouthPress", 0.4),
    "f v": {"jawOpen": 0.12, "mouthRollLower": 0.55} | _both("mouthUpperUp", 0.4),
    "t d n l": {"jawOpen": 0.28} | _both("mouthLowerDown", 0.3) | _both("mouthUpperUp", 0.25),
    "th": {"jawOpen": 0.22, "tongueOut": 0.3} | _both("mouthLowerDown", 0.3) | _both("mouthUpperUp", 0.25),
}  # fmt: skip


def draw_pictures(folder: Path, names: list[str]) -> None:
    """NAME.jpg of each head beside its file, and clay.jpg of all."""
    heads = [load_head(folder / f"{name}.glb") for name in names]
    for head in heads:
        _save(_portraits(head), folder / f"{head.name}.jpg")
    rows = [np.hstack([_still(_bare(head), CLAY_SIZE, yaw) for yaw in (0, 40, 90)]) for head in heads]
    rows += [np.zeros_like(rows[0])] * (len(rows) % 2)
    _save(np.vstack([np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)]), folder / "clay.jpg")


def _portraits(head: Head) -> np.ndarray:
    """Front, three quarters and profile over the eight poses."""
    top = np.hstack([_still(head, WIDTH // 3, yaw) for yaw in (0, 38, 90)])
    poses = [_labelled(_still(head, WIDTH // 4, 12, weights), name) for name, weights in POSES.items()]
    return np.vstack([top, np.hstack(poses[:4]), np.hstack(poses[4:])])


def _still(head: Head, size: int, yaw: float, weights: dict[str, float] | None = None) -> np.ndarray:
    """yaw: degrees to the head's left -> (size, size, 3) uint8"""
    row = np.array([[(weights or {}).get(name, 0.0) for name in ARKIT_NAMES]], np.float32)
    return render_stills(head, row, size, np.radians(yaw))[0]


def _bare(head: Head) -> Head:
    """The head of one matte colour, without hair and clothes."""
    kept = [part for part in head.parts if not re.search(WORN, part.name)]
    rows = np.concatenate([np.arange(part.vertices.start, part.vertices.stop) for part in kept])
    faces = np.concatenate([head.faces[part.faces] for part in kept])
    starts = [0, *accumulate(part.vertices.stop - part.vertices.start for part in kept)]
    face_starts = [0, *accumulate(part.faces.stop - part.faces.start for part in kept)]
    parts = [
        replace(part, vertices=slice(*starts[i : i + 2]), faces=slice(*face_starts[i : i + 2]))
        for i, part in enumerate(kept)
    ]
    return replace(
        head,
        vertices=head.vertices[rows],
        faces=np.searchsorted(rows, faces).astype(np.int32),
        parts=parts,
        shapes=head.shapes[:, rows],
        colours=np.tile(np.float32(CLAY), (len(rows), 1)),
        texcoords=head.texcoords[rows],
        regions={},
        neck=replace(head.neck, share=head.neck.share[rows]),
    )


def _labelled(picture: np.ndarray, words: str) -> np.ndarray:
    image = Image.fromarray(picture)
    font = ImageFont.load_default(size=15)
    ImageDraw.Draw(image).text((8, picture.shape[0] - 24), words, (225, 228, 232), font)
    return np.array(image)


def _save(picture: np.ndarray, path: Path) -> None:
    Image.fromarray(picture).save(path, quality=QUALITY, optimize=True)
    print(f"{path}: {picture.shape[1]} x {picture.shape[0]}, {path.stat().st_size / 1e3:.0f} kB")
