"""What stands in front of the middleware: uvicorn's own part counts, anything else closes the lane."""

import asyncio
import logging
import socket
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from forst_asgi import Config, ConfigError, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.express.front import Front
from forst_asgi.runtime import Runtime
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.behaviours.conftest import serving_on
from tests.behaviours.wire import Backend
from tests.express.conftest import GO, app, lane_to

CLAIMS = (b"X-Forwarded-For: 203.0.113.9, 127.0.0.1", b"X-Forwarded-Proto: https")
ADDRESS = UpstreamConfig(address="http://127.0.0.1:1")


@pytest.mark.parametrize("allowed", ["127.0.0.1", "*", "192.0.2.1"])
@pytest.mark.parametrize("claims", [CLAIMS, CLAIMS[:1], CLAIMS[1:], ()], ids=["both", "for", "proto", "none"])
def test_proxy_headers_are_believed_as_without_the_lane(
    backend: Backend, allowed: str, claims: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks, and how, is the same for the upstream and in the access log."""
    options: dict[str, Any] = {"proxy_headers": True, "forwarded_allow_ips": allowed, "access_log": True}
    names = ("x-forwarded-for", "x-real-ip", "x-forwarded-proto", "forwarded")
    found, ways = [], {}
    with lane_to(app(backend), backend, **options) as lane, caplog.at_level(logging.INFO, "uvicorn.access"):
        lane.warm()
        for target in (b"/go/x", b"/go/%78"):
            caplog.clear()
            seen = lane.site.get(target, *claims).seen
            peer = caplog.records[0].getMessage().partition(" - ")[0].partition(":")[0]
            found.append([seen.every(name) for name in names] + [peer])
            ways = dict(lane.ways)
    assert found[0] == found[1]
    assert ways["lane"] == 1


def test_the_access_log_has_a_line_like_any_other(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Peer, request line and status."""
    with lane_to(app(backend), backend) as lane, caplog.at_level(logging.INFO, "uvicorn.access"):
        lane.warm()
        caplog.clear()
        lane.site.get(b"/go/x?a=b")
        (line,) = (record.getMessage() for record in caplog.records)
    assert line.endswith('"GET /go/x?a=b HTTP/1.1" 200')
    assert line.startswith("127.0.0.1:")
    assert lane.ways["lane"] == 1


class Stranger:
    """Something in front of the middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stranger", b"1")]
            await send(message)

        await self.app(scope, receive, marked)


def test_nothing_is_skipped(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Behind another middleware every request takes the usual way, and the server's log says why, once."""
    with lane_to(Stranger(app(backend)), backend) as lane, caplog.at_level(logging.ERROR, "uvicorn.error"):
        for _ in range(3):
            assert lane.site.get(b"/go/x").head.values(b"x-stranger") == [b"1"]
    assert lane.ways == {}
    (line,) = (record.getMessage() for record in caplog.records)
    assert "the lane is closed, because a Stranger stands in front of SidecarMiddleware" in line


def test_a_middleware_that_was_changed_is_a_stranger() -> None:
    """What a subclass does for each request would be skipped."""

    class Changed(SidecarMiddleware):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise NotImplementedError

    class Named(SidecarMiddleware):
        pass

    config = Config(sidecar=ADDRESS)
    changed, named = Changed(Starlette(), config), Named(Starlette(), config)
    assert (Front(changed).middleware, Front(named).middleware) == (None, named)
    assert repr(Front(changed)) == "<Front 'Changed'>"


def test_a_configuration_that_cannot_be_used_closes_the_lane(backend: Backend) -> None:
    """Each request raises it, as without the lane."""
    broken = SidecarMiddleware(Starlette(), "/nowhere/forst.toml")
    with lane_to(broken, backend, lifespan="off") as lane:
        assert lane.site.get(b"/go/x").status == 500
        assert lane.ways == {}


async def startup(app: ASGIApp) -> list[Message]:
    """Run an app's startup and return what it said."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    with pytest.raises(ConfigError):
        await app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)
    return said


def test_middleware_that_the_app_adds_in_front_is_refused() -> None:
    """A marked route, and Starlette or FastAPI in front of us: the server does not start, and is told why."""
    config = Config(sidecar=ADDRESS, routes=[RouteConfig(**GO)])
    inside = Starlette(middleware=[Middleware(GZipMiddleware), Middleware(SidecarMiddleware, config=config)])
    (said,) = asyncio.run(startup(inside))
    assert said["type"] == "lifespan.startup.failed"
    assert said["message"] == (
        "express = true: Starlette and its middleware stand in front of SidecarMiddleware and would be "
        "skipped; put it around the app instead of adding it: app = SidecarMiddleware(app)"
    )


def test_without_a_marked_route_it_may_stand_anywhere(backend: Backend) -> None:
    """The refusal is for marked routes only."""
    config = Config(sidecar=ADDRESS, routes=[RouteConfig(**{**GO, "express": False})])
    inside = Starlette(middleware=[Middleware(SidecarMiddleware, config=config)])
    with socket.create_server(("127.0.0.1", 0)) as listener, serving_on(listener, inside, lifespan="on"):
        assert listener.getsockname()


def test_an_upstream_that_needs_a_task_is_refused() -> None:
    """A client of httpx cannot be asked without one."""
    upstream = UpstreamConfig(address="http://127.0.0.1:1", transport="httpx")
    with pytest.raises(
        ConfigError, match='route "go": express = true needs an upstream with transport = "http1"'
    ):
        Runtime(Config(sidecar=upstream, routes=[RouteConfig(**GO)]))


def test_a_route_of_both_kinds_may_be_marked(backend: Backend) -> None:
    """Its requests take the lane, its WebSockets do not."""
    with lane_to(app(backend, route={"type": ["http", "websocket"]}), backend) as lane:
        lane.warm()
        lane.warm()
        assert lane.ways["lane"] == 1
