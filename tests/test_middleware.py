"""The path of a request: what is forwarded, and that everything else reaches the app untouched."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from forst_asgi import Config, ConfigError, ForstError, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.request_id import RequestId, current
from forst_asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from tests.conftest import FakeUpstream, Recorder

NOWHERE = UpstreamConfig(address="http://127.0.0.1:9")

CONFIG = Config(
    sidecar=NOWHERE,
    routes=[
        RouteConfig(id="on", path="/on", methods=["GET", "POST"], mode="on", auth="none"),
        RouteConfig(id="off", path="/off", mode="off", auth="none"),
    ],
)

Wrap = Callable[..., SidecarMiddleware]


def http(path: str, **changes: Any) -> Scope:
    """Return an HTTP scope as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
        **changes,
    }


UNTOUCHED = [
    http("/other"),
    http("/on/"),
    http("/ON"),
    http("/on", method="DELETE"),
    http("/off"),
    http("/mounted/on", root_path="/elsewhere"),
    {"type": "websocket", "path": "/on", "headers": [], "subprotocols": []},
    {"type": "webtransport", "path": "/on"},
    {"type": "http.unheard.of"},
]


class App:
    """An app that remembers how it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []
        self.keys: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope, receive, send))
        self.keys = set(scope)


@pytest.fixture
def app() -> App:
    """The wrapped app."""
    return App()


@pytest.fixture
def wrapped(app: App, upstream: "FakeUpstream", recorder: "Recorder") -> SidecarMiddleware:
    """The app with the middleware around it and a fake upstream behind that."""
    return SidecarMiddleware(app, CONFIG, transports={"sidecar": upstream}, observer=recorder)


async def unasked() -> Message:
    """Stand in for a `receive` that nobody may call."""
    raise AssertionError("nothing may be received before it is known who answers")


async def unsent(message: Message) -> None:
    """Stand in for a `send` that nobody may call."""
    raise AssertionError(f"nothing may be sent: {message}")


@pytest.mark.item(7)
@pytest.mark.parametrize("scope", UNTOUCHED, ids=lambda scope: f"{scope['type']} {scope.get('path')}")
def test_what_no_route_takes_reaches_the_app_as_it_came(
    wrapped: SidecarMiddleware, app: App, scope: Scope
) -> None:
    """The app gets the very scope, receive and send objects, unread and without additions."""
    before = dict(scope)
    asyncio.run(wrapped(scope, unasked, unsent))
    [(seen, receive, send)] = app.calls
    assert seen is scope
    assert receive is unasked
    assert send is unsent
    assert scope == before
    assert app.keys == set(before)


@pytest.mark.item(7)
def test_the_values_of_an_untouched_scope_are_the_same_objects(wrapped: SidecarMiddleware) -> None:
    """Falling through copies nothing, neither the header list nor the state."""
    scope = http("/other")
    values = dict(scope)
    asyncio.run(wrapped(scope, unasked, unsent))
    assert all(scope[key] is value for key, value in values.items())


@pytest.mark.parametrize("path", ["/other", "/off"])
@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_the_app_raises_passes_through(path: str, error: BaseException) -> None:
    """An exception of the app reaches the server as the same object."""

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async def main() -> None:
        with pytest.raises(type(error)) as raised:
            await SidecarMiddleware(failing, CONFIG)(http(path), unasked, unsent)
        assert raised.value is error

    asyncio.run(main())


def test_a_listed_request_is_answered_by_the_upstream(
    wrapped: SidecarMiddleware, app: App, upstream: "FakeUpstream"
) -> None:
    """A request on a route that is on reaches the upstream, and the app never hears of it."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(wrapped(http("/on", query_string=b"q=1"), unasked, send))
    assert app.calls == []
    assert [request.target for request in upstream.requests] == [b"/on?q=1"]
    assert [message.get("status", message.get("body")) for message in sent] == [200, b"from the upstream"]


def test_a_route_with_mode_off_never_asks_the_upstream(
    wrapped: SidecarMiddleware, upstream: "FakeUpstream"
) -> None:
    """Bypass means that nothing is sent upstream."""
    asyncio.run(wrapped(http("/off"), unasked, unsent))
    assert upstream.requests == []


@pytest.mark.parametrize("path", ["/other", "/off"])
@pytest.mark.parametrize("given", [b"from-the-client:1", None])
def test_the_logs_of_the_app_carry_the_request_id(path: str, given: bytes | None) -> None:
    """The app logs under the id of the request: the one of the client, or else one that was made."""
    lines: list[Any] = []

    async def logging_app(scope: Scope, receive: Receive, send: Send) -> None:
        lines.append(structlog.contextvars.merge_contextvars(None, "info", {}))
        lines.append(structlog.processors.JSONRenderer()(None, "info", dict(lines[0])))

    scope = http(path)
    if given:
        scope["headers"] = [*scope["headers"], (b"x-request-id", given)]
    asyncio.run(SidecarMiddleware(logging_app, CONFIG)(scope, unasked, unsent))
    bound, line = lines
    assert str(bound["request_id"])
    assert line == f'{{"request_id": "{bound["request_id"]}"}}'
    assert given is None or bound["request_id"] == given.decode()


@pytest.mark.parametrize("given", [b"", b"has space", b"new\nline", b"x" * 129, b"\xff", b'quote"'], ids=repr)
def test_an_id_that_could_harm_a_log_is_replaced(given: bytes) -> None:
    """What is not a plain, short token never becomes the request's id."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(str(current.get()))

    scope = http("/other", headers=[(b"host", b"h"), (b"x-request-id", given)])
    asyncio.run(SidecarMiddleware(app, CONFIG)(scope, unasked, unsent))
    assert seen[0].isascii()
    assert seen[0].encode() != given
    assert seen[0]


def test_two_ids_are_as_good_as_none() -> None:
    """Two x-request-id fields contradict each other, so a new id is made."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(str(current.get()))

    scope = http("/other", headers=[(b"x-request-id", b"a"), (b"x-request-id", b"b")])
    asyncio.run(SidecarMiddleware(app, CONFIG)(scope, unasked, unsent))
    assert seen[0] not in {"a", "b"}


def test_each_request_has_its_own_id() -> None:
    """Ids of concurrent requests differ, and one stays the same while its request lasts."""
    seen: list[tuple[str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first = str(current.get())
        await asyncio.sleep(0)
        seen.append((first, str(current.get())))

    async def main() -> None:
        wrapped = SidecarMiddleware(app, CONFIG)
        await asyncio.gather(*(wrapped(http("/other"), unasked, unsent) for _ in range(20)))

    asyncio.run(main())
    assert all(first == second for first, second in seen)
    assert len({first for first, _ in seen}) == 20


def test_an_id_is_as_good_as_its_text() -> None:
    """An id equals the text that it shows, hashes like it, and stays the same once it was asked for."""
    given = RequestId.of(http("/", headers=[(b"x-request-id", b"abc")]))
    assert given == "abc"
    assert given == RequestId.of(http("/", headers=[(b"x-request-id", b"abc")]))
    assert {given: 1}["abc"] == 1  # type: ignore[index]
    assert given != 7
    assert repr(given) == "'abc'"
    made = RequestId.of(http("/"))
    assert made.make() == made.value == made.make()


def test_the_upstream_gets_the_id_that_the_logs_have(
    wrapped: SidecarMiddleware, upstream: "FakeUpstream"
) -> None:
    """The field x-request-id that goes upstream is the one id of this request."""

    async def send(message: Message) -> None:
        pass

    scope = http("/on", headers=[(b"host", b"h"), (b"x-request-id", b"abc")])
    asyncio.run(wrapped(scope, unasked, send))
    [request] = upstream.requests
    assert [value for name, value in request.headers if name == b"x-request-id"] == [b"abc"]


@pytest.mark.parametrize("kind", ["http", "websocket", "unheard.of"])
def test_a_bad_configuration_is_raised_by_each_request(tmp_path: Path, app: App, kind: str) -> None:
    """Without a lifespan there is nobody else to tell, and the app must not answer as if all were well."""
    middleware = SidecarMiddleware(app, tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        asyncio.run(middleware(http("/other", type=kind), unasked, unsent))
    assert app.calls == []


def test_a_bad_configuration_does_not_raise_where_the_app_is_built(tmp_path: Path) -> None:
    """Building the middleware never raises a ConfigError, for servers would show a traceback."""
    path = tmp_path / "forst.toml"
    path.write_text("[sidecar]\nadress = 'http://127.0.0.1:9'\n")
    assert isinstance(SidecarMiddleware(App(), path), SidecarMiddleware)


def test_a_transport_for_an_unknown_upstream_is_a_bad_configuration(upstream: "FakeUpstream") -> None:
    """A name in `transports` that no upstream has is named, with those that there are."""
    middleware = SidecarMiddleware(App(), CONFIG, transports={"sidecra": upstream})
    with pytest.raises(ForstError, match=r"no upstream 'sidecra'.*sidecar"):
        asyncio.run(middleware(http("/on"), unasked, unsent))
