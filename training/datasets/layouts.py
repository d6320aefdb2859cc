"""The layouts in which motion lies beside speech: where a clip's frames and its sound are."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soxr

from codetalker.audio import SAMPLE_RATE, load_speech
from codetalker.errors import UserError
from codetalker.export.arkit import read_arkit_csv
from codetalker.published.arrays import FLOATS, WHOLE, Allowed, read_arrays

from .spec import RAW_FILES

LONGEST = 3600.0  # seconds of a clip
RAW = Allowed(FLOATS | WHOLE, numbered=True, largest=4 << 30, steps=50_000_000)  # VOCASET's audio and its index of rows


class Layout(Protocol):
    """names: of the clips, SUBJECT_SEQUENCE; a clip's file is named in errors."""

    names: list[str]

    def file(self, name: str) -> str: ...

    def motion(self, name: str) -> np.ndarray:
        """(T, ...) of whatever numbers lie there, mapped into memory where it is large. Raises UserError."""

    def speech(self, name: str) -> np.ndarray:
        """(N,) float32 at 16 kHz. Raises UserError."""


def split_name(name: str) -> tuple[str, int | None]:
    """ "F2_e01" to its subject and the number of its sentence, None where it ends in no number"""
    subject, _, sequence = name.rpartition("_")
    number = re.search(r"\d+$", sequence)
    return subject, int(number[0]) if number else None


class Folders:
    """`vertices_npy/NAME.npy` beside `wav/NAME.wav`, as VOCASET is converted to and BIWI comes."""

    motion_folder, suffix, beside = "vertices_npy", ".npy", ("templates.pkl",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        missing = [f"the folder {name}" for name in (self.motion_folder, "wav") if not (folder / name).is_dir()]
        missing += [name for name in self.beside if not (folder / name).is_file()]
        if missing:
            raise UserError(f"{folder} lacks {', '.join(missing)}")
        files = (folder / self.motion_folder).glob(f"[!.]*{self.suffix}")  # not what macOS leaves beside them
        self.names = sorted(path.stem for path in files)

    @cached_property
    def sounds(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted((self.folder / "wav").iterdir()) if not path.name.startswith(".")}

    def file(self, name: str) -> str:
        return f"{self.motion_folder}/{name}{self.suffix}"

    def motion(self, name: str) -> np.ndarray:
        path = self.folder / self.file(name)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError("is no array of numbers (.npy), or is cut short") from error

    def speech(self, name: str) -> np.ndarray:
        if name not in self.sounds:
            raise UserError(f"has no wav/{name}.wav")
        return load_speech(self.sounds[name], LONGEST)


class ArkitTables(Folders):
    """`arkit/NAME.csv`, as Live Link Face writes it, beside `wav/NAME.wav`."""

    motion_folder, suffix, beside = "arkit", ".csv", ()

    def motion(self, name: str) -> np.ndarray:
        return self.animation(name)[0]

    def animation(self, name: str) -> tuple[np.ndarray, float]:
        """(T, 55) and its frames a second"""
        animation = read_arkit_csv(self.folder / self.file(name))
        return np.concatenate([animation.weights, animation.head_rotation], 1), animation.fps


class RawVocaset:
    """VOCASET as it is published: one array of all frames, and pickles that say which rows and what sound are whose."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in RAW_FILES if not (folder / name).exists()]
        if missing:
            raise UserError(f"{folder} lacks {', '.join(missing)} of VOCASET's raw files")
        try:
            self.frames = np.load(folder / RAW_FILES[0], mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{folder / RAW_FILES[0]} is no array: {' '.join(str(error).split())[:120]}") from error
        self.audio = read_arrays(folder / RAW_FILES[1], RAW)
        index = read_arrays(folder / RAW_FILES[2], RAW)
        wrong = [subject for subject, sequences in index.items() if not isinstance(sequences, dict)]
        if wrong or self.frames.ndim != 3:
            raise UserError(f"{folder / RAW_FILES[2]} must hold sequences by subject, {RAW_FILES[0]} (frames, V, 3)")
        self.rows = {f"{one}_{sequence}": rows for one, its in index.items() for sequence, rows in its.items()}
        self.names = sorted(self.rows)

    def file(self, name: str) -> str:
        subject, _, sequence = name.rpartition("_")
        return f"{subject}/{sequence}"

    def motion(self, name: str) -> np.ndarray:
        rows = self.rows[name]
        try:
            rows = np.array([rows[frame] for frame in sorted(rows, key=int)], np.int64)
        except (TypeError, ValueError) as error:
            raise UserError(f"has no rows by frame in {RAW_FILES[2]}") from error
        if not len(rows) or rows.min() < 0 or rows.max() >= len(self.frames):
            reach = f"{rows.min()} to {rows.max()}" if len(rows) else "none"
            raise UserError(f"has the rows {reach}, but {RAW_FILES[0]} has {len(self.frames)}")
        if rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            return self.frames[rows[0] : rows[-1] + 1]  # still mapped
        return self.frames[rows]

    def speech(self, name: str) -> np.ndarray:
        subject, _, sequence = name.rpartition("_")
        try:
            told: Any = self.audio[subject][sequence]
            samples, rate = np.asarray(told["audio"]).squeeze(), int(np.asarray(told["sample_rate"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"has no sound in {RAW_FILES[1]}") from error
        if samples.ndim != 1 or not len(samples) or not 8_000 <= rate <= 192_000:
            raise UserError(f"has sound of the shape {samples.shape} at {rate} Hz in {RAW_FILES[1]}")
        scale = np.iinfo(samples.dtype).max + 1 if samples.dtype.kind == "i" else 1
        return soxr.resample(samples.astype(np.float32) / scale, rate, SAMPLE_RATE)


def open_layout(folder: Path) -> Layout:
    """The layout that the folder's files show."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    if (folder / RAW_FILES[0]).exists():
        return RawVocaset(folder)
    if (folder / "arkit").is_dir() and not (folder / "vertices_npy").is_dir():
        return ArkitTables(folder)
    return Folders(folder)
