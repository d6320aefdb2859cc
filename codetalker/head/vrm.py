"""Expressions of VRM avatars: sums of morph targets that the file calls by a name such as `aa` or `blinkLeft`.

VRM 0: https://github.com/vrm-c/vrm-specification/tree/master/specification/0.0, 1.0 in the same place.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "vrm."  # before an expression's name, so that `a` is not taken for a morph target of that name
MAX_BINDS = 2_000  # of all expressions together


class Bind(NamedTuple):
    """How much of a morph target an expression shows."""

    target: int
    weight: float  # 0 to 1


Expressions = dict[int, dict[str, list[Bind]]]  # by mesh, by the expression's name with PREFIX


def find_expressions(tree: dict) -> Expressions:
    """tree: a file's description; empty for a file that is no VRM"""
    extensions = tree.get("extensions", {})
    found: Expressions = {}
    for group in extensions.get("VRM", {}).get("blendShapeMaster", {}).get("blendShapeGroups", []):
        preset = group.get("presetName", "unknown")
        name = group.get("name", "") if preset in ("unknown", "") else preset
        for bind in group.get("binds") or []:
            _add(found, bind["mesh"], name, Bind(bind["index"], float(bind.get("weight", 100.0)) / 100.0))
    expressions = extensions.get("VRMC_vrm", {}).get("expressions", {})
    for name, expression in {**expressions.get("custom", {}), **expressions.get("preset", {})}.items():
        for bind in expression.get("morphTargetBinds") or []:
            mesh = tree["nodes"][bind["node"]]["mesh"]
            _add(found, mesh, name, Bind(bind["index"], float(bind.get("weight", 1.0))))
    return found


def _add(found: Expressions, mesh: int, name: str, bind: Bind) -> None:
    binds = found.setdefault(mesh, {}).setdefault(PREFIX + str(name), [])
    if len(binds) < MAX_BINDS:
        binds.append(bind)
