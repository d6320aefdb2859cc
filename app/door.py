"""What is let in from outside: the addresses that the page and the API need, small requests, files that were uploaded.

gradio offers more than that: it fetches files from any address that it is told, forwards requests, runs ffmpeg on
whatever is posted as a recording. A list of what is open keeps out what a later version may add, too.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from codetalker.errors import UserError

from .limits import Rate, address_of
from .log import tell
from .sessions import MEGABYTE, Sessions
from .settings import Settings

OPEN = {
    "GET": re.compile(
        r"/|/healthz|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/pwa_icon(/\d+)?"
        r"|/(static|assets|svelte|stage)/.*"
        r"|/gradio_api/(info|openapi\.json|app_id|startup-events|upload_progress|queue/data|theme\.css)/?"
        r"|/gradio_api/(heartbeat/[^/]+|call/(v2/)?\w+/\w+|file=.*)"
    ),
    "POST": re.compile(r"/gradio_api/(upload|queue/join|cancel|reset|(run|call|call/v2)/\w+)/?"),
}
OPEN["HEAD"] = OPEN["GET"]
COUNTED = re.compile(r"/gradio_api/(upload|queue/join|run/|call/)")  # what costs us something
UPLOAD = re.compile(r"/gradio_api/upload/?")
ELSEWHERE = re.compile(r"^[\w.+-]*:|^//")  # an address, not a path
REQUEST_BYTES = 1 << 16  # of a request that is no upload: a click with all its values takes 2,000
REQUEST_SECONDS = 30.0  # for all of it to arrive
MOST_OPEN = 128  # requests of one address at a time; a page holds about four
UPLOAD_SECONDS = 300.0  # for all of an upload
HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))

App = Callable[[dict, Callable, Callable], Awaitable[None]]


class Refused(Exception):
    """status: of HTTP; words: for the visitor"""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Door:
    """Stands before gradio (ASGI): passes a request on, or answers it with {"detail": words}."""

    def __init__(self, app: App, settings: Settings, sessions: Sessions, files: tuple[Path, ...]) -> None:
        """files: the folders of which a visitor may name files"""
        self._app = app
        self._settings = settings
        self._sessions = sessions
        self._files = tuple(folder.resolve() for folder in files)
        self._rate = Rate(settings.requests_a_minute, 60.0)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks by websocket
            return
        address = address_of(Request(scope), self._settings.behind_proxy)
        self._open[address] += 1
        try:
            receive = await self._let_in(scope, receive, address)
            work = self._app(scope, receive, _with_headers(send))
            limit = UPLOAD_SECONDS if UPLOAD.fullmatch(scope["path"]) else None
            await asyncio.wait_for(work, limit)
        except Refused as refused:
            await _answer(refused, scope, receive, send)
        except TimeoutError:
            await _answer(Refused(408, "That took too long to arrive"), scope, receive, send)
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

    async def _let_in(self, scope: dict, receive: Callable, address: str) -> Callable:
        """Returns what the app is to receive. Raises Refused."""
        path, method = scope["path"], scope["method"]
        if method not in OPEN or not OPEN[method].fullmatch(path):
            raise Refused(404, "There is nothing here")
        if path.startswith("/gradio_api/file=") and not self._is_ours(path.partition("=")[2]):
            raise Refused(404, "There is nothing here")
        if self._open[address] > MOST_OPEN:
            raise Refused(429, "That is a lot of requests at a time: please close some pages")
        if method != "POST":
            return receive
        if COUNTED.match(path) and self._rate.take(address):
            raise Refused(429, "That is a lot of requests: please wait a minute")
        if UPLOAD.fullmatch(path):
            await self._check_upload(Request(scope))
            return receive
        body = await asyncio.wait_for(_whole(receive), REQUEST_SECONDS)
        for file in _files_in(body):
            if not self._is_ours(file):
                raise Refused(400, "That file was not uploaded here: upload it first, then name what came back")
        return _replayed(body, receive)

    async def _check_upload(self, request: Request) -> None:
        most = self._settings.upload_megabytes
        try:
            length = int(request.headers["content-length"])
        except (KeyError, ValueError):
            raise Refused(411, "An upload must tell its length") from None
        if length > most * MEGABYTE + REQUEST_BYTES:
            raise Refused(413, f"The file has {length / MEGABYTE:.0f} MB; up to {most} MB can be taken")
        try:
            await asyncio.to_thread(self._sessions.check_room)
        except UserError as error:
            raise Refused(507, str(error)) from None

    def _is_ours(self, file: Any) -> bool:
        """Whether it names something inside our folders, and neither another machine nor what a link leads to."""
        if not isinstance(file, str) or "\0" in file or ELSEWHERE.match(file):
            return False
        try:
            resolved = Path(file).resolve()
        except (OSError, ValueError):  # too long a name
            return False
        return any(folder in resolved.parents for folder in self._files)


async def _answer(refused: Refused, scope: dict, receive: Callable, send: Callable) -> None:
    tell("refused", at="door", status=refused.status)
    answer = JSONResponse({"detail": refused.words}, refused.status, {"connection": "close"})
    await answer(scope, receive, send)


def _files_in(body: bytes) -> Iterator[Any]:
    """What a request's values name as files: gradio takes any dictionary with a path for one.

    Raises Refused for what is no JSON.
    """
    try:
        values = [json.loads(body or b"null")]
    except (ValueError, RecursionError):
        raise Refused(400, "The request is not JSON") from None
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value["path"]
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)


async def _whole(receive: Callable) -> bytes:
    """Raises Refused beyond REQUEST_BYTES, or where the visitor leaves."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "The request was cut off")
        body += message.get("body", b"")
        if len(body) > REQUEST_BYTES:
            raise Refused(413, f"The request is larger than {REQUEST_BYTES} bytes")
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Callable) -> Callable:
    """The body once more, then what else comes: that the visitor has left."""
    given = False

    async def again() -> dict:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Callable) -> Callable:
    async def sending(message: dict) -> None:
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message.get("headers", []), *HEADERS]}
        await send(message)

    return sending
