"""A bundle: a folder of weights with all that is needed to run them; `load` it, then `animate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from . import decoding
from .autoencoder import AutoencoderSpec, RegionSpec
from .errors import UserError
from .faceformer import FaceFormer
from .motion import Animation, VertexAnimation
from .outputs import staging
from .predictor import PredictorSpec
from .styles import style_weights
from .talker import Talker, TalkerSpec
from .wav2vec import Wav2Vec2Encoder, Wav2Vec2Spec

FORMAT = 1
DESCRIPTION = "bundle.json"
MODELS = ("talker", "baseline")
SPACES = ("arkit", "vertices")


@dataclass
class Bundle:
    """Models that belong together.

    styles: names in the order of the models' style weights -> a few words on each, or ""
    encoders: the speech encoder of each model that there is; one and the same where they share it
    templates: name -> (V, 3) float32, of `vertices` space; faces: (F, 3) int32 or None
    origin: of imported weights, the files and the tensors that were dropped with the reason
    """

    name: str
    space: str
    fps: float
    styles_told: dict[str, str]
    encoders: dict[str, nn.Module]
    talker: Talker | None = None
    baseline: FaceFormer | None = None
    templates: dict[str, np.ndarray] = field(default_factory=dict)
    faces: np.ndarray | None = None
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def styles(self) -> list[str]:
        return list(self.styles_told)

    @property
    def has_baseline(self) -> bool:
        return self.baseline is not None

    @property
    def shares_features(self) -> bool:
        """Whether talker and baseline read the same speech features."""
        return len(self.encoders) == 2 and self.encoders["talker"] is self.encoders["baseline"]

    @property
    def device(self) -> torch.device:
        return next(next(iter(self.encoders.values())).parameters()).device

    def to(self, device: str | torch.device) -> Bundle:
        """Ready to run there."""
        for part in (*self.encoders.values(), self.talker, self.baseline):
            if part is not None:
                decoding.arrange(part.to(device).eval())
        return self

    @torch.inference_mode()
    def encode(self, speech: np.ndarray, model: str = "talker") -> Tensor:
        """speech: (N,) float32 at 16 kHz -> the features that `model` reads, (1, S, D)."""
        self._model(model)
        return self.encoders[model](self._batch(speech))

    def generate(
        self,
        features: Tensor,
        style: str | None = None,
        model: str = "talker",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        template: str | None = None,
    ) -> Animation | VertexAnimation:
        """features: (1, S, D) of `encode`; style: a name, "a:0.7,b:0.3", or None for the first; template: likewise."""
        weights = style_weights(style, self.styles).to(features)
        motion = decoding.generate(self._model(model), features, weights, seed, progress)[0].cpu().numpy()
        if self.space == "arkit":
            return Animation.from_motion(motion, self.fps)
        neutral = self._template(template)
        return VertexAnimation(neutral + motion.reshape(-1, *neutral.shape), neutral, self.fps)

    def animate(
        self, speech: str | Path | np.ndarray, style: str | None = None, seed: int = 0, model: str = "talker"
    ) -> Animation | VertexAnimation:
        """A speech file, or (N,) float32 at 16 kHz, to its animation."""
        if isinstance(speech, (str, Path)):
            from .audio import load_speech

            speech = load_speech(speech)
        return self.generate(self.encode(speech, model), style, model, seed)

    @torch.inference_mode()
    def predict(
        self,
        values: np.ndarray,
        template: np.ndarray,
        style: int | str | Mapping[int | str, float],
        model: str | None = None,
    ) -> np.ndarray:
        """`vertices` space, as the published code's `predict`: (T, V, 3) float32.

        values: (N,) speech at 16 kHz, zero mean and unit variance; template: (V, 3); style: an index or name, or a
        mixture {index: weight}; model: by default the talker, or the baseline where there is none.
        """
        if self.space != "vertices":
            raise UserError(f"the bundle {self.name} moves ARKit weights, not vertices: use animate")
        model = model or ("talker" if self.talker is not None else "baseline")
        chosen = self._model(model)
        neutral = self._fitting(np.asarray(template, np.float32), "the template")
        features = self.encoders[model].features(self._batch(values))
        weights = style_weights(style, self.styles).to(features)
        motion = decoding.generate(chosen, features, weights)[0].cpu().numpy()
        return neutral + motion.reshape(-1, *neutral.shape)

    def _batch(self, speech: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(speech, np.float32), device=self.device)[None]

    def _model(self, name: str) -> Talker | FaceFormer:
        if name not in MODELS:
            raise UserError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}")
        model = getattr(self, name)
        if model is None:
            raise UserError(f"the bundle {self.name} holds no {name}")
        return model

    def _template(self, name: str | None) -> np.ndarray:
        if not self.templates:
            raise UserError(f"the bundle {self.name} holds no templates: import it anew with --templates templates.pkl")
        if name is not None and name not in self.templates:
            raise UserError(f"there is no template {name!r}: there is {', '.join(self.templates)}")
        return self.templates[name] if name is not None else next(iter(self.templates.values()))

    def _fitting(self, vertices: np.ndarray, what: str) -> np.ndarray:
        present = self.talker or self.baseline
        wanted = (present.predictor.motion_map.in_features // 3, 3)
        if vertices.shape != wanted:
            raise UserError(f"{what} has the shape {vertices.shape}, but the bundle {self.name} moves {wanted}")
        return vertices


def build_encoder(kind: str, values: dict[str, Any]) -> nn.Module:
    """The speech encoder of a bundle's description, without its weights."""
    if kind == "mel":
        from .speech_encoder import MelEncoder, MelSpec

        return MelEncoder(MelSpec(**values))
    if kind == "wav2vec2":
        return Wav2Vec2Encoder(Wav2Vec2Spec(**values))
    raise ValueError(f'speech encoders are of kind "mel" or "wav2vec2", not {kind!r}')


def read_talker_spec(values: dict[str, Any]) -> TalkerSpec:
    """A TalkerSpec from what `asdict` and JSON made of it."""
    autoencoder = dict(values["autoencoder"])
    regions = [dict(region) for region in autoencoder.pop("regions")]
    for region in regions:
        region["channels"] = None if region["channels"] is None else tuple(region["channels"])
    autoencoder = AutoencoderSpec(regions=tuple(RegionSpec(**region) for region in regions), **autoencoder)
    return TalkerSpec(PredictorSpec(**values["predictor"]), autoencoder, values["code_loss"])


def save_bundle(bundle: Bundle, folder: str | Path, half: bool = False) -> None:
    """Writes `folder`, each file replaced only by a finished one. half: weights in 16 bits (open models)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    encoders = {id(encoder): name for name, encoder in reversed(bundle.encoders.items())}  # shared: the talker's
    description = {
        "format": FORMAT,
        "name": bundle.name,
        "space": bundle.space,
        "fps": bundle.fps,
        "styles": bundle.styles_told,
        "speech": {},
        "models": {},
        "origin": bundle.origin,
    }
    weights: dict[str, dict[str, Tensor]] = {}
    for name in bundle.encoders:
        encoder, model = bundle.encoders[name], getattr(bundle, name)
        file = f"{encoders[id(encoder)]}_speech"
        kind = "wav2vec2" if isinstance(encoder, Wav2Vec2Encoder) else "mel"
        description["speech"][file] = {"kind": kind, "spec": asdict(encoder.spec)}
        description["models"][name] = {"speech": file, "spec": asdict(model.spec)}
        weights[file] = encoder.state_dict()
        weights[name] = model.state_dict()
    if bundle.templates:
        description["templates"] = list(bundle.templates)
        arrays = {str(index): torch.from_numpy(array) for index, array in enumerate(bundle.templates.values())}
        weights["templates"] = arrays if bundle.faces is None else arrays | {"faces": torch.from_numpy(bundle.faces)}
    with staging(folder) as staged:
        for name, tensors in weights.items():
            halved = half and name != "templates"
            stored = {
                key: (tensor.half() if halved and tensor.is_floating_point() else tensor).cpu().contiguous().clone()
                for key, tensor in tensors.items()
            }
            save_file(stored, staged / f"{name}.safetensors")
        (staged / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load(folder: str | Path, device: str | torch.device = "cpu") -> Bundle:
    """Opens a bundle. Raises UserError for what is missing, broken, or contradicts its description."""
    folder = Path(folder)
    description = read_description(folder)
    try:
        files = [*description["speech"], *description["models"]] + ["templates"] * bool(description.get("templates"))
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / DESCRIPTION} is not a bundle's description: {error!r} is missing") from error
    missing = [f"{name}.safetensors" for name in files if not (folder / f"{name}.safetensors").is_file()]
    if missing:
        raise UserError(f"the bundle {folder} is incomplete: {', '.join(missing)} missing")
    try:
        encoders = {name: build_encoder(one["kind"], one["spec"]) for name, one in description["speech"].items()}
        models: dict[str, nn.Module] = {}
        for name, one in description["models"].items():
            spec = read_talker_spec(one["spec"]) if name == "talker" else PredictorSpec(**one["spec"])
            models[name] = Talker(spec) if name == "talker" else FaceFormer(spec)
        bundle = Bundle(
            name=description["name"],
            space=description["space"],
            fps=description["fps"],
            styles_told=dict(description["styles"]),
            encoders={name: encoders[one["speech"]] for name, one in description["models"].items()},
            talker=models.get("talker"),
            baseline=models.get("baseline"),
            origin=description.get("origin", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / DESCRIPTION} is not a bundle's description: {error}") from error
    for name, module in (encoders | models).items():
        _fill(module, folder / f"{name}.safetensors")
    if description.get("templates"):
        arrays = {key: tensor.numpy() for key, tensor in _read(folder / "templates.safetensors").items()}
        bundle.faces = arrays.pop("faces", None)
        bundle.templates = {
            name: bundle._fitting(arrays[str(index)], f"the template {name}")
            for index, name in enumerate(description["templates"])
        }
    return bundle.to(device)


def read_description(folder: Path) -> dict[str, Any]:
    """A bundle's description as it stands in its JSON, of the right format and space."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no bundle in {folder}: {DESCRIPTION} is missing") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a bundle's description: {error}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError(f"{path} is not the description of a bundle of format {FORMAT}")
    if description.get("space") not in SPACES:
        raise UserError(f"{path}: space must be one of {', '.join(SPACES)}, not {description.get('space')!r}")
    return description


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from error


def _fill(module: nn.Module, path: Path) -> None:
    """Loads weights strictly, 16-bit ones widened. Raises UserError naming what does not fit the description."""
    tensors, wanted = _read(path), module.state_dict()
    wrong = [f"{name} is missing" for name in wanted if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in wanted]
    wrong += [
        f"{name} has the shape {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    if wrong:
        rest = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(f"{path} contradicts {DESCRIPTION}: {', '.join(wrong[:3])}{rest}")
    module.load_state_dict(tensors)
