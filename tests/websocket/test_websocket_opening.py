"""Item 42: the upstream's handshake precedes accept; a refusal goes out as the upstream gave it."""

import asyncio
import gc
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from forst_asgi.identity import RequestLine, Signer
from forst_asgi.types import Scope
from forst_asgi.websocket import Seats, WebSocketForwarder
from forst_asgi.websocket.client import Client
from forst_asgi.websocket.dial import as_bytes
from forst_asgi.websocket.frames import Assembly
from forst_asgi.websocket.link import Link
from forst_asgi.websocket.session import Session
from tests.transport.upstream import Run
from tests.websocket.upstream import PATIENCE_S, Browser, Peer, Site, Upstream, echo, scripted

PARTS = Client | Link | Session | Assembly | Seats | WebSocketForwarder

NO_EXTENSION: dict[str, Any] = {"extensions": {}}


def refuse_with(answer: bytes) -> Callable[[Peer], object]:
    """A script that answers the handshake with these bytes."""

    def script(peer: Peer) -> object:
        peer.raw(answer)
        return peer.request

    return script


def accept_with(*headers: tuple[str, str]) -> Callable[[Peer], object]:
    """A script that accepts with these fields, and returns the close code."""
    return lambda peer: peer.accept(*headers).close_code()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_item_42_a_websocket_is_forwarded(run: Run, tmp_path: Path, kind: str) -> None:
    """Over TCP and Unix sockets: messages go both ways, and the client's close reaches the upstream."""

    async def main() -> None:
        visitor = site.visit()
        await visitor.accepted()
        visitor.say("héllo")
        assert await visitor.hear() == {"type": "websocket.send", "text": "héllo"}
        visitor.say(b"\x00\xff")
        assert await visitor.hear() == {"type": "websocket.send", "bytes": b"\x00\xff"}
        visitor.leave(4001, "bye")
        await visitor.returned()
        assert await upstream.result() == 4001

    with scripted(echo, tmp_path / "s" if kind == "unix" else None) as upstream:
        site = Site(upstream.address)
        run(main())
    assert site.observer.names[-2:] == ["forst.websocket.accepted", "forst.websocket.closed"]
    closed = site.last()
    assert (closed.route, closed.upstream, closed.status, closed.ended_by) == (
        "chat",
        "sidecar",
        101,
        "client",
    )
    assert (closed.close_code, closed.client_messages, closed.upstream_messages) == (4001, 2, 2)


def test_item_42_a_websocket_over_tls(run: Run, tmp_path: Path) -> None:
    """An https upstream is spoken to in TLS, and one whose certificate nobody vouches for is a 502."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)

    async def main() -> None:
        address = upstream.address.replace("http://127.0.0.1", "https://localhost")
        visitor = Site(address, upstream={"tls": {"ca": str(tmp_path / "ca.pem")}}).visit()
        await visitor.accepted()
        visitor.say("hello")
        assert (await visitor.hear())["text"] == "hello"
        visitor.leave(1000)
        await visitor.returned()
        assert await upstream.result() == 1000
        status, _, body = await Site(address).visit().answered()
        assert (status, json.loads(body)["detail"]) == (502, "tls-error")
        with pytest.raises(ssl.SSLError):
            await upstream.result()

    with scripted(echo, tls=tls) as upstream:
        run(main())


def test_item_42_the_client_waits_for_the_upstream(run: Run) -> None:
    """Nothing goes to the client before the upstream has shaken hands."""

    async def main() -> None:
        arrived, loop = asyncio.Event(), asyncio.get_running_loop()
        released = asyncio.Event()

        def hold(peer: Peer) -> int:
            loop.call_soon_threadsafe(arrived.set)
            asyncio.run_coroutine_threadsafe(released.wait(), loop).result(PATIENCE_S)
            return peer.accept().close_code()

        with scripted(hold) as upstream:
            visitor = Site(upstream.address).visit()
            await arrived.wait()
            assert visitor.sent == 0
            released.set()
            await visitor.accepted()
            visitor.leave(1000)
            await visitor.returned()
            assert await upstream.result() == 1000

    run(main())


def test_item_42_the_request_is_the_clients(run: Run) -> None:
    """Target byte for byte; Origin, Cookie and forwarding fields go along, what is per hop is made anew."""
    scope: dict[str, Any] = {
        "path": "/ws",
        "raw_path": b"/%77s",
        "query_string": b"a=%2f&b",
        "headers": [
            (b"host", b"shop.example"),
            (b"origin", b"https://shop.example"),
            (b"cookie", b"sid=1"),
            (b"x-custom", b"a"),
            (b"x-custom", b"b"),
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade, x-hop"),
            (b"x-hop", b"1"),
            (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-extensions", b"permessage-deflate"),
            (b"sec-websocket-protocol", b"chat"),
            (b"x-forst-identity", b"forged"),
        ],
        "subprotocols": ["chat"],
    }

    async def main() -> None:
        visitor = site.visit(**scope)
        status, _, _ = await visitor.answered()
        assert status == 418

    with scripted(refuse_with(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n")) as upstream:
        site = Site(upstream.address)
        run(main())
        request = upstream.take()
    headers = request.headers
    assert request.path == "/%77s?a=%2f&b"
    assert (headers["Host"], headers["Origin"], headers["Cookie"]) == (
        "shop.example",
        "https://shop.example",
        "sid=1",
    )
    assert headers.get_all("X-Custom") == ["a", "b"]
    assert (headers["Upgrade"], headers["Connection"], headers["Sec-WebSocket-Version"]) == (
        "websocket",
        "Upgrade",
        "13",
    )
    assert headers["Sec-WebSocket-Key"] != "AAAAAAAAAAAAAAAAAAAAAA=="
    assert headers["Sec-WebSocket-Protocol"] == "chat"
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == ("192.0.2.1", "http")
    assert headers["X-Request-Id"]
    for name in ("Sec-WebSocket-Extensions", "X-Hop", "X-Forst-Identity"):
        assert name not in headers


def test_item_42_the_upstreams_choices_are_the_clients(run: Run) -> None:
    """Subprotocol and end-to-end fields of the upstream's 101 come with accept, Set-Cookie line by line."""
    accept = (
        ("Sec-WebSocket-Protocol", "b"),
        ("Set-Cookie", "x=1"),
        ("Set-Cookie", "y=2"),
        ("X-Latin", "caf?"),
        ("Server", "theirs"),
        ("Keep-Alive", "1"),
    )

    def script(peer: Peer) -> int:
        peer.accept(*accept, edit=lambda head: head.replace(b"caf?", b"caf\xe9"))
        return peer.close_code()

    async def main() -> None:
        visitor = Site(upstream.address).visit(subprotocols=["a", "b"])
        accept = await visitor.accepted()
        assert accept["subprotocol"] == "b"
        assert accept["headers"] == [
            (b"set-cookie", b"x=1"),
            (b"set-cookie", b"y=2"),
            (b"x-latin", b"caf\xe9"),
        ]
        visitor.leave(1000)
        await visitor.returned()
        assert await upstream.result() == 1000

    with scripted(script) as upstream:
        run(main())


@pytest.mark.parametrize(
    "headers",
    [
        [("Sec-WebSocket-Protocol", "evil")],
        [("Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
        [("Sec-WebSocket-Extensions", "permessage-deflate")],
        [("Upgrade", "h2c")],
    ],
    ids=["subprotocol", "accept", "extension", "upgrade"],
)
def test_item_42_a_101_that_does_not_fit_the_request_is_refused(
    run: Run, headers: list[tuple[str, str]]
) -> None:
    """A subprotocol nobody offered, a wrong Sec-WebSocket-Accept, an extension: 502, connection closed."""

    async def main() -> None:
        visitor = site.visit(subprotocols=["chat"])
        status, fields, body = await visitor.answered()
        assert (status, json.loads(body)["detail"]) == (502, "protocol-error")
        assert fields[b"proxy-status"] == b"forst; error=http_protocol_error"
        assert await upstream.result() == 1006

    with scripted(accept_with(*headers)) as upstream:
        site = Site(upstream.address)
        run(main())
    assert (site.last().name, site.last().status, site.last().stage) == (
        "forst.websocket.failed",
        502,
        "head",
    )


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"", "head-error"),
        (b"HTTP/1.1 101 Switching\r\nUpgr", "head-error"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol-error"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "head-error"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000, "protocol-error"),
        (b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 200_000, "protocol-error"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 5000000\r\n\r\n", "protocol-error"),
        (b"HTTP/1.1 403 No\r\nX: %b\r\n\r\n" % (b"x" * 10_000), "protocol-error"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhal", "head-error"),
    ],
    ids=[
        "nothing",
        "torn",
        "not HTTP",
        "interim",
        "interims",
        "large interim",
        "large body",
        "large field",
        "torn body",
    ],
)
def test_item_42_what_is_no_answer_is_a_502(run: Run, answer: bytes, detail: str) -> None:
    """An upstream that hangs up or sends junk is told to the client as a problem document."""

    async def main() -> None:
        status, _, body = await site.visit().answered()
        assert (status, json.loads(body)["detail"]) == (502, detail)

    with scripted(refuse_with(answer)) as upstream:
        site = Site(upstream.address)
        run(main())
    assert site.last().error.startswith(detail)


def test_item_42_a_refusal_is_relayed(run: Run) -> None:
    """Another status than 101 reaches the client with its fields and its body, and is no failure."""
    answer = (
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a=1\r\nDate: now\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n1\r\n?\r\n0\r\n\r\n"
    )

    async def main() -> None:
        status, headers, body = await site.visit().answered()
        assert (status, body) == (401, b"who?")
        expected = {b"www-authenticate": b"Basic", b"set-cookie": b"a=1", b"content-length": b"4"}
        assert headers == expected

    with scripted(refuse_with(answer)) as upstream:
        site = Site(upstream.address)
        run(main())
    assert (site.last().name, site.last().status) == ("forst.websocket.declined", 401)


def test_item_42_a_redirect_gets_its_prefix_back(run: Run) -> None:
    """Location of a refusal is as the client has to see it; an answer without body has no length."""

    async def main() -> None:
        status, headers, body = await site.visit(path="/api/ws", raw_path=b"/api/ws").answered()
        assert (status, headers, body) == (304, {b"location": b"/api/login"}, b"")

    with scripted(refuse_with(b"HTTP/1.1 304 X\r\nLocation: /login\r\n\r\n")) as upstream:
        site = Site(upstream.address, path="/api/ws", strip_prefix="/api")
        run(main())


@pytest.mark.parametrize(
    ("answer", "code"), [(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 1008), (b"", 1011)]
)
def test_item_42_without_the_extension_a_refusal_is_a_close(run: Run, answer: bytes, code: int) -> None:
    """A server that cannot answer with a response gets a close before accept, which is its 403."""

    async def main() -> None:
        assert await site.visit(**NO_EXTENSION).ended() == (code, "")

    with scripted(refuse_with(answer)) as upstream:
        site = Site(upstream.address)
        run(main())
    assert site.last().status == 403


def test_item_42_nobody_listens(run: Run) -> None:
    """An upstream that cannot be connected to is a 502."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def main() -> None:
        status, _, body = await site.visit().answered()
        assert (status, json.loads(body)["detail"]) == (502, "connect-error")

    site = Site(f"http://127.0.0.1:{port}")
    run(main())
    assert (site.last().stage, site.last().ended_by) == ("connect", "middleware")


@pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere a full backlog refuses connections")
def test_item_42_a_full_backlog_is_waited_for(run: Run, tmp_path: Path) -> None:
    """A Unix listener that is slow to accept has not refused anybody, and answers when it gets to it."""

    async def main() -> None:
        visiting = asyncio.create_task(site.visit().answered())
        done, _ = await asyncio.wait([visiting], timeout=0.1)
        assert done == set()
        listener.accept()[0].close()
        listener.settimeout(0)
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        with connection:
            connection.sendall(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n")
            status, _, _ = await visiting
        assert status == 418

    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(str(path))
        listener.listen(0)
        filler.connect(str(path))
        site = Site(f"unix:{path}", upstream={"connect_timeout": "60s"})
        run(main())


@pytest.mark.parametrize(
    ("limits", "route", "detail"),
    [
        ({"first_byte_timeout": "50ms"}, {}, "first-byte-timeout"),
        ({}, {"timeout": "50ms"}, "deadline-exceeded"),
    ],
)
def test_item_42_an_upstream_that_does_not_answer(
    run: Run, limits: dict[str, str], route: dict[str, Any], detail: str
) -> None:
    """Time limits hold for the handshake: 504, and the connection is closed."""

    async def main() -> None:
        status, _, body = await site.visit().answered()
        assert (status, json.loads(body)["detail"]) == (504, detail)
        assert await upstream.result() is None

    with scripted(lambda peer: peer.frame()) as upstream:
        site = Site(upstream.address, upstream=limits, **route)
        run(main())


def test_item_42_the_deadline_ends_with_the_handshake(run: Run) -> None:
    """An open WebSocket outlives the route's `timeout`."""

    async def main() -> None:
        visitor = Site(upstream.address, timeout="100ms").visit()
        await visitor.accepted()
        await asyncio.sleep(0.2)
        visitor.say("still here")
        assert (await visitor.hear())["text"] == "still here"
        visitor.leave(1000)
        await visitor.returned()

    with scripted(echo) as upstream:
        run(main())


def test_item_42_a_client_that_leaves_while_the_upstream_thinks(run: Run) -> None:
    """The upstream's connection is closed at once, and nobody is answered."""

    async def main() -> None:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def think(peer: Peer) -> object:
            loop.call_soon_threadsafe(arrived.set)
            return peer.frame()

        with scripted(think) as upstream:
            site = Site(upstream.address)
            visitor = site.visit()
            await arrived.wait()
            visitor.leave()
            await visitor.returned()
            assert await upstream.result() is None
            assert visitor.sent == 0
        closed = site.last()
        assert (closed.name, closed.status, closed.close_code) == ("forst.websocket.closed", None, 1006)

    run(main())


def test_item_42_a_client_that_is_gone_gets_no_answer(run: Run) -> None:
    """When `send` says that nobody is there, before accept or for a refusal, it is the client's end."""

    async def main() -> None:
        for script in (accept_with(), refuse_with(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")):
            with scripted(script) as upstream:
                site = Site(upstream.address)
                visitor = site.visit()
                visitor.is_gone = True
                await visitor.returned()
                assert (site.last().name, site.last().ended_by) == ("forst.websocket.closed", "client")

    run(main())


def test_item_42_a_client_that_was_never_there(run: Run) -> None:
    """A first message that is a disconnect leads to nothing at all."""

    async def main() -> None:
        site = Site("http://127.0.0.1:1")
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.disconnect", "code": 1006}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "headers": [], "scheme": "ws"}
        await site.middleware(scope, receive, send)
        assert sent == []
        assert site.last().close_code == 1006

    run(main())


@pytest.mark.parametrize(
    ("scope", "status", "detail"),
    [
        ({"path": "/ws/", "raw_path": b"/ws%2f"}, None, None),
        ({"path": "//ws", "raw_path": b"//ws"}, 400, "unsafe-target"),
        ({"query_string": b"a b"}, 400, "unsafe-target"),
        ({"headers": []}, 400, "bad-host"),
        ({"headers": [(b"host", b"x"), *[(b"a", b"b")] * 300]}, 431, "headers-too-large"),
        ({"headers": [(b"host", b"x"), (b"a", b"b\r\nc: d")]}, 400, "request-error"),
    ],
)
def test_item_42_what_must_not_be_sent_is_refused(
    run: Run, scope: dict[str, Any], status: int | None, detail: str | None
) -> None:
    """Unsafe targets and heads are refused as those of requests; other paths fall through."""
    asked: list[str] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        asked.append(scope["path"])

    async def main() -> None:
        visitor = Browser(site.middleware, **scope)
        if status is None:
            await visitor.returned()
            return
        got, _, body = await visitor.answered()
        assert (got, json.loads(body)["detail"]) == (status, detail)

    site = Site("http://127.0.0.1:1", app=app)
    run(main())
    if status is None:
        assert asked == ["/ws/"]
    else:
        assert (site.last().name, site.last().error) == ("forst.websocket.refused", detail)


def test_item_42_a_websocket_on_a_route_for_http_falls_through(run: Run) -> None:
    """The app gets the very scope, receive and send of a WebSocket that no route takes."""
    got: list[Any] = []

    async def app(*arguments: Any) -> None:
        got.append(arguments)

    async def main() -> None:
        visitor = Browser(Site("http://127.0.0.1:1", app=app, type="http").middleware)
        await visitor.returned()
        [(scope, receive, send)] = got
        assert scope is visitor._scope
        assert (receive, send) == (visitor._receive, visitor._send)

    run(main())


def test_item_42_a_reset_in_the_handshake(run: Run) -> None:
    """A connection that is reset instead of answered is a 502."""

    def reset(peer: Peer) -> None:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def main() -> None:
        status, _, body = await site.visit().answered()
        assert (status, json.loads(body)["detail"]) == (502, "head-error")

    with scripted(reset) as upstream:
        site = Site(upstream.address)
        run(main())


def test_item_42_what_is_at_work_shows_its_state(run: Run) -> None:
    """Everything that lives as long as a WebSocket has a repr that tells how it stands."""

    async def main() -> None:
        visitor = Site(upstream.address).visit()
        await visitor.accepted()
        seen = {repr(each) for each in gc.get_objects() if isinstance(each, PARTS)}
        expected = {
            "<Client /ws accepted=True>",
            "<Link OPEN>",
            "<Session <Link OPEN> up=0 down=0>",
            "<Assembly 0 bytes>",
            "<Seats 1 of 1000>",
            "<WebSocketForwarder chat -> sidecar>",
        }
        assert expected <= seen
        visitor.leave(1000)
        await visitor.returned()

    with scripted(echo) as upstream:
        run(main())


@pytest.mark.parametrize(("value", "expected"), [("caf\xe9", b"caf\xe9"), ("caf\udce9", b"caf\xe9")])
def test_item_42_fields_are_bytes_whatever_the_library_does(value: str, expected: bytes) -> None:
    """Since version 17 of the library text stands for Latin-1, before that for ASCII with surrogates."""
    assert as_bytes(value) == expected


async def nobody_in_particular(connection: HTTPConnection) -> None:
    """An `auth` callable that lets everybody in and claims nothing."""


def test_item_44_no_claims_are_no_field(run: Run) -> None:
    """An auth callable may let in without saying whom."""

    async def main() -> None:
        await site.visit().answered()
        request = await upstream.result()
        assert "X-Forst-Identity" not in request.headers

    with scripted(refuse_with(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as upstream:
        site = Site(upstream.address, auth=f"{__name__}:nobody_in_particular")
        run(main())


async def let_in(connection: HTTPConnection) -> Mapping[str, Any]:
    """An `auth` callable that knows everybody who has a cookie."""
    assert connection.scope["type"] == "websocket"
    if "cookie" not in connection.headers:
        raise HTTPException(401, "who are you?", {"www-authenticate": "Basic"})
    return {"sub": "ada"}


def test_item_44_auth_is_asked_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    """What the callable claims travels signed in x-forst-identity."""
    secret = tmp_path / "secret"
    secret.write_text("x" * 40)
    headers = [(b"host", b"x"), (b"cookie", b"sid=1")]

    async def main() -> None:
        visitor = site.visit(headers=headers)
        await visitor.answered()
        request = await upstream.result()
        value = request.headers["X-Forst-Identity"].encode()
        payload = Signer(b"x" * 40).verify(value, RequestLine(b"GET", b"/ws"), time.time())
        assert (payload["claims"], payload["route"]) == ({"sub": "ada"}, "chat")

    with scripted(refuse_with(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as upstream:
        site = Site(upstream.address, auth=f"{__name__}:let_in", upstream={"secret_file": secret})
        run(main())


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
def test_item_44_auth_refuses(run: Run, extensions: dict[str, Any]) -> None:
    """Its HTTPException is the answer to the handshake, or a close; nothing is sent upstream."""

    async def main() -> None:
        visitor = site.visit(extensions=extensions)
        if extensions:
            status, headers, body = await visitor.answered()
            assert (status, headers[b"www-authenticate"], json.loads(body)) == (
                401,
                b"Basic",
                {"detail": "who are you?"},
            )
        else:
            assert await visitor.ended() == (1008, "")

    site = Site("http://127.0.0.1:1", auth=f"{__name__}:let_in")
    run(main())
    assert (site.last().name, site.last().error) == ("forst.websocket.refused", "auth")
    assert site.last().status == (401 if extensions else 403)


def test_item_42_events_of_success_are_built_for_who_wants_them(run: Run) -> None:
    """An observer that wants no requests hears nothing of WebSockets that went well or were declined."""

    async def main(upstream: Upstream) -> None:
        site = Site(upstream.address)
        site.observer.wants_requests = False
        visitor = site.visit()
        await visitor.hear()
        visitor.leave(1000)
        await visitor.returned()
        assert not [name for name in site.observer.names if name.startswith("forst.websocket.")]

    for script in (echo, refuse_with(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")):
        with scripted(script) as upstream:
            run(main(upstream))
