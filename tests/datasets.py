"""Tiny folders in the layouts that people have, with sounds and motion of chance."""

import pickle
from pathlib import Path

import numpy as np
import soundfile
import yaml

from codetalker.motion import ARKIT_NAMES, MOTION_DIM

VERTICES = 12
MODEL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "n_embed": 8,
    "zquant_dim": 4, "face_quan_num": 4, "feature_dim": 16, "num_layers": 1, "baseline_dim": 8,
}  # fmt: skip
VOCASET_NAMES = [
    f"FaceTalk_{subject}_TA_sentence{number:02}"
    for subject in ("170728_03272", "170904_00128", "170811_03275", "170809_00138")
    for number in (1, 2, 21, 22)
]
BIWI_NAMES = [f"{subject}_e{number}" for subject in ("F2", "M3", "F1") for number in ("01", "33", "37", "38")]


def subject(name: str) -> str:
    return name.rpartition("_")[0]


def template(name: str) -> np.ndarray:
    return np.random.default_rng(sum(map(ord, name))).normal(size=(VERTICES, 3))


def motion(name: str, frames: int) -> np.ndarray:
    """(frames, VERTICES, 3) about the subject's template"""
    rng = np.random.default_rng(sum(map(ord, name)))
    return template(subject(name)) + 0.1 * rng.normal(size=(frames, VERTICES, 3))


def sound(seconds: float, rate: int = 16_000) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * rate)).astype(np.float32)


def describe(folder: Path, **told) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(yaml.safe_dump({"model": MODEL, **told}))
    return folder


def converted(folder: Path, names: list[str], fps: int, frames: int = 24) -> Path:
    """vertices_npy (T, 3 V), wav and templates.pkl"""
    for part in ("vertices_npy", "wav"):
        (folder / part).mkdir(parents=True)
    for name in names:
        np.save(folder / "vertices_npy" / f"{name}.npy", motion(name, frames).reshape(frames, -1).astype(np.float32))
        soundfile.write(folder / "wav" / f"{name}.wav", sound(frames / fps), 16_000)
    (folder / "templates.pkl").write_bytes(pickle.dumps({subject(name): template(subject(name)) for name in names}, 2))
    return folder


def raw_vocaset(folder: Path, names: list[str] = VOCASET_NAMES, frames: int = 48) -> Path:
    """As published, at 60 fps; the rows of a sequence lie backwards, so that only the index tells their order."""
    folder.mkdir(parents=True, exist_ok=True)
    index, audio, blocks = {}, {}, []
    for place, name in enumerate(names):
        who, _, sequence = name.rpartition("_")
        rows = {frame: place * frames + frames - 1 - frame for frame in range(frames)}
        index.setdefault(who, {})[sequence] = rows
        samples = (sound(frames / 60, 22_000) * 32767).astype(np.int16)
        audio.setdefault(who, {})[sequence] = {"audio": samples, "sample_rate": 22_000}
        blocks.append(motion(name, frames)[::-1])
    np.save(folder / "data_verts.npy", np.concatenate(blocks).astype(np.float32))
    (folder / "raw_audio_fixed.pkl").write_bytes(pickle.dumps(audio, 2))
    (folder / "subj_seq_to_idx.pkl").write_bytes(pickle.dumps(index, 2))
    (folder / "templates.pkl").write_bytes(pickle.dumps({who: template(who) for who in index}, 2))
    return folder


def arkit(folder: Path, names: list[str], frames: int = 40) -> Path:
    for part in ("arkit", "wav"):
        (folder / part).mkdir(parents=True)
    for name in names:
        values = np.random.default_rng(sum(map(ord, name))).uniform(0, 0.4, (frames, MOTION_DIM))
        rows = [",".join(["Timecode", *ARKIT_NAMES, "HeadPitch", "HeadYaw", "HeadRoll"])]
        for frame, row in enumerate(values):
            rows.append(",".join([f"00:00:{frame // 30:02}:{frame % 30:02}.000", *(f"{value:.5f}" for value in row)]))
        (folder / "arkit" / f"{name}.csv").write_text("\n".join(rows))
        soundfile.write(folder / "wav" / f"{name}.wav", sound(frames / 30), 16_000)
    return folder
