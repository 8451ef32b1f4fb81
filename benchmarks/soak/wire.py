"""A client of HTTP/1.1 that can be as rude as clients are: it stops, dawdles and hangs up anywhere."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

MAX_LINE = 64 * 1024


class CutError(Exception):
    """The answer broke off, and the client can tell."""


@dataclass(frozen=True)
class Head:
    """The head of an answer."""

    status: int
    fields: dict[str, str]


class Connection:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.is_reusable = False

    @classmethod
    async def open(cls, port: int, receive_buffer: int | None = None) -> "Connection":
        """Connect; with a small receive buffer the server soon feels a client that does not read."""
        sock = socket.socket()
        sock.settimeout(0)
        try:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=sock, limit=MAX_LINE))
        except BaseException:
            sock.close()
            raise

    def close(self) -> None:
        """Hang up in an orderly way."""
        self._writer.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()

    async def ask(self, method: str, target: str, **fields: str) -> None:
        """Send a head; the names of fields have `_` for `-`."""
        self.is_reusable = False
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
        await self.send(f"{method} {target} HTTP/1.1\r\nhost: soak\r\n{''.join(lines)}\r\n".encode())

    async def send(self, data: bytes) -> None:
        """Send bytes, as fast as the server takes them; what cannot be sent the answer will explain."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def head(self) -> Head:
        """Read the head of the answer."""
        try:
            raw = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise CutError("no head") from error
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        pairs = (line.split(":", 1) for line in lines)
        return Head(int(first.split(" ")[1]), {name.lower(): value.strip() for name, value in pairs})

    async def body(self, head: Head) -> AsyncIterator[bytes]:
        """Yield the body of an answer in pieces."""
        try:
            if head.fields.get("transfer-encoding") == "chunked":
                async for piece in self._chunks():
                    yield piece
            else:
                async for piece in self._exactly(int(head.fields["content-length"])):
                    yield piece
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise CutError("the body broke off") from error
        self.is_reusable = head.fields.get("connection") != "close"

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            async for piece in self._exactly(size):
                yield piece
            await self._reader.readexactly(2)
        await self._reader.readuntil(b"\r\n")

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size > 0:
            piece = await self._reader.read(min(size, MAX_LINE))
            if not piece:
                raise CutError("the body broke off")
            size -= len(piece)
            yield piece
