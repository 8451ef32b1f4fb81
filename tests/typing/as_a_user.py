"""How a user's code looks to a type checker; checked by test_public_types.py, never run."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import httpx
import litestar
import quart
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from uvicorn import Config as UvicornConfig
from uvicorn import run

from forst_asgi import (
    Config,
    ConfigError,
    Event,
    ForstError,
    HttpxTransport,
    LogsConfig,
    Observer,
    RouteConfig,
    SidecarMiddleware,
    TlsConfig,
    Transport,
    UpstreamConfig,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
)

api = FastAPI()
api.add_middleware(SidecarMiddleware, config="forst.toml")
api.add_middleware(SidecarMiddleware, config=Path("forst.toml"))
api.add_middleware(SidecarMiddleware)

site = Starlette(middleware=[Middleware(SidecarMiddleware, config="forst.toml")])
site.add_middleware(SidecarMiddleware, config="forst.toml")

wrapped = SidecarMiddleware(site)
run(wrapped)
UvicornConfig(app=wrapped)
SidecarMiddleware(litestar.Litestar())
SidecarMiddleware(quart.Quart(__name__))
httpx.ASGITransport(app=SidecarMiddleware(api, "forst.toml"))

config = Config(
    sidecar=UpstreamConfig(command=["./sidecar", Path("config.json")], ready_timeout="5s"),
    upstreams={
        "tcp": UpstreamConfig(address="http://127.0.0.1:9000", connect_timeout=dt.timedelta(seconds=1)),
        "tls": UpstreamConfig(address="https://a:1", tls=TlsConfig(ca="ca.pem")),
    },
    routes=[
        RouteConfig(id="a", path="/a", methods=["GET"], mode="on", auth="none", max_body="1MiB"),
        {"id": "b", "path": "/b", "upstream": "tcp"},
    ],
    logs=LogsConfig(format="json"),
)
assert_type(config.routes, tuple[RouteConfig, ...])
assert_type(config.upstreams, Mapping[str, UpstreamConfig])
assert_type(config.upstream("tcp"), UpstreamConfig)


class Quiet:
    """An observer of the user's own."""

    wants_requests: bool = False

    def observe(self, event: Event) -> None:
        """Note nothing."""


class Retry:
    """A transport of the user's own that wraps another."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Try twice."""
        try:
            return await self._inner.send(request)
        except UpstreamError:
            return await self._inner.send(request)

    async def aclose(self) -> None:
        """Close the other."""
        await self._inner.aclose()


def answer(request: httpx.Request) -> httpx.Response:
    """Answer as the sidecar would."""
    return httpx.Response(200)


def check(connection: HTTPConnection) -> dict[str, Any]:
    """Say who is asking."""
    return {"user": connection.headers["authorization"]}


observer: Observer = Quiet()
fake: Transport = HttpxTransport(httpx.MockTransport(answer))
SidecarMiddleware(api, config, transports={"sidecar": Retry(fake)}, observer=observer)

try:
    SidecarMiddleware(api, config)
except ConfigError as error:
    problem: ForstError = error

# What must not pass; mypy complains about each ignore that it does not need.
SidecarMiddleware(api, 7)  # type: ignore[arg-type]
SidecarMiddleware(api, config, {"sidecar": fake})  # type: ignore[call-arg]
SidecarMiddleware(api, transports={"sidecar": object()})  # type: ignore[dict-item]
api.add_middleware(SidecarMiddleware, confg="forst.toml")  # type: ignore[call-arg]
RouteConfig(id="a", path="/a", mode="canery")  # type: ignore[arg-type]
RouteConfig(path="/a")  # type: ignore[call-arg]
UpstreamConfig(adress="http://127.0.0.1:9000")  # type: ignore[call-arg]
UpstreamConfig(address="http://127.0.0.1:9000", connect_timeout=5)  # type: ignore[arg-type]
