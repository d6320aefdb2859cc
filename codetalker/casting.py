"""Which head plays a motion: one of ours, a file, or the bare template of a published model."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import UserError
from .motion import Animation, VertexAnimation
from .shelf import read_entry

if TYPE_CHECKING:
    from .bundle import Bundle
    from .head import Head

TWICE = 2.0  # a head that much larger or smaller than a template is in another unit


def head_names(weights: str | Path | None = None) -> list[str]:
    """What `--head` may name beside a file: a bundle's templates, or the heads that come with the project."""
    from .head import list_heads

    entry = read_entry(weights) if weights is not None else None
    return list(entry.templates) if entry is not None and entry.space == "vertices" else list_heads()


def open_head(name_or_path: str | None) -> Head:
    """None: the first of our heads, which are kept once loaded: the renderer's preparation of them costs seconds."""
    from .head import list_heads, load_head

    names = list_heads()
    if name_or_path is None and not names:
        raise UserError("there is no head in assets/heads: give one with --head FILE.glb")
    name = names[0] if name_or_path is None else name_or_path
    return _kept_head(name) if name in names else load_head(name)


@functools.cache
def _kept_head(name: str) -> Head:
    from .head import load_head

    return load_head(name)


def head_for_bundle(name_or_path: str | None, bundle: Bundle) -> Head:
    """The head that a bundle's motion moves, and in `vertices` space starts from: its vertices are the template.

    None: the first. Raises UserError for an unknown name, and for a file of another topology or unit.
    """
    if bundle.space == "arkit":
        return open_head(name_or_path)
    if name_or_path is not None and _is_file(name_or_path):
        head = open_head(name_or_path)
        for template in list(bundle.templates.values())[:1]:
            _check_vertices(head, template, f"the bundle {bundle.name}")
        return head
    if not bundle.templates:
        raise UserError(
            f"the bundle {bundle.name} holds no templates: give a head of its topology with --head FILE.glb, "
            "or import again with --templates templates.pkl"
        )
    if name_or_path is not None and name_or_path not in bundle.templates:
        raise UserError(
            f"there is no template {name_or_path!r} in the bundle {bundle.name}: there is {', '.join(bundle.templates)}"
        )
    name = next(iter(bundle.templates)) if name_or_path is None else name_or_path
    return _from_template(name, bundle.templates[name], bundle.faces, f"the bundle {bundle.name}")


def head_for_motion(name_or_path: str | None, animation: Animation | VertexAnimation, told: str) -> Head:
    """The head that is drawn with a motion read from a file, `told` by its name.

    Raises UserError where moving vertices have neither faces of their own nor a head of their topology.
    """
    if isinstance(animation, Animation):
        return open_head(name_or_path)
    if name_or_path is not None:
        head = open_head(name_or_path)
        _check_vertices(head, animation.template, told)
        return head
    if animation.faces is None:
        raise UserError(
            f"{told} moves {len(animation.template)} vertices and holds no faces: give a head of their topology with "
            "--head FILE.glb, or make the motion anew from weights imported with --topology FILE.ply"
        )
    return _from_template(Path(told).stem, animation.template, animation.faces, told)


def _is_file(name_or_path: str) -> bool:
    from .head import is_head_file

    return is_head_file(name_or_path)


def _from_template(name: str, template: np.ndarray, faces: np.ndarray | None, told: str) -> Head:
    from .head.templates import template_head

    if faces is None:
        raise UserError(f"{told} holds no faces, so nothing can be drawn: import it again with --topology FILE.ply")
    return template_head(name, template, faces)


def _check_vertices(head: Head, template: np.ndarray, told: str) -> None:
    if head.extras.get("transferred"):
        raise UserError(
            f"the head {head.name} has no shapes of its own, so it can't play {told}, which moves vertices: give a GLB "
            "of its topology that has them, or import the weights with --topology"
        )
    if len(head.vertices) != len(template):
        raise UserError(
            f"the head {head.name} has {len(head.vertices)} vertices, but {told} moves {len(template)}: "
            "a head of the same topology is needed"
        )
    tall, wanted = np.ptp(head.vertices[:, 1]), np.ptp(template[:, 1])
    if not 1.0 / TWICE < tall / wanted < TWICE:
        raise UserError(
            f"the head {head.name} is {tall:.3g} tall, the template of {told} {wanted:.3g}: scale it to the same unit"
        )
