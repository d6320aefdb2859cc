"""What is wrong with a folder of data, all of it at once, before any training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codetalker.audio import SAMPLE_RATE
from codetalker.errors import UserError

from .data import FaceData
from .layouts import ArkitTables, split_name

SHORT = 0.1  # seconds that a sound may end before its motion: what cutting by hand leaves
TOGETHER = 64  # frames looked at


@dataclass(frozen=True)
class Report:
    """problems: (file, what is wrong), none where the folder can be trained on; notes: what one should know"""

    folder: Path
    problems: list[tuple[str, str]]
    notes: list[str]

    def lines(self) -> list[str]:
        return [f"{file}: {what}" for file, what in self.problems]


def check(folder: str | Path, data: FaceData | None = None) -> Report:
    """Reads every frame and every sound once. data: the folder, opened already."""
    folder = Path(folder)
    try:
        data = data or FaceData(folder)
    except UserError as error:
        return Report(folder, [(folder.name, str(error))], [])
    problems = list(_templates(data))
    for name in data.layout.names:
        problems += [(data.layout.file(name), what) for what in _clip(data, name)]
    if not data.layout.names:
        problems.append((folder.name, "holds no sequences"))
    elif not data.split("train"):
        problems.append((folder.name, "holds no sequence to train on: name the subjects and sentences in data.yaml"))
    return Report(folder, problems, list(_notes(data)))


def open_data(folder: str | Path) -> FaceData:
    """The folder, checked. Raises UserError that lists all that is wrong with it."""
    data = FaceData(folder)
    report = check(folder, data)
    if report.problems:
        count = len(report.problems)
        listed = "\n".join(f"  {line}" for line in report.lines())
        raise UserError(f"{folder} can't be used, {count} problem{'s' * (count > 1)}:\n{listed}")
    return data


def _templates(data: FaceData) -> Iterator[tuple[str, str]]:
    subjects = {split_name(name)[0] for name in data.layout.names}
    for subject, array in data.given.items():
        name = f"templates.pkl, {subject}"
        if subject not in subjects:
            yield name, "is a template without its subject: no sequence is of it"
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            yield name, "is no array of numbers"
        elif array.size != 3 * data.vertices or array.shape not in _template_shapes(data.vertices):
            yield name, f"has the shape {array.shape} instead of {(data.vertices, 3)}"
        elif not np.isfinite(array).all():
            yield name, "has values that are no numbers"


def _template_shapes(vertices: int) -> tuple[tuple[int, ...], ...]:
    return (vertices, 3), (3 * vertices,), (1, 3 * vertices)


def _clip(data: FaceData, name: str) -> Iterator[str]:
    subject, _ = split_name(name)
    if not subject:
        yield "is not named SUBJECT_SEQUENCE"
    elif set(subject) & set(",: "):
        yield f"is of the subject {subject!r}, but commas, colons and spaces part styles"
    if data.space == "vertices" and subject and subject not in data.given:
        yield f"is of the subject {subject}, which has no template in templates.pkl"
    seconds = None
    try:
        yield from _wrong_motion(data, name)
        if isinstance(data.layout, ArkitTables):
            motion, fps = data.layout.animation(name)
            seconds = len(motion) / fps
        else:
            motion = data.layout.motion(name)
            seconds = len(motion) / data.spec.stored_fps if motion.ndim else None
    except UserError as error:
        yield str(error)
    try:
        heard = len(data.layout.speech(name)) / SAMPLE_RATE
        if seconds is not None and heard < seconds - SHORT:
            yield f"lasts {seconds:.2f} s, but its sound only {heard:.2f} s"
    except UserError as error:
        yield str(error)


def _wrong_motion(data: FaceData, name: str) -> Iterator[str]:
    motion = data.layout.motion(name)
    if motion.dtype.kind != "f":
        yield f"holds {motion.dtype}, not floats"
        return
    if data.space == "vertices" and not _fits(motion.shape, data.vertices):
        wanted = f"(frames, {3 * data.vertices}) or (frames, {data.vertices}, 3)"
        yield f"has the shape {motion.shape}, but {data.vertices} vertices as the templates' are {wanted}"
        return
    wrong = []
    for first in range(0, len(motion), TOGETHER):
        block = motion[first : first + TOGETHER].reshape(len(motion[first : first + TOGETHER]), -1)
        wrong += (first + np.flatnonzero(~np.isfinite(block).all(1))).tolist()
    if wrong:
        told = ", ".join(map(str, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
        yield f"has NaN or endless values in {len(wrong)} of {len(motion)} frames ({told})"


def _fits(shape: tuple[int, ...], vertices: int) -> bool:
    """(T, 3 V) or (T, V, 3), with frames"""
    return shape[0] > 0 and shape[1:] in ((3 * vertices,), (vertices, 3)) if shape else False


def _notes(data: FaceData) -> Iterator[str]:
    spec = data.spec
    what = f"{data.vertices} vertices" if data.space == "vertices" else "ARKit weights"
    rate = f"{spec.fps} fps" + (f" of {spec.stored_fps} stored" if spec.stored_fps != spec.fps else "")
    yield f"{spec.name}: {what}, {rate}, {len(data.styles)} styles"
    splits = list(spec.splits) or ["train", "validation", "test"]
    yield "sequences: " + ", ".join(f"{name} {len(data.split(name))}" for name in splits)
    for name in splits:
        absent = [one for one in getattr(spec.splits.get(name), "subjects", ()) if not _has(data, name, one)]
        if absent:
            yield f"{name} lacks {', '.join(absent)}"
    unused = sorted(set(getattr(data.layout, "sounds", ())) - set(data.layout.names))
    if unused:
        told = ", ".join(unused[:5]) + (", ..." if len(unused) > 5 else "")
        yield f"{len(unused)} sounds have no motion and stay unused: {told}"
    if left := len(data.split("")):
        yield f"{left} sequences are in no split"


def _has(data: FaceData, split: str, subject: str) -> bool:
    return any(clip.subject == subject for clip in data.split(split))
