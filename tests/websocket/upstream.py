"""Both ends of a WebSocket: a scripted upstream on real sockets, and a client as ASGI shows it."""

import asyncio
import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.testing import RecordingObserver
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE_S = 20.0


class Peer:
    """One connection as the upstream has it; everything blocks.

    Attributes:
        request: the client's handshake.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.protocol = ServerProtocol(max_size=None)
        self._events: list[Any] = []
        request = self._next()
        assert isinstance(request, Request), "no handshake came"
        self.request = request

    def _next(self) -> Any:
        while not self._events:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if data:
                self.protocol.receive_data(data)
            else:
                self.protocol.receive_eof()
            self._events += self.protocol.events_received()
            self.flush()
            if not data and not self._events:
                return None
        return self._events.pop(0)

    def frame(self) -> Frame | None:
        """The next frame, None when the connection ended."""
        event = self._next()
        assert event is None or isinstance(event, Frame)
        return event

    def data(self) -> bytes:
        """The next frame's payload; there must be one."""
        frame = self.frame()
        assert frame is not None, "the connection ended"
        return bytes(frame.data)

    def close_code(self) -> int:
        """The code of the close frame that comes in the end; 1006 when none does."""
        while self.protocol.close_rcvd is None and self.frame() is not None:
            pass
        closed = self.protocol.close_rcvd
        return int(closed.code) if closed is not None else int(CloseCode.ABNORMAL_CLOSURE)

    def accept(self, *headers: tuple[str, str], edit: Callable[[bytes], bytes] = bytes) -> "Peer":
        """Answer the handshake with 101; `edit` may change the bytes of that."""
        response = self.protocol.accept(self.request)
        for name, value in headers:
            if name == "Sec-WebSocket-Accept":
                del response.headers[name]
            response.headers[name] = value
        self.protocol.send_response(response)
        self.raw(edit(b"".join(self.protocol.data_to_send())))
        return self

    def text(self, text: str, *, fin: bool = True) -> None:
        """Send text, or its first fragment."""
        self.protocol.send_text(text.encode(), fin)
        self.flush()

    def binary(self, data: bytes) -> None:
        """Send binary."""
        self.protocol.send_binary(data)
        self.flush()

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Send a close frame, and wait for the answer."""
        self.protocol.send_close(code, reason)
        self.flush()
        self.close_code()

    def flush(self) -> None:
        """Write what the protocol has to say."""
        for data in self.protocol.data_to_send():
            self.raw(data)

    def raw(self, data: bytes) -> None:
        """Write bytes, whatever they mean."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)


Script: TypeAlias = Callable[[Peer], object]


class Upstream:
    """Runs a script for each connection, each in a thread of its own.

    Args:
        script: what to do; what it returns or raises is put into `results`.
        path: listen on this Unix socket instead of a TCP port.
        tls: speak TLS.
    """

    def __init__(self, script: Script, path: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self.results: queue.Queue[Any] = queue.Queue()
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen()
            self.address = f"unix:{path}"
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self.results.put(self._script(Peer(connection)))
        except Exception as error:  # noqa: BLE001 - the test's thread shall have it
            connection.close()
            self.results.put(error)

    async def result(self) -> Any:
        """What the script of the next connection returned; raises what it raised."""
        return await asyncio.to_thread(self.take)

    def take(self) -> Any:
        """The same for a test that is not async."""
        result = self.results.get(timeout=PATIENCE_S)
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        """End, once every script has ended."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._acceptor, *self._threads]:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a script hangs"


@contextlib.contextmanager
def scripted(
    script: Script, path: Path | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Upstream]:
    """Run an upstream for the length of a block."""
    upstream = Upstream(script, path, tls)
    try:
        yield upstream
    finally:
        upstream.close()


def echo(peer: Peer) -> int:
    """Send every message back; the result is the close code."""
    peer.accept()
    while (frame := peer.frame()) is not None and frame.opcode is not Opcode.CLOSE:
        if frame.opcode is Opcode.TEXT:
            peer.protocol.send_text(frame.data)
        elif frame.opcode is Opcode.BINARY:
            peer.protocol.send_binary(frame.data)
        peer.flush()
    return peer.close_code()


async def no_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The app, which must not be asked."""
    raise AssertionError(f"the app got {scope['type']} {scope['path']}")


class Site:
    """A middleware with one WebSocket route at /ws.

    Attributes:
        observer: what it was told.
    """

    def __init__(self, address: str, *, app: ASGIApp = no_app, upstream: Any = None, **route: Any) -> None:
        self.observer = RecordingObserver()
        settings: dict[str, Any] = {
            "id": "chat",
            "path": "/ws",
            "type": "websocket",
            "mode": "on",
            "auth": "none",
            **route,
        }
        sidecar = UpstreamConfig(address=address, **(upstream or {}))
        config = Config(sidecar=sidecar, routes=[RouteConfig(**settings)])
        self.middleware = SidecarMiddleware(app, config, observer=self.observer)

    def visit(self, **scope: Any) -> "Browser":
        """A client that begins a WebSocket; to be called in a running event loop."""
        return Browser(self.middleware, **scope)

    def last(self) -> Any:
        """The event that was told last."""
        return self.observer.events[-1]


class Browser:
    """A client as an ASGI server shows it to an app.

    Attributes:
        gate: cleared, it makes the server's `send` wait, as for a client that is slow.
        pulled: how many messages the app has taken.
    """

    def __init__(self, app: ASGIApp, **scope: Any) -> None:
        self._scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/ws",
            "raw_path": b"/ws",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"shop.example"), (b"upgrade", b"websocket"), (b"connection", b"Upgrade")],
            "client": ("192.0.2.1", 4711),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            **scope,
        }
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.pulled = 0
        self.sent = 0
        self.is_gone = False
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        await app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        message = await self._incoming.get()
        self.pulled += 1
        return message

    async def _send(self, message: Message) -> None:
        await self.gate.wait()
        if self.is_gone:
            raise OSError("the client is gone")
        self.sent += 1
        self._outgoing.put_nowait(message)

    def say(self, message: str | bytes) -> None:
        """Send a message."""
        text, data = (message, None) if isinstance(message, str) else (None, message)
        self._incoming.put_nowait({"type": "websocket.receive", "text": text, "bytes": data})

    def leave(self, code: int = 1006, reason: str = "") -> None:
        """Close, or with code 1006 vanish."""
        self.end({"type": "websocket.disconnect", "code": code, "reason": reason})

    def end(self, message: Message) -> None:
        """End with the very message that a server has for it."""
        self.is_gone = True
        self._incoming.put_nowait(message)

    async def hear(self) -> Message:
        """What the app sends next."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._outgoing.get()

    async def accepted(self) -> Message:
        """The acceptance, which must come next."""
        message = await self.hear()
        assert message["type"] == "websocket.accept", message
        return message

    async def ended(self) -> tuple[int, str]:
        """Code and reason of the close, which must come next; the app has returned then."""
        message = await self.hear()
        assert message["type"] == "websocket.close", message
        await self.returned()
        return message["code"], message["reason"]

    async def answered(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, fields and body of another answer than 101, which must come next."""
        start = await self.hear()
        assert start["type"] == "websocket.http.response.start", start
        body = await self.hear()
        assert body["type"] == "websocket.http.response.body", body
        await self.returned()
        return start["status"], dict(start["headers"]), body["body"]

    async def stalled(self) -> None:
        """Wait until the app has stopped taking messages."""
        seen = -1
        while seen != (seen := self.pulled):  # noqa: ASYNC110 - nothing tells of what does not happen
            await asyncio.sleep(0.1)

    async def returned(self) -> None:
        """Wait until the app has returned."""
        async with asyncio.timeout(PATIENCE_S):
            await self.task
