"""What of the main job works on this machine, and what to do about the rest."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .casting import head_for_bundle, open_head
from .errors import UserError
from .pipeline import open_bundle


@dataclass(frozen=True)
class Finding:
    name: str
    works: bool
    needed: bool  # without it the main job can't run
    words: str  # what was found, or what to do


def examine(weights: str | Path) -> list[Finding]:
    """Tries each part for real: decodes, loads, draws one small picture."""
    return [
        _try("ffmpeg", True, _ffmpeg),
        _try("head", True, _head),
        _try("EGL", True, _egl),
        _try("weights", True, lambda: weights_in(weights)),
        _try("GPU", False, _gpu),
    ]


def _try(name: str, needed: bool, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, needed, attempt())
    except UserError as error:
        return Finding(name, False, needed, str(error))
    except Exception as error:  # a doctor tells what is broken instead of breaking
        return Finding(name, False, needed, f"{type(error).__name__}: {error}".splitlines()[0])


def _ffmpeg() -> str:
    path = shutil.which("ffmpeg")
    if path is None:
        raise UserError("not found: apt-get install ffmpeg")
    version = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20).stdout.splitlines()[0]
    encoders = subprocess.run([path, "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=20).stdout
    missing = [name for name in ("libx264", "aac") if f" {name} " not in encoders]
    if missing:
        raise UserError(f"{path} was built without {', '.join(missing)}: apt-get install ffmpeg")
    return " ".join(version.split()[:3])


def _head() -> str:
    head = open_head(None)
    return f"{head.name}, {52 - len(head.missing)} of 52 ARKit shapes"


def _egl() -> str:
    import numpy as np

    from .render import check_gl, render_stills

    renderer = check_gl()
    picture = render_stills(open_head(None), np.zeros((1, 52), np.float32), size=128)[0]
    if picture.std() < 1.0:
        raise UserError("draws an empty picture: apt-get install libegl1 libgl1 libgl1-mesa-dri")
    return f"draws the head offscreen, {renderer}"


def weights_in(weights: str | Path) -> str:
    bundle = open_bundle(weights)
    told = [bundle.name, f"{len(bundle.styles)} styles"]
    if bundle.space == "vertices":
        head = head_for_bundle(None, bundle)
        told.append(f"imported, heads of {len(head.vertices)} vertices: {len(bundle.templates)}")
    if bundle.talker is None:
        told.append("FaceFormer alone")
    elif not bundle.has_baseline:
        told.append("no baseline")
    return ", ".join(told)


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        raise UserError("none: everything runs on the CPU")
    return torch.cuda.get_device_name()
