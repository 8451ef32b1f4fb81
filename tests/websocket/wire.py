"""Frames as they are on the wire (RFC 6455 section 5.2), right and wrong ones, for either end."""

import base64
import contextlib
import hashlib
import os
import socket
import struct
from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_FIN, _MASK = 0x80, 0x80


class F(NamedTuple):
    """One frame.

    Attributes:
        opcode: 0 to 15.
        payload: as the receiver shall see it.
        fin: whether it is the last of its message.
        rsv: the three reserved bits as a number.
    """

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0

    def encode(self, mask: bytes | None) -> bytes:
        """The frame's bytes; masked if there is a mask."""
        first = (_FIN if self.fin else 0) | self.rsv << 4 | self.opcode
        bit = _MASK if mask is not None else 0
        length = len(self.payload)
        if length < 126:
            head = struct.pack("!BB", first, bit | length)
        elif length < 65536:
            head = struct.pack("!BBH", first, bit | 126, length)
        else:
            head = struct.pack("!BBQ", first, bit | 127, length)
        return head + (self.payload if mask is None else mask + masked(self.payload, mask))


def masked(data: bytes, mask: bytes) -> bytes:
    """Apply a mask, or take it off again."""
    pad = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")


def closing(code: int, reason: bytes = b"") -> F:
    """A close frame with a code."""
    return F(CLOSE, struct.pack("!H", code) + reason)


class Wire:
    """One end of a connection, after the handshake; everything blocks.

    Args:
        connection: the connection.
        is_client: whether this end masks what it sends, and gets what is not masked.
        early: what came together with the handshake.
    """

    def __init__(self, connection: socket.socket, *, is_client: bool, early: bytes = b"") -> None:
        self.socket = connection
        self._is_client = is_client
        self._buffer = early

    def send(self, *frames: F, chop: int = 0) -> None:
        """Send frames, in pieces of `chop` bytes; a peer that has hung up already does not matter."""
        data = b"".join(frame.encode(os.urandom(4) if self._is_client else None) for frame in frames)
        size = chop or max(len(data), 1)
        with contextlib.suppress(OSError):
            for start in range(0, len(data), size):
                self.socket.sendall(data[start : start + size])

    def next(self) -> F | None:
        """The next frame that the peer sends, None when the connection is over; a torn frame fails."""
        head = self._exactly(2)
        if head is None:
            return None
        first, second = head
        assert bool(second & _MASK) is not self._is_client, "clients mask, and servers do not"
        length = second & ~_MASK
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self._surely(size), "big")
            assert length > (125 if size == 2 else 65535), "not the shortest form of a length"
        mask = bytes(4) if self._is_client else self._surely(4)
        payload = masked(self._surely(length), mask)
        return F(first & 0x0F, payload, bool(first & _FIN), first >> 4 & 7)

    def rest(self) -> list[F]:
        """Everything that the peer sends until the connection is over."""
        frames: list[F] = []
        while (frame := self.next()) is not None:
            frames.append(frame)
        return frames

    def _surely(self, size: int) -> bytes:
        data = self._exactly(size)
        assert data is not None, "a torn frame"
        return data

    def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            try:
                data = self.socket.recv(max(size - len(self._buffer), 65536))
            except ConnectionError:
                data = b""
            if not data:
                assert not self._buffer, "a torn frame"
                return None
            self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def connect(port: int, path: str, *fields: str, timeout_s: float) -> tuple[Wire, bytes]:
    """Open a WebSocket as a client does; returns it with the head of the answer, which must be a 101."""
    key = base64.b64encode(os.urandom(16))
    connection = socket.create_connection(("127.0.0.1", port), timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key.decode()}", *fields]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        assert more, f"no answer but {data!r}"
        data += more
    head, _, early = data.partition(b"\r\n\r\n")
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert base64.b64encode(digest) in head, head
    return Wire(connection, is_client=True, early=early), head
