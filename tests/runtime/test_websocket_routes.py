"""Item 42: what answers for a route, by its type, and what a WebSocket route needs."""

from pathlib import Path

import pytest

from forst_asgi import Config, ConfigError, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.config import load
from forst_asgi.forward import Forwarder
from forst_asgi.runtime import Runtime
from forst_asgi.runtime.routes import ByType, require_websockets
from forst_asgi.testing import FakeTransport, RecordingObserver
from forst_asgi.websocket import WebSocketForwarder
from tests.transport.upstream import Run
from tests.websocket.upstream import Browser, no_app


def config_of(*kinds: str, **route: object) -> Config:
    """A configuration with one route of these types."""
    settings = {"id": "r", "path": "/ws", "type": kinds, "mode": "on", "auth": "none", **route}
    sidecar = UpstreamConfig(address="http://127.0.0.1:1")
    return Config(sidecar=sidecar, routes=[RouteConfig(**settings)])  # type: ignore[arg-type]  # see `kinds`


def test_item_42_the_type_decides_what_answers() -> None:
    """A forwarder for requests, one for WebSockets, or one of each."""
    apps = [
        Runtime(config_of(*kinds)).table.routes[0].endpoint.forward
        for kinds in (("http",), ("websocket",), ("http", "websocket"))
    ]
    assert [type(app) for app in apps] == [Forwarder, WebSocketForwarder, ByType]
    assert repr(apps[1]) == "<WebSocketForwarder r -> sidecar>"
    assert repr(apps[2]) == "<ByType http, websocket>"


def test_item_42_both_types_of_one_route_are_answered(run: Run) -> None:
    """A request goes to the transport, a WebSocket to a connection of its own."""
    transport = FakeTransport(lambda request: RuntimeError("the transport was asked"))
    config = config_of("http", "websocket")
    app = SidecarMiddleware(no_app, config, transports={"sidecar": transport}, observer=RecordingObserver())

    async def main() -> None:
        status, _, _ = await Browser(app).answered()
        assert status == 503
        visitor = Browser(app, type="http", method="GET", scheme="http")
        with pytest.raises(RuntimeError, match="the transport was asked"):
            await visitor.returned()

    run(main())


def test_item_42_without_the_library_the_startup_says_so() -> None:
    """The message names route, package and the command that installs it."""
    with pytest.raises(
        ConfigError, match=r"""route "r": .* 'no_such_library'; .*'forst-asgi\[websocket\]'"""
    ):
        require_websockets(RouteConfig(id="r", path="/ws", type="websocket"), "no_such_library")


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("", ("http",)),
        ('type = "websocket"', ("websocket",)),
        ('type = ["websocket", "http"]', ("websocket", "http")),
    ],
)
def test_item_42_the_type_may_be_one_or_a_list(tmp_path: Path, line: str, kinds: tuple[str, ...]) -> None:
    """Left out, a route takes requests only."""
    path = tmp_path / "forst.toml"
    path.write_text(f'[sidecar]\naddress = "unix:/s"\n[[route]]\nid = "r"\npath = "/ws"\n{line}\n')
    assert load(path).routes[0].type == kinds


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('type = "socket"', "type"),
        ("type = []", "type"),
        ('type = "websocket"\nmethods = ["POST"]', 'expected "GET" among the methods'),
        ('type = ["http", "websocket"]\nmethods = ["POST"]', "the handshake of a WebSocket is a GET"),
        ('max_message = "lots"', "max_message"),
        ("ping_interval = 20", "ping_interval"),
    ],
)
def test_item_42_mistakes_are_named(tmp_path: Path, lines: str, message: str) -> None:
    """A type that there is not, a method that no handshake has, a time without a unit."""
    path = tmp_path / "forst.toml"
    path.write_text(f'[sidecar]\naddress = "unix:/s"\n[[route]]\nid = "r"\npath = "/ws"\n{lines}\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)


def test_item_42_methods_with_get_are_no_mistake() -> None:
    """The methods of a route of both types are those of its requests, GET among them."""
    route = RouteConfig(id="r", path="/ws", type=["http", "websocket"], methods=["GET", "POST"])
    assert route.type == ("http", "websocket")
