"""A scriptable upstream that speaks raw bytes, and what tests need to talk to it.

Each connection is handed to a script, a coroutine function that gets a `Peer`. Everything runs on the
test's own event loop, so a test is synchronised by events and by turns of the loop, never by time.
"""

import asyncio
import contextlib
import functools
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import trustme

from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport import Http1Transport, Limits, Origin
from forst_asgi.types import RawHeaders

Place: TypeAlias = Literal["unix", "tcp", "tls"]
Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

MIB = 1024 * 1024


async def turns(count: int = 8) -> None:
    """Let the event loop poll its sockets and run what is ready, that many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until_still(count: Callable[[], int], still_for: int = 200) -> int:
    """Return a count once it did not change for many turns of the loop."""
    seen, left = count(), still_for
    while left:
        await turns(1)
        left = left - 1 if count() == seen else still_for
        seen = count()
    return seen


@functools.cache
def authority() -> trustme.CA:
    """Return the certificate authority of these tests."""
    return trustme.CA()


def client_tls(ca: trustme.CA | None = None) -> ssl.SSLContext:
    """Return a client context that trusts the authority of these tests, or another one."""
    context = ssl.create_default_context()
    (ca or authority()).configure_trust(context)
    return context


def server_tls(name: str = "127.0.0.1") -> ssl.SSLContext:
    """Return a server context with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name).configure_cert(context)
    return context


class Peer:
    """The upstream's end of one connection.

    Attributes:
        received: every byte that came, in order.
        requests: the raw requests that `request` has read.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = bytearray()
        self.requests: list[bytes] = []

    async def some(self) -> bytes:
        """Read what is there, waiting for something; `b""` at the end."""
        data = await self._reader.read(65536)
        self.received += data
        return data

    async def head(self) -> bytes:
        """Read a request head."""
        return await self._until(b"\r\n\r\n")

    async def _until(self, end: bytes) -> bytes:
        data = await self._reader.readuntil(end)
        self.received += data
        return data

    async def _exactly(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)
        self.received += data
        return data

    async def head_only(self) -> None:
        """Read a request head and do no more, which is a script of its own."""
        await self.head()

    async def request(self) -> bytes:
        """Read a whole request and return its raw bytes."""
        head = await self.head()
        raw = head
        fields = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]]
        framing = {name.lower(): value for name, value in fields}
        if b"content-length" in framing:
            raw += await self._exactly(int(framing[b"content-length"]))
        elif b"transfer-encoding" in framing:
            while not raw.endswith(b"\r\n0\r\n\r\n"):
                line = await self._until(b"\r\n")
                raw += line + await self._exactly(int(line, 16) + 2)
        self.requests.append(raw)
        return raw

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each in a write of its own that the other side reads before the next."""
        for piece in pieces:
            if self._writer.is_closing():
                raise ConnectionError("the other side has closed")
            self._writer.write(piece)
            await turns(4)

    async def drain(self, data: bytes) -> None:
        """Send with backpressure: return once the other side has taken about all of it."""
        self._writer.write(data)
        await self._writer.drain()
        await turns(1)  # `drain` waits for nothing on a connection that has just broken, without a word

    def send_and_close(self, data: bytes) -> None:
        """Send something and close, without giving the other side a turn to see either."""
        self._writer.write(data)
        self._writer.close()

    def act_now(self, data: bytes) -> None:
        """Send something, or with `b""` the end of file, without a turn of the loop for either side."""
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as sock:
            if data:
                sock.send(data)
            else:
                sock.shutdown(socket.SHUT_WR)

    async def half_close(self) -> None:
        """Send the end of file, but go on reading (not for TLS)."""
        self._writer.write_eof()
        await turns()

    async def close(self) -> None:
        """Close in an orderly way, once everything was sent."""
        self._writer.close()
        await turns()

    async def reset(self) -> None:
        """Throw the connection away, with what is in flight."""
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        await turns()

    async def end(self) -> None:
        """Read on until the other side has closed, in whichever way."""
        try:
            while await self.some():
                pass
        except ConnectionError:
            pass


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


class Upstream:
    """A server whose connections are run by a script.

    Args:
        script: called with each connection; the connection is closed when it returns.
        place: over what it is reached.
        name: what its certificate is for, with TLS.

    Attributes:
        peers: its connections, in order.
        gone: set whenever a script has ended.
    """

    def __init__(self, script: Script, place: Place = "unix", name: str = "127.0.0.1") -> None:
        self._script = script
        self._name = name
        self._place = place
        self.peers: list[Peer] = []
        self.ended = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._problems: list[BaseException] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._transports: list[Http1Transport] = []

    async def __aenter__(self) -> Self:
        if self._place == "unix":
            self._folder = tempfile.TemporaryDirectory(prefix="forst-test-")
            path = str(Path(self._folder.name, "socket"))
            self._server = await asyncio.start_unix_server(self._accepted, path)
            self.origin = Origin(path=path)
            return self
        tls = server_tls(self._name) if self._place == "tls" else None
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=tls)
        port = self._server.sockets[0].getsockname()[1]
        self.origin = Origin(port=port, tls=client_tls() if tls else None)
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await turns()  # takes in connections that were made, but not seen yet
        self._server.close()
        for transport in self._transports:
            await transport.aclose()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._folder is not None:
            self._folder.cleanup()
        await turns()
        if self._problems and error is None:
            raise self._problems[0]

    async def stop_listening(self) -> None:
        """Take no further connections; a Unix socket is gone then, too."""
        self._server.close()
        if self.origin.path is not None:
            with contextlib.suppress(FileNotFoundError):  # asyncio removes it itself since 3.13
                os.unlink(self.origin.path)  # noqa: PTH108 - nothing here blocks
        await turns()

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return len(self.peers)

    @property
    def requests(self) -> list[bytes]:
        """The raw requests of all connections."""
        return [request for peer in self.peers for request in peer.requests]

    def transport(self, limits: Limits | None = None, **more: Any) -> Http1Transport:
        """Return a transport to this upstream, closed with it."""
        self._transports.append(Http1Transport(self.origin, limits, **more))
        return self._transports[-1]

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(peer, writer)))

    async def _serve(self, peer: Peer, writer: asyncio.StreamWriter) -> None:
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which is its right
        except Exception as problem:  # noqa: BLE001 - raised to the test at the end
            self._problems.append(problem)
        finally:
            self.ended += 1
            writer.transport.abort() if self._place == "tls" else writer.close()


def answering(*responses: bytes) -> Script:
    """Return a script that answers each request with the next of some responses, the last one for ever."""
    left = list(responses)

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def each_connection(*scripts: Script) -> Script:
    """Return a script that runs another one for each connection in order, the last one for the rest."""
    left = list(scripts)

    async def script(peer: Peer) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(peer)

    return script


# -- the client's side ---------------------------------------------------------------------------------


def asking(method: bytes = b"GET", target: bytes = b"/", **more: Any) -> UpstreamRequest:
    """Return a request."""
    more.setdefault("fields", [(b"host", b"sidecar")])
    more.setdefault("is_replayable", method in (b"GET", b"HEAD", b"PUT"))
    later = {name: more.pop(name) for name in ("idle_timeout_s", "on_wait", "on_interim") if name in more}
    request = UpstreamRequest(method, target, **more)
    for name, value in later.items():
        setattr(request, name, value)
    return request


class Answered:
    """A response that was read to its end."""

    def __init__(self, status: int, headers: RawHeaders, body: bytes, trailers: RawHeaders) -> None:
        self.status, self.headers, self.body, self.trailers = status, headers, body, trailers


async def fetch(transport: Http1Transport, request: UpstreamRequest | None = None) -> Answered:
    """Send a request and read the response to its end."""
    response = await transport.send(request or asking())
    try:
        pieces = []
        while not response.has_ended:
            pieces.append(await response.read())
    finally:
        await response.aclose()
    return Answered(response.status, response.headers, b"".join(pieces), response.trailers)


class Source:
    """A request body that yields bytes, waits for events, and raises exceptions, as it was told.

    Attributes:
        reads: how often it was asked for more.
    """

    def __init__(self, *pieces: bytes | asyncio.Event | Exception, content_length: int | None = None) -> None:
        self._pieces = list(pieces)
        self.content_length = content_length
        self.reads = 0

    async def read(self) -> bytes:
        """Return the next piece."""
        self.reads += 1
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, Exception):
                raise piece
            await piece.wait()
        return b""
