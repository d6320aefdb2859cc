"""What an import tells at its end."""

from __future__ import annotations

import shlex

from .importer import Imported

MODELS = {"talker": "CodeTalker", "baseline": "FaceFormer"}
MOST_NAMES = 4


def summary(imported: Imported) -> list[str]:
    """A few lines on what was made, and the next command to run."""
    bundle = imported.bundle
    beside = f", beside {MODELS[imported.beside]}" if imported.beside else ""
    lines = [
        f"{imported.out}: {MODELS[imported.role]}{beside}, {bundle.fps} fps",
        f"styles: {_names(bundle.styles)}",
        f"templates: {_names(imported.templates)}; faces: {imported.faces or 'none, which a --topology FILE.ply has'}",
        f"dropped: {_dropped(imported)}",
    ]
    return [*lines, f"next: {_next(imported)}"]


def _names(names: list[str]) -> str:
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (
        f"{len(names)}, {', '.join(names[:MOST_NAMES])}{rest}" if names else "none, which --templates or --topology has"
    )


def _dropped(imported: Imported) -> str:
    """How many for each reason; their names stand in the bundle's description."""
    reasons = [reason for tensors in imported.dropped.values() for reason in tensors.values()]
    if not reasons:
        return "nothing"
    told = "; ".join(f"{reasons.count(reason)} ({reason})" for reason in dict.fromkeys(reasons))
    return f"{told}; by name in bundle.json"


def _next(imported: Imported) -> str:
    """Whatever the folder has all that it takes for."""
    bundle = imported.bundle
    if not imported.templates:
        return "the same import with --templates templates.pkl and --topology FILE.ply"
    given = ["--weights", str(imported.out), "--style", bundle.styles[0], "--head", imported.templates[0]]
    if imported.faces:
        return shlex.join(["./run", "animate", "speech.wav", "-o", "out.mp4", *given])
    model = [] if "talker" in (imported.role, imported.beside) else ["--model", "baseline"]
    return shlex.join(["./run", "motion", "speech.wav", "-o", "motion.npz", *given[:4], *model])
