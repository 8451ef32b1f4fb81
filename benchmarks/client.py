"""What wrk cannot do, over plain sockets: large bodies, held streams, messages, idle connections."""

import base64
import contextlib
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.wrk import LoadError

PIECE: Final = 256 * 1024
LIMIT_S: Final = 90.0
PATIENCE_S: Final = 10.0
GONE: Final = "the connection was closed"


@contextlib.contextmanager
def _told(what: str = "") -> Iterator[None]:
    """Let whatever the network does wrong be told as a LoadError."""
    try:
        yield
    except (OSError, LoadError) as error:
        raise LoadError(f"{what}{error}") from error


def warm(port: int, requests: int = 300) -> None:
    """Send some requests to /json, one after the other, so that what is loaded late is loaded."""
    with _told("while warming up: "), _connected(port) as connection:
        for _ in range(requests):
            _ask(connection)
            _answered(connection)


def download(port: int, size: int) -> None:
    """Fetch `size` bytes from /download and throw them away.

    Raises:
        LoadError: fewer came, or not all within 90 s.
    """
    with _told(), _connected(port, LIMIT_S) as connection:
        connection.sendall(_head("GET", f"/download?bytes={size}"))
        buffer, until = bytearray(PIECE), time.monotonic() + LIMIT_S
        got = len(_begun(connection))
        while got < size:
            count = connection.recv_into(buffer)
            if not count:
                raise LoadError(f"{GONE} after {got} of {size} bytes")
            _check(until)
            got += count


def upload(port: int, size: int) -> None:
    """Send `size` bytes to /upload, a multiple of 256 KiB, and wait until the upstream has counted them.

    Raises:
        LoadError: it did not within 90 s.
    """
    with _told(), _connected(port, LIMIT_S) as connection:
        until, piece = time.monotonic() + LIMIT_S, bytes(PIECE)
        connection.sendall(_head("POST", "/upload", f"Content-Length: {size}"))
        for _ in range(size // PIECE):
            connection.sendall(piece)
            _check(until)
        connection.settimeout(max(1.0, until - time.monotonic()))
        _until(connection, _begun(connection), str(size).encode())


@contextlib.contextmanager
def streams(port: int, count: int) -> Iterator[None]:
    """Hold event streams open, each after its first event.

    Raises:
        LoadError: a stream did not begin within 10 s.
    """
    with contextlib.ExitStack() as stack:
        for number in range(count):
            with _told(f"stream {number + 1} of {count}: "):
                connection = stack.enter_context(_connected(port))
                connection.sendall(_head("GET", "/events"))
                _until(connection, _begun(connection), b"data: open")
        yield


@contextlib.contextmanager
def idle(port: int, count: int) -> Iterator[None]:
    """Hold connections open on each of which a request was answered, all of them at the same time."""
    with contextlib.ExitStack() as stack:
        with _told():
            connections = [stack.enter_context(_connected(port)) for _ in range(count)]
            for connection in connections:
                _ask(connection)
            for connection in connections:
                _answered(connection)
        yield


def echo(port: int, connections: int, seconds: float, size: int = 64) -> int:
    """Send messages over WebSockets, on each the next when its echo is there; return how many came back."""
    message = b"\x81" + bytes([0x80 | size, 0, 0, 0, 0]) + b"m" * size  # masked with zeros (RFC 6455, 5.3)
    with _told(), contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        waiting = {stack.enter_context(_upgraded(port)): 0 for _ in range(connections)}
        for connection in waiting:
            selector.register(connection, selectors.EVENT_READ)
            connection.sendall(message)
        return _echoed(selector, waiting, message, time.monotonic() + seconds)


def _echoed(
    selector: selectors.BaseSelector, got: dict[socket.socket, int], message: bytes, until: float
) -> int:
    answered, wanted = 0, len(message) - 4  # an echo is not masked
    while time.monotonic() < until:
        ready = selector.select(PATIENCE_S)
        if not ready:
            raise LoadError(f"no message came back within {PATIENCE_S:.0f} s")
        for key, _ in ready:
            connection = key.fileobj
            if isinstance(connection, socket.socket):
                got[connection] += len(_more(connection))
                if got[connection] == wanted:
                    answered, got[connection] = answered + 1, 0
                    connection.sendall(message)
    return answered


def _upgraded(port: int) -> socket.socket:
    connection = _connected(port)
    key = base64.b64encode(bytes(16)).decode()
    fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    connection.sendall(_head("GET", "/socket", *fields, f"Sec-WebSocket-Key: {key}"))
    _begun(connection, wanted=b"101")
    return connection


def _connected(port: int, patience_s: float = PATIENCE_S) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _head(method: str, target: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: bench", *fields, "", ""]).encode()


def _ask(connection: socket.socket) -> None:
    connection.sendall(_head("GET", "/json"))


def _answered(connection: socket.socket) -> None:
    _until(connection, _begun(connection), b'"n":42}')


def _begun(connection: socket.socket, wanted: bytes = b"200") -> bytes:
    """Read the head of an answer; return what came of its body with it."""
    read = _until(connection, b"", b"\r\n\r\n")
    if read[9:12] != wanted:
        raise LoadError(read.partition(b"\r\n")[0].decode(errors="replace"))
    return read.partition(b"\r\n\r\n")[2]


def _until(connection: socket.socket, read: bytes, mark: bytes) -> bytes:
    while mark not in read:
        read += _more(connection)
    return read


def _more(connection: socket.socket) -> bytes:
    more = connection.recv(PIECE)
    if not more:
        raise LoadError(GONE)
    return more


def _check(until: float) -> None:
    if time.monotonic() > until:
        raise LoadError(f"not within {LIMIT_S:.0f} s")
