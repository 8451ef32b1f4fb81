"""Items 23 to 30 on the wire: the response."""

import contextlib
import gzip
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from tests.behaviours.conftest import Site, serving_here
from tests.behaviours.served import starlette
from tests.behaviours.wire import PATIENCE_S, Backend, Head, Peer, Script, TornError, sending

if TYPE_CHECKING:
    from tests.conftest import Recorder

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def get(path: bytes) -> bytes:
    """Return a GET on a connection that stays."""
    return b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path


# -- interim and junk -----------------------------------------------------------------------------------

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n", INTERIM])
@pytest.mark.parametrize("count", [1, 3])
def test_item_23_an_interim_response_is_not_the_response(site: Site, interim: bytes, count: int) -> None:
    """The client gets the final one, without the fields of the others."""
    path = site.backend.on("/go/interim", sending(interim * count + OK))
    with site.connect() as client:
        client.send(get(path))
        head = client.head()
        assert (head.status, head.values(b"link"), client.body(head)) == (200, [], b"ok")


def test_item_23_interim_responses_have_an_end(site: Site) -> None:
    """Too many of them are a protocol error, and the connection is closed."""
    ended = threading.Event()

    def script(peer: Peer, head: Head) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(1000):
                peer.send(INTERIM)
        ended.set()

    answer = site.get(site.backend.on("/go/endless", script))
    assert (answer.status, answer.problem) == (502, "protocol-error")
    assert ended.wait(PATIENCE_S)


JUNK = {
    "101": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "status 000": b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "one length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
    "space before colon": b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
    "large": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "nothing": b"",
}


@pytest.mark.parametrize("junk", JUNK)
def test_item_24_junk_is_a_502(site: Site, junk: str) -> None:
    """And the connection is closed, without the next request on it."""
    ended = threading.Event()

    def script(peer: Peer, head: Head) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.send(JUNK[junk])
            if not JUNK[junk]:
                peer.half_close()
        assert peer.rest() == b""
        ended.set()

    answer = site.get(site.backend.on("/go/junk", script))
    assert (answer.status, answer.head.values(b"x")) == (502, [])
    assert ended.wait(PATIENCE_S)


# -- where a message ends -------------------------------------------------------------------------------


def test_item_25_head_keeps_the_length_and_the_connection(site: Site) -> None:
    """The response to HEAD has GET's Content-Length and no body; the upstream's connection is used again."""
    path = site.backend.on(
        "/go/head", lambda peer, _: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
    )
    with site.connect() as client:
        first = client.ask(get(b"/go/x")).seen["connection"]
        head = client.ask(b"HEAD %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        assert (head.status, head.head.values(b"content-length")) == (200, [b"1234"])
        assert client.ask(get(b"/go/x")).seen["connection"] == first


BODYLESS = {
    "HEAD": (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"),
    "204": (b"GET", b"HTTP/1.1 204 No Content\r\nX: %d\r\n\r\n"),
    "204 with a length": (b"GET", b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n"),
    "304": (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\nETag: x\r\n\r\n"),
}


@pytest.mark.parametrize("kind", BODYLESS)
def test_item_25_a_body_where_there_is_none_is_nobodys(site: Site, kind: str) -> None:
    """What follows such a head is not the answer to the next request."""
    method, head = BODYLESS[kind]
    numbers: list[int] = []

    def script(peer: Peer, _: Head) -> None:
        numbers.append(peer.number)
        peer.send(head % len(EVIL) + EVIL)
        peer.ended()

    path = site.backend.on("/go/none", script)
    with site.connect() as client:
        answer = client.ask(b"%b %b HTTP/1.1\r\nHost: h\r\n\r\n" % (method, path))
        assert (answer.status, answer.body) == (int(head[9:12]), b"")
        assert client.ask(get(b"/go/x")).seen["connection"] not in numbers


LENGTH = b"Content-Length: 2\r\n\r\nok"
UPSTREAM_FIELDS = (
    b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: go\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\n"
    b"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: x\r\nTrailer: x\r\n"
    b"Upgrade: h2c\r\nSet-Cookie: a=1; Path=/\r\nX-Kept: 1\r\nSet-Cookie: b=2\r\nX-Kept: 2\r\n"
    b"Set-Cookie: a=3; Path=/x\r\nX-Obs: caf\xe9\r\n"
)


@pytest.mark.parametrize("framing", [LENGTH, b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"])
def test_item_26_the_fields_of_the_response(site: Site, framing: bytes) -> None:
    """Hop-by-hop fields are gone, cookies apart and in order, and there is one Date and one Server."""
    path = site.backend.on("/go/fields", sending(b"HTTP/1.1 200 OK\r\n" + UPSTREAM_FIELDS + framing))
    with site.connect() as client:
        answer = client.ask(get(path))
        head = answer.head
        assert answer.body == b"ok"
        assert client.ask(get(b"/go/x")).status == 200
    for name in (b"x-gone", b"proxy-authenticate", b"proxy-connection", b"trailer", b"upgrade"):
        assert head.values(name) == []
    assert b"x-gone" not in b"".join(head.values(b"connection")).lower()
    assert head.values(b"keep-alive") in ([], [b"timeout=5"] if site.name == "granian" else [])
    assert head.values(b"set-cookie") == [b"a=1; Path=/", b"b=2", b"a=3; Path=/x"]
    assert head.values(b"x-kept") == [b"1", b"2"]
    assert head.values(b"x-obs") == [b"caf\xe9"]
    assert [len(head.values(b"date")), len(head.values(b"server"))] == [1, 1]
    assert b"1970" not in head.values(b"date")[0]


@pytest.mark.parametrize("target", [b"/go/a%2fb", b"/go/junk26", b"/elsewhere", b"/nobody/x"])
def test_item_26_one_date_and_one_server_on_every_answer(site: Site, target: bytes) -> None:
    """On those of ours and those of the app, too."""
    site.backend.on("/go/junk26", lambda peer, _: peer.sock.close())
    head = site.get(target).head
    assert [len(head.values(b"date")), len(head.values(b"server"))] == [1, 1]


@pytest.mark.xfail(reason="the upstream's Date is dropped whether the server writes its own or not")
def test_item_26_a_server_that_writes_no_date(backend: Backend) -> None:
    """With --no-date-header the upstream's is the one."""
    route = RouteConfig(id="go", path="/go/{rest:path}", mode="on", auth="none")
    config = Config(sidecar=UpstreamConfig(address=backend.address), routes=[route])
    path = backend.on("/go/dated", sending(b"HTTP/1.1 200 OK\r\n" + UPSTREAM_FIELDS + LENGTH))
    app = SidecarMiddleware(starlette, config)
    with serving_here(app, backend, date_header=False, server_header=False) as site:
        head = site.get(path).head
    assert head.values(b"date") == [b"Thu, 01 Jan 1970 00:00:00 GMT"]


def test_item_27_a_body_that_ends_with_its_connection(site: Site) -> None:
    """It is relayed whole, and the next request has another connection."""
    numbers: list[int] = []

    def script(peer: Peer, _: Head) -> None:
        numbers.append(peer.number)
        peer.send(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\n")
        peer.send(b"a" * 100_000)
        peer.sock.close()

    path = site.backend.on("/go/eof", script)
    with site.connect() as client:
        assert client.ask(get(path)).body == b"a" * 100_000
        assert client.ask(get(b"/go/x")).seen["connection"] not in numbers


CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize("extra", [EVIL, b"x", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("response", [OK, CHUNKED_OK])
@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "while idle"])
def test_item_27_bytes_after_the_end(site: Site, response: bytes, extra: bytes, *, is_late: bool) -> None:
    """In the same write, or later on the idle connection: it is closed, and they are nobody's answer."""
    answered, ended = threading.Event(), threading.Event()
    numbers: list[int] = []

    def script(peer: Peer, _: Head) -> None:
        numbers.append(peer.number)
        if is_late:
            peer.send(response)
            assert answered.wait(PATIENCE_S)
            peer.send(extra)
        else:
            peer.send(response + extra)
        assert peer.rest() == b""
        ended.set()

    path = site.backend.on("/go/after", script)
    with site.connect() as client:
        assert client.ask(get(path)).body == b"ok"
        answered.set()
        assert ended.wait(PATIENCE_S)
        seen = client.ask(get(b"/go/x")).seen
        assert (seen["target"], seen["connection"] in numbers) == ("/go/x", False)


@pytest.mark.parametrize("size", [1000, 65_536, 131_072, 200_000, 256_000, 262_144])
def test_item_27_bytes_after_the_end_are_not_those_of_who_waits(site: Site, size: int) -> None:
    """The connection is free and somebody waits for it: what lies unread on it is not his answer.

    One write, of which one read takes just the response: several sizes are those of the loops' buffers.
    """
    begun, go_on = threading.Event(), threading.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %6d\r\n\r\n"
    body = b"x" * (size - len(head % size))

    def script(peer: Peer, _: Head) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        peer.send(head % len(body) + body + EVIL)

    path = site.backend.on("/narrow/after", script)
    with site.connect() as first, site.connect() as waiting:
        first.send(get(path))
        assert begun.wait(PATIENCE_S)
        waiting.send(get(b"/narrow/x"))
        assert site.get(b"/go/x").status == 200  # by now the other one waits in line
        go_on.set()
        assert first.answer().body == body
        assert waiting.answer().seen["target"] == "/narrow/x"


# -- torn, failed -----------------------------------------------------------------------------------------

TORN = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\nx",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    "no end of trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n",
}


@pytest.mark.parametrize("kind", TORN)
@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_item_28_a_torn_response_is_torn_for_the_client(site: Site, kind: str, *, is_reset: bool) -> None:
    """The client's connection ends without the last bytes or the last chunk."""
    relayed = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.send(TORN[kind])
        assert relayed.wait(PATIENCE_S)
        peer.reset() if is_reset else peer.sock.close()

    path = site.backend.on("/go/torn", script)
    with site.connect() as client:
        client.send(get(path))
        head = client.head()
        assert head.status == 200
        relayed.set()
        with pytest.raises(TornError):
            client.body(head)


def test_item_28_a_reset_is_no_end_of_a_body_without_a_length(usual: Site) -> None:
    """A body that would end with the connection was cut off when the connection broke."""
    relayed = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        assert relayed.wait(PATIENCE_S)
        # Unread bytes make a Unix socket's close a reset.
        peer.sock.close()

    path = usual.backend.on("/go/cut", script)
    with usual.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" % path + b"x" * 99_000)
        head = client.head()
        relayed.set()
        with pytest.raises(TornError):
            list(client.chunks())
    assert head.status == 200


def check_problem(head: Head, document: dict[str, object], status: int, secret: str) -> None:
    """Check that an answer says what went wrong and nothing more."""
    assert head.values(b"content-type") == [b"application/problem+json"]
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["status"] == status
    [proxy_status] = head.values(b"proxy-status")
    assert proxy_status.startswith(b"forst; error=")
    assert (head.values(b"retry-after") != []) == (status == 503)
    for text in (secret, "Error", "Traceback", "forst_asgi", "errno", ".py"):
        assert text not in str(document)
        assert text.encode() not in head.raw


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/go/hangup", 502, b"connection_terminated"),
        ("/go/junk29", 502, b"http_protocol_error"),
        ("/hasty/silent", 504, b"http_response_timeout"),
        ("/deadline/silent", 504, b"http_response_timeout"),
    ],
)
def test_item_29_a_failure_is_a_problem_document(site: Site, path: str, status: int, error: bytes) -> None:
    """With Proxy-Status, and with nothing in it that is internal."""
    scripts: dict[str, Script] = {
        "hangup": lambda peer, _: peer.sock.close(),
        "junk29": sending(b"junk\r\n\r\n"),
        "silent": lambda peer, _: peer.ended(),
    }
    site.backend.on(path, scripts[path.rpartition("/")[2]])
    answer = site.get(path.encode())
    check_problem(answer.head, json.loads(answer.body), status, site.backend.address)
    assert answer.head.values(b"proxy-status") == [b"forst; error=" + error]
    assert answer.status == status


def test_item_29_nobody_listens(backend: Backend, tmp_path: Path, recorder: "Recorder") -> None:
    """No socket, or one without a listener, is a 502."""
    route = RouteConfig(id="go", path="/go/{rest:path}", mode="on", auth="none")
    config = Config(sidecar=UpstreamConfig(address=f"unix:{tmp_path}/none"), routes=[route])
    with serving_here(SidecarMiddleware(starlette, config, observer=recorder), backend) as site:
        answer = site.get(b"/go/x")
    check_problem(answer.head, json.loads(answer.body), 502, str(tmp_path))
    assert answer.head.values(b"proxy-status") == [b"forst; error=connection_refused"]


# -- bytes ------------------------------------------------------------------------------------------------


def test_item_30_trailers_are_never_fields(site: Site) -> None:
    """They are dropped where the server has no extension for them, and the connection is used again."""
    numbers: list[int] = []

    def script(peer: Peer, _: Head) -> None:
        numbers.append(peer.number)
        peer.send(
            b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
            b"X-Sum: 1\r\nSet-Cookie: evil=1\r\n\r\n"
        )

    path = site.backend.on("/go/trailers", script)
    with site.connect() as client:
        answer = client.ask(get(path))
        assert (answer.body, client.ask(get(b"/go/x")).seen["connection"]) == (b"ok", numbers[0])
    assert answer.head.values(b"x-sum") + answer.head.values(b"set-cookie") == []


def test_item_30_bytes_are_left_alone(site: Site) -> None:
    """A coded part of a body passes with its coding, its validator and its range."""
    body = gzip.compress(b"x" * 1000)
    fields = (
        b"Content-Type: application/x",
        b"Content-Encoding: gzip",
        b'ETag: W/"a"',
        b"Content-Range: bytes 0-%d/5000" % (len(body) - 1),
        b"Accept-Ranges: bytes",
        b"Vary: accept-encoding, Origin",
        b"Content-Length: %d" % len(body),
    )
    path = site.backend.on(
        "/go/bytes",
        sending(b"HTTP/1.1 206 Partial Content\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body),
    )
    answer = site.get(path)
    assert (answer.status, answer.body) == (206, body)
    for field in fields:
        name, _, value = field.partition(b": ")
        assert answer.head.values(name.lower()) == [value]
