"""What a job tells on its way: how far it is, what can be seen already, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .evidence import Evidence
from .takes import Take

# What each stage is called on the page, and its share of the whole as measured on two cores.
STAGES = {
    "load": ("Getting ready", 0.02),
    "speech": ("Listening", 0.08),
    "talker": ("CodeTalker is choosing its moves", 0.20),
    "baseline": ("FaceFormer is moving", 0.10),
    "render": ("Drawing the heads", 0.60),
}


@dataclass(frozen=True)
class Step:
    """How far the job is: what it does now, and the whole's fraction in [0, 1].

    stage: of STAGES, ahead: how many jobs come before; one of them tells the same as the words
    """

    words: str
    fraction: float
    stage: str = ""
    ahead: int = 0


@dataclass(frozen=True)
class Seen(Step):
    """The motion is known, and can be looked at before it is drawn: by the take, where it moves shapes."""

    take: Take | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Result:
    """The finished files."""

    video: Path
    downloads: dict[str, Path]  # by kind: mp4, npz, csv, glb
    report: dict  # as pipeline.animate gives it, and `waited`, seconds in the line
    imported: bool = False  # the authors' weights, not ours
    lost_gpu: bool = False  # made on the CPU, since the GPU failed


class Stopped(Exception):
    """The visitor pressed cancel, or left."""


def waiting(ahead: int) -> Step:
    """ahead: the jobs that come before, at least 1"""
    words = "You are next in line" if ahead == 1 else f"In line: {ahead} jobs are before yours"
    return Step(words, 0.0, ahead=ahead)


def overall(stage: str, fraction: float) -> Step:
    """A stage's own fraction as one of the whole job."""
    before = 0.0
    for name, (words, share) in STAGES.items():
        if name == stage:
            return Step(words, min(1.0, before + share * fraction), name)
        before += share
    raise KeyError(stage)
