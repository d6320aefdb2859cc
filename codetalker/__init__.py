"""Speech in, talking head out: facial animation as a code query.

talker = codetalker.load("weights/open")
animation = talker.animate("speech.wav")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    from .bundle import load

__all__ = ["UserError", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":  # on demand: it needs torch, and `import codetalker` should not take seconds
        from .bundle import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
