"""An imported model into its folder: a new bundle, or beside the model of the other kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Bundle, save_bundle
from ..errors import UserError
from ..outputs import staging
from ..storage import DESCRIPTION, read_description, unpack_templates, write_description


def save(bundle: Bundle, role: str, out: Path, own: dict[str, np.ndarray]) -> tuple[str, list[str], int]:
    """Writes the bundle, or adds its one model to the bundle that `out` holds already.

    Templates and faces of the folder stay where there are no new ones. own: the topology's mesh, which is the template
    where there is no other. Returns the other model's role or "", the templates and the number of faces in `out` now.
    """
    if not (out / DESCRIPTION).exists():
        bundle.templates = bundle.templates or own
        save_bundle(bundle, out)
        return "", list(bundle.templates), 0 if bundle.faces is None else len(bundle.faces)
    there = read_description(out)
    beside = _check_same_set(there, bundle, role, out)
    if not bundle.templates or bundle.faces is None:
        templates, faces = unpack_templates(out, there)
        bundle.templates = bundle.templates or templates or own
        bundle.faces = faces if bundle.faces is None else bundle.faces
    with staging(out) as staged:
        save_bundle(bundle, staged)
        new = read_description(staged)
        for part in ("speech", "models", "origin"):
            new[part] = there.get(part, {}) | new[part]
        write_description(staged, new)
    return beside, list(bundle.templates), 0 if bundle.faces is None else len(bundle.faces)


def _check_same_set(there: dict[str, Any], bundle: Bundle, role: str, out: Path) -> str:
    """The role of the model that stays in `out`, "" for none. Raises UserError for one of another data set."""
    others = {name: model for name, model in there["models"].items() if name != role}
    vertices = getattr(bundle, role).motion_dim // 3
    compared = [("space", there["space"], bundle.space), ("fps", there["fps"], bundle.fps)]
    compared += [("styles", list(there["styles"]), bundle.styles)]
    compared += [("vertices", _vertices(model), vertices) for model in others.values()]
    for name, old, new in compared:
        if old != new:
            told = f"{name} {_words(old)} and {_words(new)}"
            raise UserError(f"the bundle in {out} is of another data set ({told}): import into another folder")
    for name, model in others.items():
        if model["speech"] == f"{role}_speech":
            raise UserError(f"the models in {out} share their speech encoder: import into another folder")
        missing = [file for file in (name, model["speech"]) if not (out / f"{file}.safetensors").is_file()]
        if missing:
            raise UserError(
                f"the bundle in {out} is incomplete, {missing[0]}.safetensors is missing: use another folder"
            )
    return next(iter(others), "")


def _vertices(model: dict[str, Any]) -> int:
    """How many a model of a bundle's description moves."""
    spec = model["spec"]
    return spec.get("predictor", spec).get("motion_dim", 0) // 3


def _words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
