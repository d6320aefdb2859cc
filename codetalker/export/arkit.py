"""ARKit weights as the table that Apple's and Epic's Live Link Face app records: a row per frame."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..motion import ARKIT_NAMES, Animation, VertexAnimation
from .fitting import fit_weights
from .take import Take

HEAD_COLUMNS = ["HeadYaw", "HeadPitch", "HeadRoll"]  # radians
EYE_COLUMNS = ["LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"]
ANGLE_COLUMNS = HEAD_COLUMNS + EYE_COLUMNS
# Radians that an eye turns by an eyeLook weight of 1, in recordings of the app: out 0.58, in and down 0.61, up 0.44.
LOOK, LOOK_UP = 0.6, 0.44
MAX_BYTES = 64 * 2**20
RATES = (30, 60, 120)  # frames a second, for tables too short to tell

YAW_RIGHT = np.array([-1.0, 1.0, 1.0], np.float32)  # yaw, pitch, roll: the app's yaw turns the other way

_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;](\d+(?:\.\d+)?)")


def write_arkit_csv(take: Take, path: Path) -> dict[str, float]:
    """The table of `arkit_columns` and `arkit_rows`.

    Weights of moving vertices are fitted; returns how far off they leave the head, of its height.
    """
    animation, deviation = take.animation, {}
    if isinstance(animation, VertexAnimation):
        animation, off = fit_weights(animation, take.head)
        deviation = {"mean_of_height": off}
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(arkit_columns())
        table.writerows(arkit_rows(animation))
    return deviation


def arkit_columns() -> list[str]:
    """Timecode (hours:minutes:seconds:frames), BlendShapeCount, the 52 weights, head and eyes in radians."""
    return ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in ARKIT_NAMES), *ANGLE_COLUMNS]


def arkit_rows(animation: Animation, first: int = 0) -> Iterator[list[str | int]]:
    """A row per frame, the first being frame `first` of its recording.

    Yaw is positive to the head's right, pitch down, as the app records eyes; the eyes follow from the weights.
    """
    rate = max(1, round(animation.fps))
    rows = zip(animation.weights, animation.head_rotation[:, [1, 0, 2]] * YAW_RIGHT, _eyes(animation.weights))
    for index, (weights, rotation, eyes) in enumerate(rows, first):
        seconds, frame = divmod(index, rate)
        timecode = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frame:02}.000"
        values = [f"{value:.10f}" for value in (*weights, *rotation, *eyes)]
        yield [timecode, len(values), *values]


def _eyes(weights: np.ndarray) -> np.ndarray:
    """(T, 52) -> (T, 6) radians: yaw (to the head's right), pitch (down) and roll of the left eye, then of the right"""
    look = {name: weights[:, index] for index, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")}
    angles = []
    for side, left, right in (("Left", "Out", "In"), ("Right", "In", "Out")):
        yaw = LOOK * (look[f"eyeLook{right}{side}"] - look[f"eyeLook{left}{side}"])
        pitch = LOOK * look[f"eyeLookDown{side}"] - LOOK_UP * look[f"eyeLookUp{side}"]
        angles += [yaw, pitch, yaw * pitch]  # the roll as the app's recordings have it, to a few thousandths
    return np.stack(angles, 1)


def read_arkit_csv(path: str | Path) -> Animation:
    """Any order of columns, any spelling of capitals; shapes that lack a column are zero.

    Frames are put on an even grid by their timecodes, so that dropped ones don't shift the rest.
    Raises UserError for anything that is not such a table.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path.name} is larger than {MAX_BYTES // 2**20} MB")
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name} can't be read as an ARKit table: {error}") from error
    columns = {name.strip().lower(): index for index, name in enumerate(rows[0])} if rows else {}
    if "timecode" not in columns or "jawopen" not in columns:
        raise UserError(f"{path.name} is no ARKit table: its first row names no Timecode or no JawOpen")
    if len(rows) < 2:
        raise UserError(f"{path.name} holds no frames")
    wanted = [name.lower() for name in ARKIT_NAMES] + ["headpitch", "headyaw", "headroll"]
    motion = np.zeros((len(rows) - 1, len(wanted)), np.float32)
    timecodes = []
    for number, row in enumerate(rows[1:]):
        try:
            for target, name in enumerate(wanted):
                if name in columns:
                    motion[number, target] = float(row[columns[name]])
            timecodes.append(_TIMECODE.fullmatch(row[columns["timecode"]].strip()).groups())
        except (ValueError, IndexError, AttributeError):
            raise UserError(f"{path.name} is damaged in row {number + 2}") from None
    if not np.isfinite(motion).all():
        raise UserError(f"{path.name} holds numbers that are not finite")
    seconds, fps = _seconds(np.array(timecodes, np.float64))
    if seconds[-1] - seconds[0] > 3600:
        raise UserError(f"{path.name} lasts longer than an hour")
    even = np.arange(round((seconds[-1] - seconds[0]) * fps) + 1) / fps + seconds[0]
    motion = np.stack([np.interp(even, seconds, column) for column in motion.T], 1)
    motion[:, -2] *= YAW_RIGHT[0]
    return Animation.from_motion(motion, fps)


def _seconds(timecodes: np.ndarray) -> tuple[np.ndarray, float]:
    """(T, 4) hours, minutes, seconds, frames -> (T,) seconds, never falling, and the frames a second"""
    whole = timecodes[:, :3] @ [3600.0, 60.0, 1.0]
    counted = int(timecodes[:, 3].max()) + 1
    saw_whole_second = np.ptp(whole) >= 2  # then its last frame tells the rate
    rate = counted if saw_whole_second else next((rate for rate in RATES if rate >= counted), counted)
    return np.maximum.accumulate(whole + timecodes[:, 3] / rate), float(rate)
