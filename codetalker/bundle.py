"""A bundle: a folder of weights with all that is needed to run them; `load` it, then `animate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import decoding
from .audio import SAMPLE_RATE
from .decoding import Decoded
from .errors import UserError
from .faceformer import FaceFormer
from .motion import Animation, LinearVertices, VertexAnimation
from .storage import (
    DESCRIPTION,
    FORMAT,
    build_baseline,
    build_encoder,
    build_talker,
    fill,
    pack_templates,
    read_description,
    unfilled,
    unpack_templates,
    write,
)
from .styles import style_weights
from .talker import Talker, TalkerGroup
from .wav2vec import Wav2Vec2Encoder, normalise
from .windows import (
    FAST,
    TOGETHER,
    WHOLE_SECONDS,
    WINDOW_SECONDS,
    Heard,
    check_decoding,
    cross_fade,
    window_starts,
)

MODELS = ("talker", "baseline")


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
    talker: Talker | TalkerGroup | None = None
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
    def encode(self, speech: np.ndarray, model: str = "talker", decoding: str = "auto") -> Heard:
        """speech: (N,) float32 at 16 kHz -> what `model` hears of it.

        decoding, which matters to published models alone: "whole" is exact at any length; "windows" overlap and are
        cross-faded; "auto" is whole up to 20 s, windows beyond; "fast" is "auto" with a shortcut in stage 1,
        which chooses some other codes (benchmarks/README.md).
        """
        check_decoding(decoding)
        per_frame = self._model(model).speech_per_frame
        encoder, batch = self.encoders[model], self._batch(speech)
        seconds = len(speech) / SAMPLE_RATE
        if not isinstance(encoder, Wav2Vec2Encoder):
            return Heard(encoder(batch))
        shortcut = FAST if decoding == "fast" and model == "talker" else None  # the baseline has no stage 1
        longest = {"whole": np.inf, "windows": WINDOW_SECONDS}.get(decoding, WHOLE_SECONDS)
        values = normalise(batch)
        if seconds <= longest:
            return Heard(encoder.features(values), shortcut=shortcut)
        starts = window_starts(seconds)
        features = encoder.windows(values, starts, WINDOW_SECONDS)
        frames = encoder.count(len(speech)) // per_frame
        return Heard(features, tuple(round(start * self.fps) for start in starts), frames, shortcut)

    def generate(
        self,
        heard: Heard,
        style: str | None = None,
        model: str = "talker",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        template: str | np.ndarray | None = None,
    ) -> Animation | VertexAnimation:
        """heard: of `encode`; style: a name, "a:0.7,b:0.3", or None for the first; template: (V, 3), a name, or None
        for the first of the bundle's."""
        return self.generate_styles(heard, [style], model, seed, progress, template)[0]

    def generate_styles(
        self,
        heard: Heard,
        styles: Sequence[str | None],
        model: str = "talker",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        template: str | np.ndarray | None = None,
    ) -> list[Animation] | list[VertexAnimation]:
        """The same speech in several styles, decoded side by side; see `generate`."""
        weights = torch.cat([style_weights(style, self.styles) for style in styles])
        if self.space == "arkit":
            motions = self._decode(heard, weights, model, seed, progress).motion().cpu().numpy()
            return [Animation.from_motion(motion, self.fps) for motion in motions]
        neutral = self._template(template)
        decoded = self._decode(heard, weights, model, seed, progress)
        basis = decoded.readout.weight.T.detach().cpu().numpy()  # (R, V * 3)
        rest = neutral + decoded.readout.bias.detach().cpu().numpy().reshape(-1, 3)
        moving = [LinearVertices(latents, basis, rest) for latents in decoded.latents.cpu().numpy()]
        return [VertexAnimation(vertices, neutral, self.fps, self.faces) for vertices in moving]

    @torch.inference_mode()
    def _decode(
        self, heard: Heard, weights: Tensor, model: str, seed: int, progress: Callable[[float], None] | None
    ) -> Decoded:
        """weights: (styles, style weights) -> a clip for each."""
        chosen, weights, made = self._model(model), weights.to(heard.features), []
        groups = heard.features.split(TOGETHER)
        for index, features in enumerate(groups):

            def tell(fraction: float, index: int = index) -> None:
                progress((index + fraction) / len(groups))

            rows = features.repeat(len(weights), 1, 1)  # style by style, its windows one after the other
            own = weights.repeat_interleave(len(features), 0)
            made.append(decoding.decode(chosen, rows, own, seed, tell if progress else None, heard.shortcut))
        parts = [one.latents.unflatten(0, (len(weights), -1)) for one in made]  # (styles, windows, T, R) each
        windows, frames = torch.cat(parts, 1), heard.frames or parts[0].shape[2]
        faded = [cross_fade(of_style, heard.starts, frames) for of_style in windows]
        return Decoded(torch.cat(faded), made[0].readout)

    def animate(
        self,
        speech: str | Path | np.ndarray,
        style: str | None = None,
        seed: int = 0,
        model: str = "talker",
        decoding: str = "auto",
    ) -> Animation | VertexAnimation:
        """A speech file, or (N,) float32 at 16 kHz, to its animation. decoding: as in `encode`."""
        if isinstance(speech, (str, Path)):
            from .audio import load_speech

            speech = load_speech(speech)
        return self.generate(self.encode(speech, model, decoding), style, model, seed)

    @torch.inference_mode()
    def predict(
        self,
        values: np.ndarray,
        template: np.ndarray,
        style: int | str | Mapping[int | str, float] | list,
        model: str | None = None,
    ) -> np.ndarray:
        """`vertices` space, as the published code's `predict`, exact at any length: (T, V, 3) float32.

        values: (N,) speech at 16 kHz, zero mean and unit variance; template: (V, 3); style: an index or name, or a
        mixture {index: weight}, or a list of those for (styles, T, V, 3); model: by default the talker, or the baseline
        where there is none.
        """
        if self.space != "vertices":
            raise UserError(f"the bundle {self.name} moves ARKit weights, not vertices: use animate")
        model = model or ("talker" if self.talker is not None else "baseline")
        self._model(model)
        neutral = self._template(np.asarray(template, np.float32))
        heard = Heard(self.encoders[model].features(self._batch(values)))
        styles = style if isinstance(style, list) else [style]
        weights = torch.cat([style_weights(one, self.styles) for one in styles])
        motion = self._decode(heard, weights, model, 0, None).motion().cpu().numpy()
        vertices = neutral + motion.reshape(*motion.shape[:2], *neutral.shape)
        return vertices if isinstance(style, list) else vertices[0]

    def _batch(self, speech: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(speech, np.float32), device=self.device)[None]

    def _model(self, name: str) -> decoding.Model:
        if name not in MODELS:
            raise UserError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}")
        model = getattr(self, name)
        if model is None:
            raise UserError(f"the bundle {self.name} holds no {name}")
        return model

    def _template(self, given: str | np.ndarray | None) -> np.ndarray:
        if isinstance(given, np.ndarray):
            return self._fitting(given, "the template")
        if not self.templates:
            raise UserError(f"the bundle {self.name} holds no templates: import it anew with --templates templates.pkl")
        if given is not None and given not in self.templates:
            raise UserError(f"there is no template {given!r}: there is {', '.join(self.templates)}")
        return self.templates[given] if given is not None else next(iter(self.templates.values()))

    def _fitting(self, vertices: np.ndarray, what: str) -> np.ndarray:
        present = self.talker or self.baseline
        wanted = (present.motion_dim // 3, 3)
        if vertices.shape != wanted:
            raise UserError(f"{what} has the shape {vertices.shape}, but the bundle {self.name} moves {wanted}")
        return vertices


def save_bundle(bundle: Bundle, folder: str | Path, half: bool = False) -> None:
    """Writes `folder`, each file replaced only by a finished one. half: weights in 16 bits (open models)."""
    encoders = {id(encoder): name for name, encoder in reversed(bundle.encoders.items())}  # shared: the talker's
    description = {
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
        weights["templates"] = pack_templates(bundle.templates, bundle.faces)
    write(Path(folder), {"format": FORMAT, **description}, weights, set(weights) - {"templates"} if half else set())


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
        models: dict[str, nn.Module] = {}
        with unfilled():
            encoders = {name: build_encoder(one["kind"], one["spec"]) for name, one in description["speech"].items()}
            for name, one in description["models"].items():
                models[name] = build_talker(one["spec"]) if name == "talker" else build_baseline(one["spec"])
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
    for name, model in models.items():
        if model.styles != len(bundle.styles):
            told = f"{len(bundle.styles)} styles, but the {name} has {model.styles}"
            raise UserError(f"{folder / DESCRIPTION} names {told}")
    for name, module in (encoders | models).items():
        fill(module, folder / f"{name}.safetensors")
    templates, bundle.faces = unpack_templates(folder, description)
    bundle.templates = {name: bundle._fitting(array, f"the template {name}") for name, array in templates.items()}
    return bundle.to(device)
