"""What a data set is: frames a second, splits, and the sizes of the models that are published for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from codetalker.autoencoder import AutoencoderSpec
from codetalker.errors import UserError
from codetalker.predictor import PredictorSpec
from codetalker.published.config import DATA_SETS, Config, DataSet
from codetalker.talker import TalkerSpec
from codetalker.wav2vec import FEATURE_RATE

DESCRIPTION = "data.yaml"
SIZES = {  # of the published stage1.yaml and stage2.yaml of VOCASET, by their names
    "hidden_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 8, "intermediate_size": 1536, "neg": 0.2,
    "n_embed": 256, "zquant_dim": 64, "face_quan_num": 16, "feature_dim": 1024, "num_layers": 6,
    "baseline_dim": 64,  # FaceFormer's feature_dim
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Which clips: of these subjects, those sentences (first and last; None: all, or a share of an own set's).

    all_styles: judged under every style, as subjects are that no style belongs to.
    """

    subjects: tuple[str, ...]
    sentences: tuple[int, int] | None = None
    all_styles: bool = False


@dataclass(frozen=True)
class DataSpec:
    """form: how the published models of the set are built; stored_fps: of the files, every k-th frame is taken;
    splits: none for an own set, whose clips are then shared out in `FaceData`.
    """

    form: DataSet
    stored_fps: int
    splits: dict[str, Split] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    def __post_init__(self) -> None:
        if self.fps <= 0 or self.stored_fps % self.fps:
            raise UserError(f"stored_fps {self.stored_fps} must be a whole multiple of fps {self.fps}, as 60 is of 30")
        if not self.form.resample_fps and self.fps * self.form.speech_per_frame != FEATURE_RATE:
            raise UserError(f"BIWI's form has 25 fps, not {self.fps}: take that of vocaset, which may have any")

    @property
    def name(self) -> str:
        return self.form.name

    @property
    def fps(self) -> int:
        return self.form.fps

    def autoencoder(self, vertices: int) -> AutoencoderSpec:
        return self._config(vertices, []).autoencoder_spec()

    def talker(self, vertices: int, speech_dim: int, styles: list[str]) -> TalkerSpec:
        config = self._config(vertices, styles)
        return TalkerSpec(config.predictor_spec(speech_dim), config.autoencoder_spec(), code_loss="feature")

    def faceformer(self, vertices: int, speech_dim: int, styles: list[str]) -> PredictorSpec:
        predictor = self._config(vertices, styles).predictor_spec(speech_dim)
        return replace(predictor, width=self.sizes["baseline_dim"], layers=1)

    def _config(self, vertices: int, styles: list[str]) -> Config:
        values = self.sizes | {"vertice_dim": 3 * vertices, "period": self.fps}
        return Config(Path(DESCRIPTION), self.form, values, styles)


def _subjects(*numbers: str) -> tuple[str, ...]:
    return tuple(f"FaceTalk_{number}_TA" for number in numbers)


VOCASET = DataSpec(
    DATA_SETS["vocaset"],
    stored_fps=30,
    splits={
        "train": Split(
            _subjects(
                *("170728_03272", "170904_00128", "170725_00137", "170915_00223"),
                *("170811_03274", "170913_03279", "170904_03276", "170912_03278"),
            ),
            (1, 40),
        ),
        "validation": Split(_subjects("170811_03275", "170908_03277"), (21, 40), all_styles=True),
        "test": Split(_subjects("170809_00138", "170731_00024"), (21, 40), all_styles=True),
    },
)
_SEEN = ("F2", "F3", "F4", "M3", "M4", "M5")
BIWI = DataSpec(
    DATA_SETS["biwi"],
    stored_fps=25,
    splits={
        "train": Split(_SEEN, (1, 32)),
        "validation": Split(_SEEN, (33, 36)),
        "test-a": Split(_SEEN, (37, 40)),
        "test-b": Split(("F1", "F5", "F6", "F7", "F8", "M1", "M2", "M6"), (37, 40), all_styles=True),
    },
    sizes=SIZES | {"zquant_dim": 128, "face_quan_num": 8, "num_layers": 12, "baseline_dim": 128},
)
KNOWN = {"vocaset": VOCASET, "biwi": BIWI}
RAW_FILES = ("data_verts.npy", "raw_audio_fixed.pkl", "subj_seq_to_idx.pkl", "templates.pkl")
RAW_FPS = 60  # of VOCASET as it is published
KEYS = ("like", "name", "fps", "stored_fps", "splits", "model")


def read_spec(folder: Path) -> DataSpec:
    """By the folder's data.yaml, or by the names of its files where it has none."""
    raw = (folder / RAW_FILES[0]).exists()
    if (folder / DESCRIPTION).exists():
        return _described(folder / DESCRIPTION, raw)
    if raw:
        return replace(VOCASET, stored_fps=RAW_FPS)
    names = [path.stem for path in sorted((folder / "vertices_npy").glob("*.npy"))]
    if any(name.startswith("FaceTalk_") for name in names):
        return VOCASET
    if any(re.fullmatch(r"[FM]\d_e\d\d", name) for name in names):
        return BIWI
    if (folder / "arkit").is_dir():
        return own_form(folder.resolve().name, 30)
    where = f"{folder} holds neither VOCASET nor BIWI by its names"
    raise UserError(f"{where}: describe your own data in {DESCRIPTION}, with its fps at least")


def own_form(name: str, fps: int) -> DataSpec:
    """The published form of VOCASET at another frame rate: speech features are resampled to it."""
    return DataSpec(replace(DATA_SETS["vocaset"], name=name, fps=fps, resample_fps=fps), fps)


def _described(path: Path, raw: bool) -> DataSpec:
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(told, dict) or set(told) - set(KEYS):
        unknown = sorted(map(str, set(told) - set(KEYS))) if isinstance(told, dict) else "no names"
        raise UserError(f"{path} may hold {', '.join(KEYS)}, not {unknown}")
    if told.get("like") is not None and told["like"] not in KNOWN:
        raise UserError(f"{path}: like must be one of {', '.join(KNOWN)}, not {told['like']!r}")
    if "like" not in told and "fps" not in told:
        raise UserError(f"{path} must say how many frames a second the motion has (fps)")
    for name in ("fps", "stored_fps"):
        if not isinstance(told.get(name, 1), int) or not 0 < told.get(name, 1) <= 1000:
            raise UserError(f"{path}: {name} must be a whole number from 1 to 1000, not {told[name]!r}")
    if not re.fullmatch(r"\w[\w.-]*", str(told.get("name", "own"))):
        raise UserError(f"{path}: name must be of letters, digits, dots and dashes, not {told['name']!r}")
    spec = KNOWN[told["like"]] if "like" in told else own_form(path.parent.resolve().name, told["fps"])
    fps = told.get("fps", spec.fps)
    resampled = fps if spec.form.resample_fps else 0
    form = replace(spec.form, name=str(told.get("name", spec.name)), fps=fps, resample_fps=resampled)
    splits = _splits(path, told["splits"]) if "splits" in told else spec.splits
    stored = told.get("stored_fps", RAW_FPS if raw else fps)
    return DataSpec(form, stored, splits, spec.sizes | _sizes(path, told.get("model", {})))


def _sizes(path: Path, told: Any) -> dict[str, Any]:
    if not isinstance(told, dict) or set(told) - set(SIZES):
        raise UserError(f"{path}: model may hold {', '.join(SIZES)}")
    wrong = [name for name, size in told.items() if name != "neg" and not (isinstance(size, int) and size > 0)]
    if wrong or not isinstance(told.get("neg", 0.2), (int, float)):
        raise UserError(f"{path}: {(wrong or ['neg'])[0]} must be a number above zero")
    return told


def _splits(path: Path, told: Any) -> dict[str, Split]:
    """splits: {train: {subjects: [...], sentences: 1-40, all_styles: true}, ...}"""
    if not isinstance(told, dict) or "train" not in told:
        raise UserError(f"{path}: splits must name train, and others as you like")
    splits = {}
    for name, one in told.items():
        one = one if isinstance(one, dict) else {"subjects": one}
        subjects = one.get("subjects")
        subjects = subjects.split() if isinstance(subjects, str) else subjects
        if not isinstance(subjects, list) or not subjects or set(one) - {"subjects", "sentences", "all_styles"}:
            raise UserError(f"{path}: the split {name} must hold subjects, and may hold sentences and all_styles")
        range_ = re.fullmatch(r"(\d+)-(\d+)", str(one["sentences"])) if "sentences" in one else None
        if "sentences" in one and range_ is None:
            raise UserError(f"{path}: the sentences of {name} must be like 1-40, not {one['sentences']!r}")
        sentences = (int(range_[1]), int(range_[2])) if range_ else None
        splits[str(name)] = Split(tuple(map(str, subjects)), sentences, bool(one.get("all_styles", False)))
    return splits
