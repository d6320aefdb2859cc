"""A line of JSON on stderr for each thing that happens: numbers, and words of ours.

Nothing that a visitor sent gets there: no speech, no address, no name of a file. So an exception is told by its type
and by the places in the code, without its message.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import datetime, timezone
from typing import Any

LOG = logging.getLogger("app")
PLACES = 6  # of an exception's last frames


def tell(event: str, level: int = logging.INFO, error: BaseException | None = None, **facts: Any) -> None:
    """facts: numbers and words of ours"""
    LOG.log(level, event, extra={"facts": facts}, exc_info=error)


def set_up() -> None:
    """What this process and its libraries log goes to stderr, a JSON object a line. Once the server runs, once more."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    LOG.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # which bring handlers of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name.split(".")[0] == LOG.name:
            line |= {"event": record.msg} | getattr(record, "facts", {})
        else:  # its message may hold anything
            line |= {"event": "library", "logger": record.name, "line": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
            places = [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames]
            line |= {"error": type(error).__name__, "at": places}
        return json.dumps(line, default=str)
