"""The same small site in five frameworks and by hand; `log` tells in what order things happened to it.

GET /json, GET /stream, POST /echo, GET /background, GET /boom (its own handler for exceptions), GET /file,
GET /state (of the lifespan), GET /sub/where (mounted), WebSocket /ws. Not every framework has all of them.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import django.conf  # type: ignore[import-untyped]
import django.http  # type: ignore[import-untyped]
import django.urls  # type: ignore[import-untyped]
import litestar
import litestar.background_tasks
import litestar.response
import pytest
import quart
from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from forst_asgi.types import ASGIApp

Log = list[str]
AnyApp = Callable[[Any, Any, Any], Awaitable[None]]
Build = Callable[[str, Log], AnyApp]

FILE = Path(__file__)


class BoomError(Exception):
    """What GET /boom raises."""


async def words() -> AsyncIterator[str]:
    """Yield the parts of GET /stream."""
    for word in ("one ", "two ", "three"):
        yield word


async def where(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, as a mounted app, with what it sees of its path."""
    seen = {key: scope[key] for key in ("path", "root_path")}
    await JSONResponse(seen)(scope, receive, send)


def starlette_routes(log: Log) -> list[BaseRoute]:
    """Return the site's routes; FastAPI takes them too."""

    async def stream(_: Request) -> Response:
        return StreamingResponse(words())

    async def echo(request: Request) -> Response:
        return Response(await request.body())

    async def background(_: Request) -> Response:
        return Response("soon", background=BackgroundTask(log.append, "background"))

    async def boom(_: Request) -> Response:
        raise BoomError

    async def file(_: Request) -> Response:
        return FileResponse(FILE)

    async def state(request: Request) -> Response:
        return JSONResponse({"answer": request.state.answer})

    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close(4001)

    return [
        Route("/stream", stream),
        Route("/echo", echo, methods=["POST"]),
        Route("/background", background),
        Route("/boom", boom),
        Route("/file", file),
        Route("/state", state),
        Mount("/sub", app=where),
        WebSocketRoute("/ws", ws),
    ]


def lifespan_of(log: Log) -> Any:
    """Return a lifespan, as Starlette, FastAPI and Litestar take it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[dict[str, int]]:
        log.append("startup")
        yield {"answer": 42}
        log.append("shutdown")

    return lifespan


async def handle(request: Request, error: Exception) -> Response:
    """Answer for BoomError."""
    return JSONResponse({"handled": type(error).__name__}, 418)


def starlette_site(log: Log) -> ASGIApp:
    """Return the site in Starlette."""

    async def json_(_: Request) -> Response:
        return JSONResponse({"a": 1})

    routes = [Route("/json", json_), *starlette_routes(log)]
    handlers: dict[Any, Any] = {BoomError: handle}
    return Starlette(routes=routes, lifespan=lifespan_of(log), exception_handlers=handlers)


def fastapi_site(log: Log) -> ASGIApp:
    """Return the site in FastAPI."""
    handlers: dict[Any, Any] = {BoomError: handle}
    site = FastAPI(routes=starlette_routes(log), lifespan=lifespan_of(log), exception_handlers=handlers)

    @site.get("/json")
    def json_() -> dict[str, int]:
        return {"a": 1}

    return site


def litestar_site(log: Log) -> AnyApp:
    """Return the site in Litestar."""

    @litestar.get("/json")
    async def json_() -> dict[str, int]:
        return {"a": 1}

    @litestar.get("/stream")
    async def stream() -> litestar.response.Stream:
        return litestar.response.Stream(words())

    @litestar.post("/echo", status_code=200, media_type="application/octet-stream")
    async def echo(request: litestar.Request[Any, Any, Any]) -> bytes:
        return await request.body()

    @litestar.get("/background")
    async def background() -> litestar.Response[str]:
        task = litestar.background_tasks.BackgroundTask(log.append, "background")
        return litestar.Response("soon", background=task)

    @litestar.get("/boom")
    async def boom() -> None:
        raise BoomError

    @litestar.get("/file")
    async def file() -> litestar.response.File:
        return litestar.response.File(FILE)

    @litestar.websocket("/ws")
    async def ws(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close(4001)

    def handled(_: object, error: Exception) -> litestar.Response[dict[str, str]]:
        return litestar.Response({"handled": type(error).__name__}, status_code=418)

    return litestar.Litestar(
        [json_, stream, echo, background, boom, file, ws],
        lifespan=[lifespan_of(log)],
        exception_handlers={BoomError: handled},
        openapi_config=None,
        logging_config=None,
    )


def quart_site(log: Log) -> AnyApp:  # noqa: C901 - one function for each endpoint
    """Return the site in Quart."""
    site = quart.Quart(__name__)

    @site.before_serving
    async def startup() -> None:
        log.append("startup")

    @site.after_serving
    async def shutdown() -> None:
        log.append("shutdown")

    @site.get("/json")
    async def json_() -> dict[str, int]:
        return {"a": 1}

    @site.get("/stream")
    async def stream() -> AsyncIterator[str]:
        return words()

    @site.post("/echo")
    async def echo() -> quart.Response:
        return quart.Response(await quart.request.get_data())

    @site.get("/background")
    async def background() -> str:
        site.add_background_task(log.append, "background")
        return "soon"

    @site.get("/boom")
    async def boom() -> str:
        raise BoomError

    @site.errorhandler(BoomError)
    async def handled(error: Exception) -> tuple[dict[str, str], int]:
        return {"handled": type(error).__name__}, 418

    @site.get("/file")
    async def file() -> quart.Response:
        return await quart.send_file(FILE)

    @site.websocket("/ws")
    async def ws() -> None:
        await quart.websocket.accept()
        await quart.websocket.send(await quart.websocket.receive())
        await quart.websocket.close(4001)

    return site


async def django_json(_: Any) -> Any:
    """Answer GET /json."""
    return django.http.JsonResponse({"a": 1})


async def django_stream(_: Any) -> Any:
    """Answer GET /stream."""
    return django.http.StreamingHttpResponse(words())


async def django_echo(request: Any) -> Any:
    """Answer POST /echo."""
    return django.http.HttpResponse(request.body)


async def django_boom(_: Any) -> Any:
    """Answer GET /boom; Django's middleware would handle exceptions, a view may as well."""
    return django.http.JsonResponse({"handled": "BoomError"}, status=418)


def django_site(_: Log) -> AnyApp:
    """Return the site in Django, which has one set of settings in a process."""
    if not django.conf.settings.configured:
        path = django.urls.path
        django.conf.settings.configure(
            SECRET_KEY="x",
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=(
                path("json", django_json),
                path("stream", django_stream),
                path("echo", django_echo),
                path("boom", django_boom),
            ),
            LOGGING_CONFIG=None,
        )
    app: AnyApp = get_asgi_application()
    return app


class ByHand:
    """The site without a framework."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._converse(receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self._log.append("startup")
        scope["state"]["answer"] = 42
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._log.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def _converse(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": 4001})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: dict[str, list[bytes]] = {
            "/json": [json.dumps({"a": 1}).encode()],
            "/stream": [b"one ", b"two ", b"three"],
            "/state": [json.dumps(scope.get("state", {})).encode()],
            "/background": [b"soon"],
        }
        if scope["path"] == "/echo":
            parts["/echo"] = [part async for part in body_of(receive)]
        found = parts.get(scope["path"])
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": []})
        for part in found or []:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if scope["path"] == "/background":
            self._log.append("background")


async def body_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the parts of a request body."""
    more = True
    while more:
        message = await receive()
        yield message["body"]
        more = message["more_body"]


SITES: dict[str, Callable[[Log], AnyApp]] = {
    "fastapi": fastapi_site,
    "starlette": starlette_site,
    "litestar": litestar_site,
    "quart": quart_site,
    "django": django_site,
    "by hand": ByHand,
}


@pytest.fixture(scope="session")
def build() -> Build:
    """Makes a site by its name, which writes to that log."""
    return lambda name, log: SITES[name](log)
