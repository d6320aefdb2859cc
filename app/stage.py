"""What the page fetches beside gradio's own addresses: pictures to choose by, and all that the 3D view needs."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from codetalker.errors import UserError

from .cards import turn
from .handlers import Studio
from .takes import MIXED, Take, move

PREFIX = "/stage"
STATIC = Path(__file__).parent / "static"
PATIENCE = 180.0  # s until a head that is being made is given up
LOOK_SECONDS = 0.2
A_DAY = {"cache-control": "max-age=86400"}
PRIVATE = {"cache-control": "private, no-store"}


class Stage:
    """The routes, for starlette."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._cards = studio.cards
        self._takes = studio.takes

    def routes(self) -> list[Mount]:
        inside = [
            Route("/{weights}/made", self.made),
            Route("/{weights}/styles/{number:int}.webp", self.style),
            Route("/{weights}/styles/{number:int}-still.webp", self.still),
            Route("/{weights}/heads/{number:int}.webp", self.head),
            Route("/{weights}/heads/{number:int}.glb", self.model),
            Route("/takes/{token}/speech.wav", self.sound),
            Route("/takes/{token}/{number:int}.json", self.motion),
            Route("/takes/{token}/mixed.json", self.mixed),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        return [Mount(PREFIX, routes=inside)]

    async def made(self, request: Request) -> JSONResponse:
        """How many pictures there are, so that the page knows when to fetch them: a browser that waited for each would
        have no connection left for anything else."""
        made = self._cards.made(self._weights(request))
        return JSONResponse({"made": made}, headers=PRIVATE)

    async def style(self, request: Request) -> FileResponse:
        return _there(self._cards.style(self._weights(request), request.path_params["number"]))

    async def still(self, request: Request) -> FileResponse:
        return _there(self._cards.style(self._weights(request), request.path_params["number"], still=True))

    async def head(self, request: Request) -> FileResponse:
        return _there(self._cards.head(self._weights(request), request.path_params["number"]))

    async def model(self, request: Request) -> FileResponse:
        """As soon as there is one."""
        path = self._cards.model(self._weights(request), request.path_params["number"])
        until = time.monotonic() + PATIENCE
        while not path.exists():
            if time.monotonic() > until or await request.is_disconnected():
                raise HTTPException(404)
            await anyio.sleep(LOOK_SECONDS)
        return FileResponse(path, headers=A_DAY)

    async def sound(self, request: Request) -> FileResponse:
        return FileResponse(self._take(request).sound, headers=PRIVATE)

    async def mixed(self, request: Request) -> FileResponse:
        path = self._take(request).motion(MIXED)
        if not path.exists():
            raise HTTPException(404)
        return FileResponse(path, headers=PRIVATE)

    def motion(self, request: Request) -> FileResponse:
        """In a style of the take's bundle, made now where it is another than the visitor's first."""
        take, number = self._take(request), request.path_params["number"]
        styles = list(self._studio.shelf.entry(take.weights).styles)
        if number >= len(styles):
            raise HTTPException(404)
        path = take.motion(str(number))
        if not path.exists():
            try:
                with turn(self._studio.line, take.token):
                    move(take, str(number), styles[number], self._studio.shelf.load(take.weights))
            except UserError as error:
                raise HTTPException(503, str(error)) from None
        return FileResponse(path, headers=PRIVATE)

    def _weights(self, request: Request) -> str:
        """A bundle's name, whose pictures are made unless they are already."""
        try:
            name = self._studio.shelf.entry(request.path_params["weights"]).name
        except UserError:
            raise HTTPException(404) from None
        self._cards.ask(name)
        return name

    def _take(self, request: Request) -> Take:
        take = self._takes.find(request.path_params["token"])
        if take is None:
            raise HTTPException(404)
        return take


def _there(path: Path) -> FileResponse:
    if not path.exists():
        raise HTTPException(404)
    return FileResponse(path, headers=A_DAY)
