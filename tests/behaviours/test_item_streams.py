"""Items 31 to 36 on the wire: streams, slow sides, clients that leave, and time."""

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.events import RequestAbandoned, RequestFailed
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.behaviours.conftest import Site, serving_here
from tests.behaviours.served import starlette
from tests.behaviours.wire import PATIENCE_S, Backend, Client, Head, Peer, Script, TornError

if TYPE_CHECKING:
    from tests.conftest import Recorder

MIB = 1 << 20
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
STALLED_S = 0.5
"""Without room for so long, a writer counts as stopped; a machine that is too slow only stops it earlier."""


def get(path: bytes) -> bytes:
    """Return a GET."""
    return b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path


def chunk(data: bytes) -> bytes:
    """Return data as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# -- streaming ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", [b"Content-Length: 3", b"Transfer-Encoding: chunked"])
def test_item_31_the_head_does_not_wait_for_the_body(site: Site, framing: bytes) -> None:
    """The client has it while the upstream has not sent a byte of the body."""
    seen = threading.Event()
    in_time: list[bool] = []

    def script(peer: Peer, _: Head) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n%b\r\nX-Early: 1\r\n\r\n" % framing)
        in_time.append(seen.wait(PATIENCE_S))
        peer.send(b"abc" if b"Length" in framing else chunk(b"abc") + b"0\r\n\r\n")

    with site.connect() as client:
        client.send(get(site.backend.on("/go/early-head", script)))
        head = client.head()
        assert head.values(b"x-early") == [b"1"]
        seen.set()
        assert client.body(head) == b"abc"
    assert in_time == [True]


def test_item_31_each_event_passes_at_once(site: Site) -> None:
    """The client has each event before the upstream sends the next one."""
    taken = threading.Semaphore(0)

    def script(peer: Peer, _: Head) -> None:
        peer.send(STREAM)
        for number in range(5):
            peer.send(chunk(b"data: %d\n\n" % number))
            assert taken.acquire(timeout=PATIENCE_S)
        peer.send(b"0\r\n\r\n")

    with site.connect() as client:
        client.send(get(site.backend.on("/go/events", script)))
        client.head()
        for number, data in enumerate(client.chunks()):
            assert data == b"data: %d\n\n" % number
            taken.release()


# -- slow sides -----------------------------------------------------------------------------------------


def send_until_stalled(stream: Client | Peer, piece: bytes, total: int) -> int:
    """Send pieces until the other side takes no more or all are sent; return how many bytes were taken."""
    stream.sock.settimeout(STALLED_S)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < total:
            sent += stream.sock.send(piece)
    stream.sock.settimeout(PATIENCE_S)
    return sent


def test_item_32_a_slow_client_pauses_the_upstream(site: Site) -> None:
    """Of 64 MiB only what fits into buffers leaves the upstream; others are served meanwhile."""
    sent: list[int] = []
    stalled = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        sent.append(send_until_stalled(peer, b"x" * 65536, 64 * MIB))
        stalled.set()
        with contextlib.suppress(OSError):
            for _piece in range(64 * MIB - sent[0] >> 16):
                peer.send(b"x" * 65536)

    with site.connect() as client:
        client.send(get(site.backend.on("/go/flood", script)))
        assert stalled.wait(PATIENCE_S)
        assert sent[0] < 24 * MIB
        assert site.get(b"/go/x").status == 200
        assert site.get(b"/elsewhere").status == 200
        client.head()
        assert len(client.exactly(sent[0])) == sent[0]


def test_item_32_a_slow_upstream_pauses_the_client(site: Site) -> None:
    """Of 64 MiB only what fits into buffers leaves the client; all of it arrives in the end."""
    go_on = threading.Event()

    def script(peer: Peer, head: Head) -> None:
        assert go_on.wait(PATIENCE_S)
        length = sum(map(len, peer.chunks()))
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % length)

    path = site.backend.on("/go/slow", script)
    piece = chunk(b"x" * 65536)
    with site.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" % path)
        sent = send_until_stalled(client, piece, 64 * MIB)
        assert sent < 24 * MIB
        assert site.get(b"/go/x").status == 200
        go_on.set()
        left = -sent % len(piece)
        client.send((piece[-left:] if left else b"") + b"0\r\n\r\n")
        assert int(client.answer().body) == -(-sent // len(piece)) * 65536


def test_item_32_an_echo_of_any_size_does_not_deadlock(site: Site) -> None:
    """The upstream sends back while it reads: 16 MiB, more than all buffers together."""

    def script(peer: Peer, head: Head) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for data in peer.chunks():
            peer.send(chunk(data))
        peer.send(b"0\r\n\r\n")

    path = site.backend.on("/go/duplex", script)
    with site.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" % path)
        sender = threading.Thread(
            target=client.send, args=(chunk(b"x" * 65536) * (16 * MIB // 65536) + b"0\r\n\r\n",)
        )
        sender.start()
        head = client.head()
        assert sum(map(len, client.chunks())) == 16 * MIB
        sender.join(PATIENCE_S)
    assert head.status == 200


# -- clients that leave ---------------------------------------------------------------------------------


def silent(peer: Peer, head: Head) -> None:
    """Say nothing."""


def torso(peer: Peer, head: Head) -> None:
    """Send a part of a body."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")


def first_event(peer: Peer, head: Head) -> None:
    """Send one event."""
    peer.send(STREAM + chunk(b"data: 1\n\n"))


def endless(peer: Peer, head: Head) -> None:
    """Send for as long as it is taken."""
    peer.send(STREAM)
    while True:
        peer.send(chunk(b"x" * 65536))


PHASES: dict[str, tuple[Script, bytes]] = {
    "before the first byte": (silent, b""),
    "amid the body": (torso, b""),
    "idle event stream": (first_event, b""),
    "download": (endless, b""),
    "upload": (silent, b"Content-Length: 100000\r\n"),
    "upload with an answer": (first_event, b"Transfer-Encoding: chunked\r\n"),
}


def leave(site: Site, path: str, phase: str, *, is_reset: bool = False) -> None:
    """Be a client that leaves in that phase; return when the upstream's connection has ended."""
    script, fields = PHASES[phase]
    begun, ended = threading.Event(), threading.Event()

    def watched(peer: Peer, head: Head) -> None:
        begun.set()
        try:
            script(peer, head)
            peer.ended()
        finally:
            ended.set()

    site.backend.on(path, watched)
    with site.connect() as client:
        method = b"POST" if fields else b"GET"
        client.send(b"%b %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (method, path.encode(), fields))
        assert begun.wait(PATIENCE_S)
        if script is not silent:
            client.head()
        if is_reset:
            client.reset()
    assert ended.wait(PATIENCE_S), "the upstream's connection did not end"


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.item(35)
def test_item_33_a_client_that_leaves_frees_what_it_had(site: Site, phase: str, *, is_reset: bool) -> None:
    """The upstream's connection ends, and its slot, the only one of this upstream, is free again."""
    leave(site, "/narrow/leave", phase, is_reset=is_reset)
    assert site.get(b"/narrow/x").seen["target"] == "/narrow/x"


def app_to(backend: Backend, **options: object) -> SidecarMiddleware:
    """Return an app that forwards to one connection."""
    route = RouteConfig(id="go", path="/go/{rest:path}", mode="on", auth="none")
    upstream = UpstreamConfig(address=backend.address, max_connections=1)
    return SidecarMiddleware(starlette, Config(sidecar=upstream, routes=[route]), **options)  # type: ignore[arg-type]


class Refusing:
    """Middleware whose `send` fails from a message on, as that of a server does whose client is gone.

    Args:
        app: what is wrapped.
        kind: the type of message that is not taken.
        error: what is raised.
    """

    def __init__(self, app: ASGIApp, kind: str, error: OSError) -> None:
        self._app = app
        self._kind = kind
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def failing(message: Message) -> None:
            if message["type"] == self._kind and scope.get("query_string") == b"fail":
                raise self._error
            await send(message)

        await self._app(scope, receive, failing)


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError("gone")], ids=repr)
@pytest.mark.parametrize("kind", ["http.response.start", "http.response.body"])
@pytest.mark.parametrize("target", [b"/go/torso?fail", b"/go/a%2fb?fail"])
def test_item_34_a_send_that_fails_is_a_client_that_left(
    backend: Backend, recorder: "Recorder", target: bytes, kind: str, error: OSError
) -> None:
    """It is told as abandoned, not as failed; the connection is closed and its slot free."""
    backend.on("/go/torso", torso)
    with serving_here(Refusing(app_to(backend, observer=recorder), kind, error), backend) as site:
        with contextlib.suppress(TornError):
            site.get(target)
        assert site.get(b"/go/x").status == 200
    assert recorder.of(RequestFailed) == []
    if b"torso" in target:
        assert len(recorder.of(RequestAbandoned)) == 1


@pytest.mark.parametrize(("http", "loop"), [("h11", "uvloop"), ("httptools", "asyncio")])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.item(34)
def test_item_35_nothing_is_left_and_nobody_complains(
    backend: Backend,
    recorder: "Recorder",
    caplog: pytest.LogCaptureFixture,
    http: str,
    loop: str,
    phase: str,
) -> None:
    """No failure is told, nothing is logged by asyncio, and the one slot is free again."""
    with serving_here(app_to(backend, observer=recorder), backend, http=http, loop=loop) as site:
        leave(site, "/go/leave", phase)
        assert site.get(b"/go/x").status == 200
    assert recorder.of(RequestFailed) == []
    assert len(recorder.of(RequestAbandoned)) == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def untouched(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Do nothing, in the way of BaseHTTPMiddleware."""
    return await call_next(request)


OUTER = [Middleware(GZipMiddleware), Middleware(BaseHTTPMiddleware, dispatch=untouched)]


@pytest.mark.parametrize("outer", OUTER, ids=lambda outer: outer.cls.__name__)
@pytest.mark.item(33, 22)
def test_item_35_nothing_is_left_under_middleware(
    backend: Backend, recorder: "Recorder", caplog: pytest.LogCaptureFixture, outer: Middleware
) -> None:
    """In every phase, with middleware around ours that has tasks and buffers of its own."""
    app = app_to(backend, observer=recorder)
    with serving_here(Starlette(middleware=[outer, Middleware(lambda _: app)]), backend) as site:
        for phase in PHASES:
            leave(site, "/go/leave", phase)
            assert site.get(b"/go/x").status == 200
    assert recorder.of(RequestFailed) == []
    assert len(recorder.of(RequestAbandoned)) == len(PHASES)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# -- time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "script", "status", "detail"),
    [
        ("/hasty/silent", b"GET", silent, 504, "first-byte-timeout"),
        ("/deadline/silent", b"GET", silent, 504, "deadline-exceeded"),
        ("/hasty/full", b"POST", silent, 504, "write-timeout"),
    ],
)
def test_item_36_time_that_passes_before_the_head(
    site: Site, path: str, method: bytes, script: Script, status: int, detail: str
) -> None:
    """Each limit has its answer, and the upstream's connection is closed."""
    if site.name == "granian" and method == b"POST":
        pytest.skip("granian breaks the connection of a client that is still sending, its answer included")
    is_full = threading.Event()
    ended = threading.Event()

    def waiting(peer: Peer, head: Head) -> None:
        script(peer, head)
        if method == b"POST":
            assert is_full.wait(PATIENCE_S)
        peer.ended()
        ended.set()

    site.backend.on(path, waiting)
    with site.connect() as client:
        length = 32 * MIB if method == b"POST" else 0
        fields = b"Content-Length: %d\r\n" % length if length else b""
        client.send(b"%b %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (method, path.encode(), fields))
        if length:
            send_until_stalled(client, b"x" * 65536, length)
        answer = client.answer()
        is_full.set()
        assert (answer.status, answer.problem) == (status, detail)
        assert answer.head.values(b"proxy-status") != []
    assert ended.wait(PATIENCE_S)


@pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere a full backlog refuses connections")
def test_item_36_connecting_has_an_end(backend: Backend, folder: Path) -> None:
    """A sidecar that accepts nobody any more is a 504 of the stage "connect"."""
    path = str(folder / "full")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        is_full = False
        while not is_full:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.settimeout(0)
            is_full = filler.connect_ex(path) != 0
        route = RouteConfig(id="go", path="/go/{rest:path}", mode="on", auth="none")
        upstream = UpstreamConfig(address=f"unix:{path}", connect_timeout="100ms")
        app = SidecarMiddleware(starlette, Config(sidecar=upstream, routes=[route]))
        answer = stack.enter_context(serving_here(app, backend)).get(b"/go/x")
    assert (answer.status, answer.problem) == (504, "connect-timeout")
    assert answer.head.values(b"proxy-status") == [b"forst; error=connection_timeout"]


def begun_in_time(site: Site, path: str) -> Client:
    """Return a client that has the head of a response; asks again if a busy machine made it come too late."""
    while True:
        client = site.connect()
        client.send(get(path.encode()))
        head = client.head()
        if head.status == 200:
            return client
        assert head.status == 504
        client.sock.close()


@pytest.mark.parametrize("path", ["/hasty/torso", "/deadline/torso"])
def test_item_36_time_that_passes_amid_the_body(site: Site, path: str) -> None:
    """Silence, or the end of the whole call's time, tears the response."""

    def script(peer: Peer, head: Head) -> None:
        torso(peer, head)
        peer.ended()

    site.backend.on(path, script)
    with begun_in_time(site, path) as client:
        assert client.exactly(3) == b"abc"
        assert client.rest() == b""


def test_item_36_the_wait_for_a_connection_has_an_end(site: Site) -> None:
    """Who waits in line for too long gets a 503, while the one that is served goes on."""
    go_on, begun = threading.Event(), threading.Event()

    def script(peer: Peer, _: Head) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with site.connect() as client:
        client.send(get(site.backend.on("/impatient/held", script)))
        assert begun.wait(PATIENCE_S)
        answer = site.get(b"/impatient/x")
        go_on.set()
        assert (answer.status, answer.problem) == (503, "pool-timeout")
        assert answer.head.values(b"retry-after") == [b"1"]
        assert client.answer().body == b"ok"


@pytest.mark.item(32)
def test_item_36_an_upload_that_stands_still_is_given_up(site: Site) -> None:
    """A client that sends no more gets a 408, and others the only connection of this upstream."""
    site.backend.on("/stalled/up", lambda peer, _: peer.ended())
    with site.connect() as client:
        client.send(b"POST /stalled/up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert client.answer().status == 408
        assert site.get(b"/narrow/x").seen["target"] == "/narrow/x"


@pytest.mark.item(32)
def test_item_36_a_client_that_takes_nothing_is_given_up(site: Site) -> None:
    """Its answer is broken off, and others get the only connection of this upstream."""
    ended = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        try:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
            for _piece in range(64 * MIB >> 16):
                peer.send(b"x" * 65536)
        finally:
            ended.set()

    with site.connect() as client:
        client.send(get(site.backend.on("/stalled/down", script)))
        assert ended.wait(PATIENCE_S)
        assert site.get(b"/narrow/x").seen["target"] == "/narrow/x"
        client.head()
        with pytest.raises(TornError):
            client.exactly(64 * MIB)


def test_item_36_an_event_stream_outlives_the_deadline(site: Site) -> None:
    """The route's `timeout` ends with the head of an event stream; events come long after it."""
    long_after = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.send(STREAM)
        long_after.wait(0.5)  # the route allows 0.2
        peer.send(chunk(b"data: 1\n\n") + b"0\r\n\r\n")

    site.backend.on("/deadline/events", script)
    with begun_in_time(site, "/deadline/events") as client:
        assert list(client.chunks()) == [b"data: 1\n\n"]


def test_item_36_a_call_in_time_leaves_no_timer(site: Site) -> None:
    """Quick calls on the route with a deadline end nothing that comes later on the connection."""
    with site.connect() as client:
        for number in range(20):
            # 504 on a machine that is busy with something else.
            assert client.ask(get(b"/deadline/x?%d" % number)).status in {200, 504}
        threading.Event().wait(0.3)  # past the deadline of all of them
        assert client.ask(get(b"/go/x")).status == 200
