"""Several messages on a client's connection: where one ends, the next begins, whatever was in between."""

import contextlib
import threading

import pytest

from tests.behaviours.conftest import Site
from tests.behaviours.wire import PATIENCE_S, Client, Head, Peer, TornError, sending

INNER = b"GET /go/inner HTTP/1.1\r\nHost: h\r\n\r\n"
NEXT = b"GET /go/next HTTP/1.1\r\nHost: h\r\n\r\n"


def goes_on(client: Client, site: Site) -> None:
    """Ask again: the answer is the next request's, or the connection is over."""
    with contextlib.suppress(OSError, TornError):
        client.send(NEXT)
        assert client.answer().seen["target"] == "/go/next"
    assert site.backend.seen("/go/inner") == []


@pytest.mark.item(27)
def test_item_33_pipelined_requests_are_answered_in_order(site: Site) -> None:
    """Requests that come while the first is being served wait; none of them ends it."""
    go_on, begun = threading.Event(), threading.Event()

    def script(peer: Peer, _: Head) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")

    path = site.backend.on("/go/pipelined", script)
    post = b"POST /go/second HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    with site.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path + post)
        assert begun.wait(PATIENCE_S)
        client.send(NEXT)
        go_on.set()
        assert client.answer().body == b"first"
        assert client.answer().seen["body"] == "abc"
        assert client.answer().seen["target"] == "/go/next"


@pytest.mark.parametrize(
    ("path", "status"), [(b"/small/x", 413), (b"/nobody/x", 401), (b"/go/a%2fb", 400), (b"/go//x", 400)]
)
@pytest.mark.item(4, 44)
def test_item_19_the_body_of_what_was_refused_is_no_request(site: Site, path: bytes, status: int) -> None:
    """Its bytes, which look like one, are thrown away or end the connection."""
    body = INNER * 50
    with site.connect() as client:
        request = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
        assert client.ask(request + body[:100]).status == status
        with contextlib.suppress(OSError):
            client.send(body[100:])
        goes_on(client, site)


REFUSED = {
    "413": b"POST /small/x",
    "401": b"POST /nobody/x",
    "400": b"POST /go/a%2fb",
    "TRACE": b"TRACE /go/x",
    "CONNECT": b"CONNECT /go/x",
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.item(1, 4, 44)
def test_item_18_nor_is_it_where_http_may_end(site: Site, kind: str) -> None:
    """With `Upgrade`, and CONNECT, a server may not know of a body: no request comes after a refusal."""
    head = b" HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2000\r\n\r\n"
    inner = f"/go/behind-{kind}"
    with site.connect() as client:
        answer = client.ask(REFUSED[kind] + head)
        assert answer.status == int(kind if kind.isdecimal() else 405)
        with contextlib.suppress(OSError, TornError):
            client.send(INNER.replace(b"/go/inner", inner.encode()))
            client.answer()
    assert site.backend.seen(inner) == []


CONTRADICTIONS = {
    "a length and a coding": b"Host: h\r\nContent-Length: 99\r\nTransfer-Encoding: chunked",
    "a folded coding": b"Host: h\r\nContent-Length: 99\r\nTransfer-Encoding:\r\n chunked",
    "a folded host": b"Host: h\r\n Transfer-Encoding: chunked\r\nContent-Length: 5",
    "no host": b"Content-Length: 5",
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
@pytest.mark.item(11, 17)
def test_item_18_nothing_follows_what_may_be_read_in_two_ways(site: Site, kind: str) -> None:
    """A malformed head ends the connection: what comes behind it is not forwarded."""
    inner = f"/go/contradicted-{kind.replace(' ', '-')}"
    hidden = b"0\r\n\r\n" + INNER.replace(b"/go/inner", inner.encode())
    with site.connect() as client:
        answer = client.ask(b"POST /go/x HTTP/1.1\r\n" + CONTRADICTIONS[kind] + b"\r\n\r\n" + hidden)
        # Granian goes by the coding, and closes the connection, as it may.
        assert answer.status == 400 or answer.head.values(b"server") == [b"granian"]
        with contextlib.suppress(OSError, TornError):
            client.answer()
    assert site.backend.seen(inner) == []


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_item_21_the_rest_of_the_body_is_no_request(site: Site, framing: str) -> None:
    """After an early answer the client sends on: what it sends is not taken for another request."""
    path = site.backend.on("/go/early", early)
    body = INNER * 50
    fields, pieces = b"Content-Length: %d" % len(body), (body[:100], body[100:])
    if framing == "chunked":
        fields = b"Transfer-Encoding: chunked"
        pieces = (b"64\r\n%b\r\n" % body[:100], b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 100, body[100:]))
    with site.connect() as client:
        answer = client.ask(b"POST %b HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % (path, fields) + pieces[0])
        assert (answer.status, answer.body) == (403, b"no")
        with contextlib.suppress(OSError):
            client.send(pieces[1])
        goes_on(client, site)


def early(peer: Peer, _: Head) -> None:
    """Answer before the body is there."""
    peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
    peer.ended()


@pytest.mark.parametrize(
    "trailer", [b"X-Forst-Identity: e30", b"X-Late: 1", b"Host: other", b"Content-Length: 3", b"Cookie: a=1"]
)
@pytest.mark.parametrize("is_whole", [True, False], ids=["at once", "later"])
def test_item_30_trailers_of_a_request_are_no_fields(
    site: Site, trailer: bytes, request: pytest.FixtureRequest, *, is_whole: bool
) -> None:
    """What comes behind the body does not become part of the head that goes upstream."""
    if (
        site.name in {"uvicorn-httptools", "uvicorn-express"}
        and is_whole
        and trailer in {b"X-Late: 1", b"Cookie: a=1"}
    ):
        reason = "uvicorn adds trailers to the head if they come with it, when it parses with httptools"
        request.applymarker(pytest.mark.xfail(reason=reason))
    came = threading.Event()

    def script(peer: Peer, head: Head) -> None:
        came.set()
        body = peer.body(head)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    path = site.backend.on("/go/trailed", script)
    before = len(site.backend.heads)
    with site.connect() as client, contextlib.suppress(TornError):
        head = b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" % path
        client.send(head + b"0\r\n" + trailer + b"\r\n\r\n" if is_whole else head)
        if not is_whole:
            assert came.wait(PATIENCE_S)
            client.send(b"0\r\n" + trailer + b"\r\n\r\n")
        assert client.answer().status in {200, 400}
    name, _, value = trailer.lower().partition(b": ")
    for seen in site.backend.heads[before:]:
        assert value not in [each.lower() for each in seen.values(name)]


@pytest.mark.parametrize("coding", [b"Transfer-Encoding: chunked", b"Content-Length: 5\r\nX: 1"])
@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"304 Not Modified", b"404 No"])
def test_item_25_whatever_a_response_to_head_announces(site: Site, status: bytes, coding: bytes) -> None:
    """No body is waited for, and both connections go on."""
    path = site.backend.on("/go/announced", sending(b"HTTP/1.1 %b\r\n%b\r\n\r\n" % (status, coding)))
    with site.connect() as client:
        assert client.ask(b"HEAD %b HTTP/1.1\r\nHost: h\r\n\r\n" % path).status == int(status[:3])
        assert client.ask(NEXT).seen["target"] == "/go/next"


@pytest.mark.parametrize(
    "line",
    [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200 caf\xe9", b"HTTP/1.1 299 X Y", b"HTTP/1.1 205 R"],
)
def test_item_24_odd_but_right_status_lines_pass(site: Site, line: bytes) -> None:
    """The reason phrase may be anything or nothing."""
    path = site.backend.on("/go/odd", sending(line + b"\r\nContent-Length: 0\r\n\r\n"))
    assert site.get(path).status == int(line[9:12])
