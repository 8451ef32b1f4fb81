"""An app cannot tell that the middleware is there: whatever it does, it does the same with it and without."""

import asyncio
import functools
import socket
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import httpx
import pytest
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.types import ASGIApp, Message

if TYPE_CHECKING:
    from tests.integration.conftest import Serve
    from tests.integration.unnoticed.conftest import Build

Seen: TypeAlias = dict[str, Any]

NOWHERE = UpstreamConfig(address="http://127.0.0.1:9")

TABLES = {
    "no routes": Config(),
    "other routes": Config(
        sidecar=NOWHERE,
        routes=[
            RouteConfig(id="a", path="/json/deeper", mode="on", auth="none"),
            RouteConfig(id="b", path="/json", methods=["PUT"], mode="on", auth="none"),
            RouteConfig(id="c", path="/{rest:path}", host="other.example", mode="on", auth="none"),
            RouteConfig(id="d", path="/{rest:path}", headers={"x-go": "1"}, mode="on", auth="none"),
        ],
    ),
    "all routes off": Config(
        sidecar=NOWHERE, routes=[RouteConfig(id="all", path="/{rest:path}", mode="off", auth="none")]
    ),
}

REQUESTS: list[tuple[str, str, bytes | None]] = [
    ("GET", "/json", None),
    ("HEAD", "/json", None),
    ("OPTIONS", "/json", None),
    ("DELETE", "/json", None),
    ("GET", "/json/", None),
    ("GET", "/stream", None),
    ("POST", "/echo", b"x" * 200_000),
    ("POST", "/echo", b""),
    ("GET", "/background", None),
    ("GET", "/boom", None),
    ("GET", "/file", None),
    ("GET", "/state", None),
    ("GET", "/sub/where", None),
    ("GET", "/missing", None),
    ("GET", "/a%2Fb//../c", None),
]

HAS_NOT: dict[str, set[str]] = {
    "fastapi": set(),
    "starlette": set(),
    "litestar": {"/state", "/sub/where"},
    "quart": {"/state", "/sub/where"},
    "django": {"/state", "/sub/where", "/file", "/background", "lifespan", "/ws"},
    "by hand": {"/sub/where", "/file", "/boom"},
}

VOLATILE = {"date", "server", "expires"}


async def visit(client: httpx.AsyncClient) -> Seen:
    """Make all requests and return what came back."""
    seen: Seen = {}
    for number, (method, path, content) in enumerate(REQUESTS):
        answer = await client.request(method, path, content=content)
        headers = [(name, value) for name, value in answer.headers.items() if name not in VOLATILE]
        seen[f"{number} {method} {path}"] = (answer.status_code, headers, answer.content)
    return seen


class Lifespan:
    """Drives the lifespan of an app in this process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._asked: asyncio.Queue[Message] = asyncio.Queue()
        self._answered: asyncio.Queue[Message] = asyncio.Queue()
        self.state: dict[str, Any] = {}

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._asked.get, self._answered.put)
        except ValueError:  # Django's way to say that it knows no lifespan
            self._answered.put_nowait({"type": "unknown"})

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await self._say("lifespan.startup")
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._task.done():
            await self._say("lifespan.shutdown")
        await self._task

    async def _say(self, kind: str) -> None:
        self._asked.put_nowait({"type": kind})
        await self._answered.get()


@asynccontextmanager
async def in_process(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that calls the app itself."""
    async with Lifespan(app) as lifespan:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": lifespan.state.copy()}, receive, send)

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(with_state), base_url="http://h"
        ) as client:
            yield client


def converse(url: str) -> Seen:
    """Open a WebSocket, send one text, and return all that happened."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname, parts.port
    assert host
    assert port
    ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    happened: list[str] = []
    with socket.create_connection((host, port), 60) as connection:
        connection.sendall(ws.send(Request(host="h", target="/ws")))
        while data := connection.recv(65536):
            ws.receive_data(data)
            for event in ws.events():
                happened.append(str(getattr(event, "data", None) or getattr(event, "code", None)))
                if isinstance(event, AcceptConnection):
                    connection.sendall(ws.send(TextMessage("hello")))
                if isinstance(event, CloseConnection):
                    connection.sendall(ws.send(event.response()))
                    return {"WebSocket /ws": happened}
    return {"WebSocket /ws": happened}


def experience_in_process(app: ASGIApp) -> Seen:
    """Return what clients see when the app is called in this process."""

    async def main() -> Seen:
        async with in_process(app) as client:
            return await visit(client)

    return asyncio.run(main())


def experience_served(serve: "Serve", has_websocket: bool, app: ASGIApp, **options: str) -> Seen:  # noqa: FBT001
    """Return what clients see when uvicorn serves the app."""

    async def main(url: str) -> Seen:
        async with httpx.AsyncClient(base_url=url, timeout=60, headers={"host": "h"}) as client:
            return await visit(client)

    with serve(app, **options) as url:
        seen = asyncio.run(main(url))
        return {**seen, **(converse(url) if has_websocket else {})}


@functools.cache
def config_of(name: str) -> Config:
    """Return one of the tables."""
    return TABLES[name]


def squeezed(body: bytes) -> bytes:
    """Return a body without the white space in which frameworks differ."""
    return b"".join(body.split())


def check_that_it_happened(name: str, seen: Seen, log: list[str]) -> None:
    """Fail if the site did not do what it is there for; else equal answers would mean nothing."""
    expected = {
        "0 GET /json": (200, b'{"a":1}'),
        "5 GET /stream": (200, b"one two three"),
        "6 POST /echo": (200, b"x" * 200_000),
        "8 GET /background": (200, b"soon"),
        "9 GET /boom": (418, b'{"handled":"BoomError"}'),
        "11 GET /state": (200, b'{"answer":42}'),
    }
    for request, (status, body) in expected.items():
        if request.split()[-1] not in HAS_NOT[name]:
            got_status, _, got = seen[request]
            assert (got_status, squeezed(got)) == (status, squeezed(body)), request
    assert seen["13 GET /missing"][0] == 404
    if "lifespan" not in HAS_NOT[name]:
        assert log == ["startup", "background", "shutdown"]
    if "WebSocket /ws" in seen:
        assert seen["WebSocket /ws"] == ["None", "hello", "4001"]


@pytest.mark.item(7)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", HAS_NOT)
def test_an_app_called_in_this_process_cannot_tell(build: "Build", name: str, table: str) -> None:
    """With httpx.ASGITransport, answers, lifespan and background work are the same."""
    plain_log: list[str] = []
    wrapped_log: list[str] = []
    plain = experience_in_process(build(name, plain_log))
    wrapped = experience_in_process(SidecarMiddleware(build(name, wrapped_log), config_of(table)))
    check_that_it_happened(name, plain, plain_log)
    assert wrapped == plain
    assert wrapped_log == plain_log


SERVERS = [
    pytest.param("h11", "asyncio", "other routes"),
    pytest.param("httptools", "uvloop", "all routes off"),
    *(
        pytest.param(http, loop, table, marks=pytest.mark.slow)
        for http, loop in (("h11", "uvloop"), ("httptools", "asyncio"))
        for table in TABLES
    ),
]


@pytest.mark.item(7)
@pytest.mark.parametrize(("http", "loop", "table"), SERVERS)
@pytest.mark.parametrize("name", HAS_NOT)
def test_an_app_served_by_uvicorn_cannot_tell(
    build: "Build", serve: "Serve", name: str, http: str, loop: str, table: str
) -> None:
    """With uvicorn, answers, WebSockets, lifespan and background work are the same."""
    plain_log: list[str] = []
    wrapped_log: list[str] = []
    has_websocket = "/ws" not in HAS_NOT[name]
    see: Callable[[ASGIApp], Seen] = functools.partial(
        experience_served, serve, has_websocket, http=http, loop=loop, lifespan="auto"
    )
    plain = see(build(name, plain_log))
    wrapped = see(SidecarMiddleware(build(name, wrapped_log), config_of(table)))
    check_that_it_happened(name, plain, plain_log)
    assert wrapped == plain
    assert wrapped_log == plain_log
