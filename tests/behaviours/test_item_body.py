"""Items 17 to 22 on the wire: the body of the request."""

import contextlib
import threading

import pytest

from forst_asgi import Config, RouteConfig, UpstreamConfig
from forst_asgi.types import Message, Receive, Scope, Send
from tests.behaviours.conftest import Site, serving_here
from tests.behaviours.served import build
from tests.behaviours.wire import PATIENCE_S, Backend, Client, Head, Peer, TornError

CHUNKED = b"5\r\nhello\r\n1;ext=1\r\n,\r\n6\r\n world\r\n0\r\n\r\n"


def post(path: bytes, *fields: bytes) -> bytes:
    """Return the head of a POST."""
    return b"POST %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (path, b"".join(field + b"\r\n" for field in fields))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_item_17_no_body_has_no_framing(site: Site, method: str) -> None:
    """A request without a body goes up without Content-Length and Transfer-Encoding."""
    site.ask(b"%b /go/none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % method.encode())
    head = site.backend.seen("/go/none")[-1]
    assert head.method == method.encode()
    assert head.values(b"content-length") + head.values(b"transfer-encoding") == []


@pytest.mark.parametrize(
    ("request_", "framing", "body"),
    [
        (post(b"/go/x", b"Content-Length: 0"), {"content-length": ["0"]}, ""),
        (post(b"/go/x", b"Content-Length: 3") + b"abc", {"content-length": ["3"]}, "abc"),
        (
            b"GET /go/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
            {"content-length": ["3"]},
            "abc",
        ),
        (
            post(b"/go/x", b"Transfer-Encoding: chunked") + CHUNKED,
            {"transfer-encoding": ["chunked"]},
            "hello, world",
        ),
        (
            post(b"/go/x", b"Transfer-Encoding: Chunked") + b"0\r\n\r\n",
            {"transfer-encoding": ["chunked"]},
            "",
        ),
    ],
    ids=["empty", "length", "get", "chunked", "empty chunked"],
)
def test_item_17_framing_is_one_of_two(
    site: Site, request_: bytes, framing: dict[str, list[str]], body: str
) -> None:
    """Content-Length or chunked, as the client had it, and never both."""
    seen = site.ask(request_).seen
    names = ("content-length", "transfer-encoding")
    assert {name: seen.every(name) for name in names if seen.every(name)} == framing
    assert seen["body"] == body


@pytest.mark.parametrize(
    "fields",
    [
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 100"),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: gzip",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: xchunked",),
        (b"Content-Length: 3", b"Content-Length: 4"),
        (b"Content-Length: 3, 4",),
        (b"Content-Length: +3",),
        (b"Content-Length: 0x3",),
        (b"Content-Length: -3",),
        (b"Content-Length: 3 3",),
    ],
    ids=lambda fields: b" ".join(fields).decode(),
)
def test_item_17_what_two_readers_could_frame_differently(site: Site, fields: tuple[bytes, ...]) -> None:
    """No whole message reaches the upstream, or one with one framing and the very bytes that it announces."""
    whole: list[tuple[Head, bytes]] = []

    def script(peer: Peer, head: Head) -> None:
        whole.append((head, peer.body(head)))
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    path = site.backend.on("/go/odd", script)
    with site.connect() as client, contextlib.suppress(TornError):
        client.send(post(path, b"Connection: close", *fields) + CHUNKED)
        client.answer()
    for head, body in whole:
        framing = [each for each in head.fields if each[0] in {b"content-length", b"transfer-encoding"}]
        expected = {
            b"chunked": ([(b"transfer-encoding", b"chunked")], b"hello, world"),
            b"3": ([(b"content-length", b"3")], CHUNKED[:3]),
        }
        assert (framing, body) == expected[framing[0][1]]


# -- lengths that are not kept --------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"x"])
def test_item_18_an_upgrade_that_loses_the_body(site: Site, protocol: bytes) -> None:
    """A server that leaves the body to the upgrade hands on a length without bytes: 400, nothing sent."""
    path = b"/go/up"
    before = len(site.backend.seen("/go/up"))
    fields = b"Connection: Upgrade", b"Upgrade: " + protocol, b"Content-Length: 3"
    answer = site.ask(post(path, *fields) + b"abc")
    if answer.status == 200:
        assert answer.seen["body"] == "abc"
    else:
        assert answer.status == 400
        assert len(site.backend.seen("/go/up")) == before
    assert site.ask(post(path, b"Content-Length: 2") + b"ok").seen["body"] == "ok"


class Meddling:
    """Middleware that changes bodies and leaves their Content-Length.

    Args:
        app: what is wrapped.
        change: makes another body of each piece.
    """

    def __init__(self, backend: Backend, cut: int, extra: bytes) -> None:
        route = RouteConfig(id="go", path="/{rest:path}", mode="on", auth="none")
        self._app = build(Config(sidecar=UpstreamConfig(address=backend.address), routes=[route]))
        self._cut = cut
        self._extra = extra

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def meddled() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                body = message["body"]
                message = {**message, "body": body[: len(body) - self._cut] + self._extra}
            return message

        await self._app(scope, meddled if scope["type"] == "http" else receive, send)


@pytest.mark.parametrize(
    ("cut", "extra"), [(1, b""), (0, b"x"), (0, b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n")]
)
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_item_18_a_body_of_another_length(backend: Backend, cut: int, extra: bytes, size: int) -> None:
    """Too short or too long, small or streamed: 400, and the upstream's connection ends amid the request."""
    torn: list[bytes] = []
    ended = threading.Event()

    def script(peer: Peer, head: Head) -> None:
        torn.append(peer.rest())
        ended.set()

    path = backend.on(f"/meddled/{size}/{cut}/{len(extra)}", script)
    with serving_here(Meddling(backend, cut, extra), backend) as site:
        answer = site.ask(post(path, b"Content-Length: %d" % size) + b"x" * size)
        assert (answer.status, answer.problem) == (400, "body-mismatch")
    if backend.seen(path.decode()):
        assert ended.wait(PATIENCE_S)
        assert len(torn[0]) < size
    assert not backend.seen("/evil")


# -- size, streaming, early answers ---------------------------------------------------------------------


def test_item_19_a_body_that_is_too_large(site: Site) -> None:
    """413 by its Content-Length, with nothing sent; 413 by what comes, with the upstream's message torn."""
    before = len(site.backend.seen("/small/x"))
    answer = site.ask(post(b"/small/x", b"Content-Length: 1025") + b"x" * 1025)
    assert (answer.status, answer.problem) == (413, "body-too-large")
    assert len(site.backend.seen("/small/x")) == before
    assert len(site.ask(post(b"/small/x", b"Content-Length: 1024") + b"x" * 1024).seen["body"]) == 1024
    ended = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.ended()
        ended.set()

    path = site.backend.on("/small/chunked", script)
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    with site.connect() as client:
        client.send(post(path, b"Transfer-Encoding: chunked") + chunk)
        client.send(b"1\r\nx\r\n0\r\n\r\n")
        assert client.answer().status == 413
    assert not site.backend.seen("/small/chunked") or ended.wait(PATIENCE_S)


@pytest.mark.parametrize("framing", [b"Content-Length: 6", b"Transfer-Encoding: chunked"])
def test_item_20_the_first_piece_does_not_wait(site: Site, framing: bytes) -> None:
    """It is upstream, although the client has more to send; small bodies with a length may come whole."""
    came = threading.Event()
    pieces = [b"abc", b"def"] if b"Length" in framing else [b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n"]
    size = 70_000 if b"Length" in framing else 0
    if size:
        framing = b"Content-Length: %d" % (size + 6)
        pieces[0] = b"x" * size + pieces[0]

    def script(peer: Peer, head: Head) -> None:
        first = peer.exactly(3)
        came.set()
        rest = peer.until(b"def" if size else b"0\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"ok" if first and rest else b"no"))

    path = site.backend.on("/go/pieces", script)
    with site.connect() as client:
        client.send(post(path, framing) + pieces[0])
        assert came.wait(PATIENCE_S)
        client.send(pieces[1])
        assert client.answer().body == b"ok"


EARLY = b"HTTP/1.1 413 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstop"
EARLY_KEPT = b"HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nstop"


@pytest.mark.parametrize("answer", [EARLY, EARLY_KEPT], ids=["close", "keep"])
@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
def test_item_21_an_answer_amid_the_upload(site: Site, answer: bytes, framing: bytes) -> None:
    """The client gets it while it has more to send, and the connection is not used again."""
    numbers: list[int] = []
    ended = threading.Event()

    def script(peer: Peer, head: Head) -> None:
        numbers.append(peer.number)
        peer.send(answer)
        peer.ended()
        ended.set()

    path = site.backend.on("/go/early", script)
    with site.connect() as client:
        client.send(post(path, framing) + b"3\r\nabc\r\n")
        got = client.answer()
    assert (got.status, got.body) == (int(answer[9:12]), b"stop")
    assert ended.wait(PATIENCE_S)
    assert site.get(b"/go/x").seen["connection"] not in numbers


def test_item_21_an_answer_and_a_broken_connection(site: Site) -> None:
    """The upstream answers and closes without reading on; the client, which writes on, gets the answer."""

    def script(peer: Peer, head: Head) -> None:
        peer.send(EARLY)
        peer.sock.close()

    path = site.backend.on("/go/broken", script)
    with site.connect() as client:
        size = 3_000_000
        request = post(path, b"Content-Length: %d" % size) + b"x" * size
        sender = threading.Thread(target=send_quietly, args=(client, request))
        sender.start()
        got = client.answer()
        sender.join(PATIENCE_S)
    assert (got.status, got.body) == (413, b"stop")


def send_quietly(client: Client, data: bytes) -> None:
    """Send until the other side takes no more."""
    with contextlib.suppress(OSError):
        client.send(data)


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_item_22_a_client_that_leaves_its_upload(site: Site, framing: bytes, *, is_reset: bool) -> None:
    """The upstream sees an end amid the message: no last chunk, and fewer bytes than announced."""
    begun, ended = threading.Event(), threading.Event()
    torn: list[bytes] = []

    def script(peer: Peer, head: Head) -> None:
        first = peer.exactly(8)
        begun.set()
        torn.append(first + peer.rest())
        ended.set()

    path = site.backend.on("/go/gone", script)
    with site.connect() as client:
        client.send(post(path, framing) + b"3\r\nabc\r\n" + b"400\r\n" + b"x" * 100)
        assert begun.wait(PATIENCE_S)
        client.reset() if is_reset else client.sock.close()
    assert ended.wait(PATIENCE_S)
    assert b"0\r\n\r\n" not in torn[0]
    assert len(torn[0]) < 1000
