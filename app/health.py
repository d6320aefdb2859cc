"""/healthz: whether this process can make videos, for whoever would start it anew."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .handlers import Studio

STUCK_SECONDS = 1200.0  # the longest job allowed by default takes less than a quarter of it on two cores


def health(studio: Studio) -> tuple[int, dict]:
    """HTTP's status, and what is told."""
    stuck = studio.line.busy_for() > STUCK_SECONDS
    status = "stuck" if stuck else "ok" if studio.warm else "starting"
    told = {"status": status, "device": studio.shelf.device, "lost_gpu": studio.shelf.lost_gpu}
    return 200 if status == "ok" else 503, told | {"jobs": len(studio.line)}


def health_route(studio: Studio) -> Route:
    async def answer(request: Request) -> JSONResponse:
        status, told = health(studio)
        return JSONResponse(told, status)

    return Route("/healthz", answer)
