"""Items that HTTP/2 makes different, with raw frames to hypercorn."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from tests.behaviours.conftest import OpenSite, Site
from tests.behaviours.wire import PATIENCE_S, Client, Head, Peer, Seen, TornError
from tests.behaviours.wire import Answer as PlainAnswer

Pairs = list[tuple[bytes, bytes]]


class Client2:
    """A client that may send what HTTP/2 forbids."""

    def __init__(self, stream: Client) -> None:
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._stream = stream
        self._events: list[Any] = []
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent; whether the server has closed is seen by its answer."""
        with contextlib.suppress(OSError):
            self._stream.send(self.h2.data_to_send())

    def ask(
        self, path: bytes, *fields: tuple[bytes, bytes], method: bytes = b"GET", body: bool = False
    ) -> int:
        """Send a request head; return its stream."""
        number: int = self.h2.get_next_available_stream_id()
        fields = (
            fields if any(name == b":authority" for name, _ in fields) else ((b":authority", b"h"), *fields)
        )
        pseudo = [field for field in fields if field[0].startswith(b":")]
        plain = [field for field in fields if not field[0].startswith(b":")]
        head = [(b":method", method), (b":path", path), (b":scheme", b"http"), *pseudo, *plain]
        self.h2.send_headers(number, [field for field in head if field[1]], end_stream=not body)
        self.flush()
        return number

    def data(self, number: int, data: bytes, *, end: bool = False) -> None:
        """Send a piece of a body."""
        self.h2.send_data(number, data, end_stream=end)
        self.flush()

    def reset(self, number: int) -> None:
        """Give a request up."""
        self.h2.reset_stream(number)
        self.flush()

    def answer(self, number: int) -> PlainAnswer:
        """Return the response to a request, as if it had come over HTTP/1.1."""
        head, body = b"", b""
        for event in self._next(number):
            match event:
                case h2.events.ResponseReceived():
                    head = b"".join(b"%b: %b\r\n" % pair for pair in event.headers)
                    status = dict(event.headers)[b":status"]
                    head = b"HTTP/2 %b \r\n%b\r\n" % (status, head)
                case h2.events.DataReceived():
                    body += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, number)
                    self.flush()
                case h2.events.StreamReset():
                    raise TornError
                case h2.events.StreamEnded():
                    return PlainAnswer(Head(head), body)
        raise TornError

    def extras(self, number: int) -> tuple[Pairs, Pairs]:
        """Return the fields of interim responses and of trailers, once the response is whole."""
        hints: Pairs = []
        trailers: Pairs = []
        for event in self._next(number):
            if isinstance(event, h2.events.InformationalResponseReceived):
                hints += event.headers
            elif isinstance(event, h2.events.TrailersReceived):
                trailers += event.headers
            elif isinstance(event, h2.events.StreamEnded):
                break
        return hints, trailers

    def _next(self, number: int) -> Iterator[Any]:
        while True:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, h2.events.ConnectionTerminated):
                    raise TornError
                if getattr(event, "stream_id", None) == number:
                    yield event
            data = self._stream.some()
            if not data:
                raise TornError
            self._events += self.h2.receive_data(data)
            self.flush()


@pytest.fixture
def site(open_site: OpenSite) -> Iterator[Site]:
    """Hypercorn."""
    made = open_site("hypercorn")
    yield made
    made.backend.raise_problems()


@pytest.fixture
def client(site: Site) -> Iterator[Client2]:
    """A connection in HTTP/2."""
    with site.connect() as stream:
        yield Client2(stream)


def seen(client: Client2, path: bytes, *fields: tuple[bytes, bytes], **more: Any) -> Seen:
    """Return what the upstream saw of a request."""
    return client.answer(client.ask(path, *fields, **more)).seen


def refused(client: Client2, path: bytes, *fields: tuple[bytes, bytes], **more: Any) -> int | None:
    """Return the status of a request that must not be forwarded, None for a reset."""
    try:
        return client.answer(client.ask(path, *fields, **more)).status
    except TornError:
        return None


@pytest.mark.parametrize(
    "path",
    [
        b"/go/a b",
        b"/go/a\tb",
        b"/go/a\x00b",
        b"/go/a\r\nX: y",
        b"/go/a\nb",
        b"/go/a\xc3\xa9",
        b"/go/a?b c",
        b"/go/a?b\r\nX: y",
        b"/go/a HTTP/1.1\r\nHost: x\r\n\r\nGET /go/evil",
    ],
)
def test_item_03_no_byte_breaks_the_request_line(site: Site, client: Client2, path: bytes) -> None:
    """What only HTTP/2 can carry in a path is refused, and nothing goes upstream."""
    before = len(site.backend.heads)
    assert refused(client, path) in {400, None}
    assert len(site.backend.heads) == before


@pytest.mark.parametrize(
    "path", [b"/go/../x", b"/go//x", b"/go/a%2fb", b"/go/%2e%2e", b"/go/a\\b", b"/go/%00"]
)
def test_item_04_hazards_are_refused_over_http_2(site: Site, client: Client2, path: bytes) -> None:
    """As over HTTP/1.1."""
    before = len(site.backend.heads)
    assert refused(client, path) == 400
    assert len(site.backend.heads) == before


@pytest.mark.parametrize("path", [b"*", b"http://other.example/go/x", b"go/x"])
def test_item_06_other_forms_over_http_2(site: Site, client: Client2, path: bytes) -> None:
    """A path that is none never goes upstream."""
    before = len(site.backend.heads)
    refused(client, path)
    assert len(site.backend.heads) == before


@pytest.mark.parametrize("method", [b"GET /go/evil HTTP/1.1\r\nX:", b"G T", b"G\nT"])
def test_item_01_a_method_is_a_token(site: Site, client: Client2, method: bytes) -> None:
    """What is none would become part of the request line; it is refused."""
    before = len(site.backend.heads)
    refused(client, b"/go/x", method=method)
    assert len(site.backend.heads) == before


@pytest.mark.parametrize(
    "field",
    [
        (b"x", b"a\r\nx-admin: 1"),
        (b"x", b"a\nb"),
        (b"x", b"a\x00b"),
        (b"x: y\r\nx-admin", b"1"),
        (b"x y", b"1"),
        (b"", b"1"),
    ],
)
def test_item_16_no_byte_breaks_a_field_apart(
    site: Site, client: Client2, field: tuple[bytes, bytes]
) -> None:
    """A name or value that would be two fields of HTTP/1.1 never becomes two."""
    before = len(site.backend.heads)
    refused(client, b"/go/x", field)
    for head in site.backend.heads[before:]:
        assert head.values(b"x-admin") == []
        assert b"a\nb" not in head.raw
        assert b"\x00" not in head.raw


@pytest.mark.parametrize(
    "field",
    [
        (b"connection", b"x-secret"),
        (b"transfer-encoding", b"chunked"),
        (b"keep-alive", b"1"),
        (b"upgrade", b"h2c"),
        (b"proxy-connection", b"x"),
        (b"te", b"trailers"),
    ],
)
def test_item_10_fields_of_a_connection_do_not_pass(
    site: Site, client: Client2, field: tuple[bytes, bytes]
) -> None:
    """HTTP/2 forbids them; whatever the server makes of that, they stay behind."""
    before = len(site.backend.heads)
    refused(client, b"/go/x", field)
    for head in site.backend.heads[before:]:
        assert head.values(field[0]) == []


@pytest.mark.parametrize(
    "fields",
    [
        ((b":authority", b"a"), (b"host", b"b")),
        ((b":authority", b""), (b"host", b"a"), (b"host", b"b")),
        ((b":authority", b"a"), (b":authority", b"b")),
    ],
)
def test_item_11_two_hosts_over_http_2(
    site: Site, client: Client2, fields: tuple[tuple[bytes, bytes], ...]
) -> None:
    """Nothing goes upstream with two of them, or with one that is not the authority."""
    refused(client, b"/go/hosts", *fields)
    for head in site.backend.seen("/go/hosts"):
        assert head.values(b"host") == [b"a"]


def test_item_12_cookies_are_joined(client: Client2) -> None:
    """One Cookie line goes upstream for those that HTTP/2 split; the order of the others is kept."""
    fields = (b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2"), (b"x-a", b"2"), (b"cookie", b"c=3")
    came = seen(client, b"/go/x", *fields)
    assert came.every("cookie") == ["a=1; b=2; c=3"]
    assert came.every("x-a") == ["1", "2"]
    assert came.every("host") == ["h"]


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
def test_item_17_a_request_without_a_body_has_no_framing(site: Site, client: Client2, method: bytes) -> None:
    """The end of the stream comes with the head: nothing is announced upstream."""
    came = seen(client, b"/go/x", method=method)
    assert came.every("content-length") + came.every("transfer-encoding") == []


@pytest.mark.parametrize("length", [None, b"6"])
def test_item_17_a_body_over_http_2(client: Client2, length: bytes | None) -> None:
    """With its length, or in chunks."""
    fields = [(b"content-length", length)] if length else []
    number = client.ask(b"/go/x", *fields, method=b"POST", body=True)
    client.data(number, b"abc")
    client.data(number, b"def", end=True)
    came = client.answer(number).seen
    assert came["body"] == "abcdef"
    assert (came.every("content-length"), came.every("transfer-encoding")) in (
        (["6"], []),
        ([], ["chunked"]),
    )


@pytest.mark.parametrize("length", [b"5", b"7", b"0"])
def test_item_18_a_length_that_is_not_kept_over_http_2(site: Site, client: Client2, length: bytes) -> None:
    """More or less than announced: refused, and no whole request is upstream."""
    whole: list[bytes] = []

    def script(peer: Peer, head: Head) -> None:
        whole.append(peer.body(head))
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    path = site.backend.on("/go/length", script)
    number = client.ask(path, (b"content-length", length), method=b"POST", body=True)
    client.data(number, b"abcdef", end=True)
    with contextlib.suppress(TornError):
        assert client.answer(number).status == 400
    assert whole == []


@pytest.mark.parametrize("phase", ["head", "body", "upload"])
@pytest.mark.item(22, 35)
def test_item_33_a_stream_that_is_reset(site: Site, client: Client2, phase: str) -> None:
    """The upstream's connection ends and its slot is free, while the client's connection goes on."""
    begun, ended = threading.Event(), threading.Event()

    def script(peer: Peer, head: Head) -> None:
        if phase == "body":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        begun.set()
        peer.ended()
        ended.set()

    path = site.backend.on("/narrow/reset", script)
    number = client.ask(path, method=b"POST" if phase == "upload" else b"GET", body=phase == "upload")
    if phase == "upload":
        client.data(number, b"abc")
    assert begun.wait(PATIENCE_S)
    client.reset(number)
    assert ended.wait(PATIENCE_S)
    assert seen(client, b"/narrow/x")["target"] == "/narrow/x"


@pytest.mark.slow  # hypercorn lets the stream hang until it closes the idle connection, after five seconds
def test_item_28_a_torn_response_over_http_2(site: Site, client: Client2) -> None:
    """Its stream is reset or the connection ends: no clean end of the stream."""

    def script(peer: Peer, head: Head) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        peer.sock.close()

    number = client.ask(site.backend.on("/go/torn", script))
    with pytest.raises(TornError):
        client.answer(number)


def test_item_26_response_fields_over_http_2(site: Site, client: Client2) -> None:
    """No field of a connection comes, one Date and one Server do, cookies apart."""
    response = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 1\r\nDate: x\r\nServer: x\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
    )
    path = site.backend.on("/go/h2", lambda peer, _: peer.send(response))
    answer = client.answer(client.ask(path))
    names = [name for name, _ in answer.head.fields]
    assert not {b"connection", b"x-gone", b"keep-alive", b"transfer-encoding", b"x-t"} & set(names)
    assert (names.count(b"date"), names.count(b"server")) == (1, 1)
    assert answer.head.values(b"set-cookie") == [b"a=1", b"b=2"]
    assert answer.body == b"ok"


def test_item_23_early_hints_pass_through_the_extension(site: Site, client: Client2) -> None:
    """A server that can send them gets the Link fields of a 103."""
    response = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX: 1\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )
    path = site.backend.on("/go/hints", lambda peer, _: peer.send(response))
    hints, _ = client.extras(client.ask(path))
    assert (b":status", b"103") in hints
    assert (b"link", b"</a.css>; rel=preload") in hints


def test_item_30_trailers_pass_through_the_extension(site: Site, client: Client2) -> None:
    """A server that can send them, to a client that asks for them, gets them."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    response = head + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"
    path = site.backend.on("/go/sums", lambda peer, _: peer.send(response))
    _, trailers = client.extras(client.ask(path, (b"te", b"trailers")))
    assert trailers == [(b"x-sum", b"1")]
