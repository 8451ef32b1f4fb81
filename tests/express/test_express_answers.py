"""What the client gets from the lane: the very bytes that it would get without it."""

import re
import socket
from typing import Any

import pytest

from tests.behaviours.conftest import Site
from tests.behaviours.wire import Backend, Peer, sending
from tests.express.conftest import Lane, app, lane_to

ANSWERS = {
    "with a length": b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nok",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n",
    "chunked and empty": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "without fields": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n',
    "an error of its own": b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
    "an unknown status": b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok",
    "two cookies": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: \xe9\r\nSet-Cookie: b=2\r\n"
    b"Content-Length: 0\r\n\r\n",
    "fields of one connection": b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nDate: then\r\nServer: x\r\n"
    b"Connection: x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok",
    "large": b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000,
}


def raw(site: Site, request: bytes) -> bytes:
    """Return all the bytes of the answers, Date made equal."""
    with site.connect() as client:
        client.send(request)
        return re.sub(rb"date: [^\r]+", b"date: now", client.rest())


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
@pytest.mark.parametrize("name", ANSWERS)
def test_the_bytes_are_uvicorns(backend: Backend, lane: Lane, usual: Site, name: str, method: bytes) -> None:
    """Status line, fields, framing and body are the same as those of an ASGI cycle."""
    answer = ANSWERS[name]
    if method == b"HEAD":
        answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    path = backend.on("/go/answer", sending(answer))
    body = b"Content-Length: 3\r\n\r\nabc" if method == b"POST" else b"\r\n"
    head = b"%b %b HTTP/1.1\r\nHost: h\r\n" % (method, path)
    request = head + b"Connection: close\r\n" + body
    assert raw(lane.site, request) == raw(usual, request)
    assert lane.ways == {"lane": 1} or name == "large"


def test_requests_follow_each_other(backend: Backend, lane: Lane) -> None:
    """The client's connection is kept, for the lane and for what does not take it."""
    with lane.site.connect() as client:
        for path in (b"/go/a", b"/python", b"/go/b", b"/go/c"):
            assert client.ask(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path).status == 200
    assert lane.ways == {"lane": 3}


def test_answers_come_in_the_order_of_the_requests(backend: Backend, lane: Lane, usual: Site) -> None:
    """A pipelined request waits for the one on the lane, which may be answered at once or later."""
    lines = b"GET %b HTTP/1.1\r\nHost: h\r\n%b\r\n"
    last = lines % (b"/python", b"Connection: close\r\n")
    for first in (b"/go/quick", slow(backend)):
        lane.warm()
        pipeline = lines % (first, b"") + lines % (b"/go/next", b"") + last
        answers = raw(lane.site, pipeline)
        assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 3
        assert answers.index(first) < answers.index(b"/go/next") < answers.index(b"python")


def slow(backend: Backend) -> bytes:
    """Return a path whose answer comes in two pieces, the first without its body."""
    body = b'"/go/slow"'

    def script(peer: Peer, _: object) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.send(body)

    return backend.on("/go/slow", script)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"date_header": False}, b"server: uvicorn"),
        ({"server_header": False}, b"date: now"),
        ({"headers": [("X-By", "me"), ("Server", "mine")]}, b"x-by: me\r\nserver: mine"),
    ],
)
def test_the_servers_own_fields_are_as_it_was_told(
    backend: Backend, options: dict[str, Any], field: bytes
) -> None:
    """Date, Server and further ones are those that uvicorn adds to every response."""
    request = b"GET /%b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with lane_to(app(backend), backend, **options) as lane:
        lane.warm()
        on_lane, beside = (raw(lane.site, request % path) for path in (b"go/x", b"python"))
    assert field in on_lane
    assert field in beside
    assert on_lane.partition(b"\r\ncontent-length")[0] == beside.partition(b"\r\ncontent-length")[0]
    assert lane.ways["lane"] == 1


def test_a_request_is_counted(backend: Backend) -> None:
    """Uvicorn's limit of requests holds for the lane: the server ends after so many."""
    with (
        lane_to(app(backend), backend, limit_max_requests=3, timeout_keep_alive=600) as lane,
        lane.site.connect() as client,
    ):
        for _ in range(3):
            assert client.ask(b"GET /go/x HTTP/1.1\r\nHost: h\r\n\r\n").status == 200
        assert client.rest() == b""
    assert lane.ways["lane"] == 2
