"""A response whose body is still arriving: the buffer between a connection and its reader."""

import asyncio
from typing import TYPE_CHECKING

from forst_asgi.errors import ForstError
from forst_asgi.types import RawHeaders

if TYPE_CHECKING:
    from forst_asgi.transport.connection import Connection


class Http1Response:
    """What `Http1Transport.send` returns; see `messages.UpstreamResponse` for the contract.

    The connection pushes body bytes in, the reader takes them out. When much is buffered the connection
    stops reading until the reader took it, so memory is bounded.

    Attributes:
        is_paused: whether the connection stopped reading for that reason.
        has_ended: true once the body is complete and all of it was read.
        is_complete: true once the whole body is here, read or not.
        announces_trailers: whether the head said that trailer fields will follow.
        buffered: how many body bytes nobody has taken yet.
    """

    # Defaults on the class instead of slots: most responses are complete before anything else is known.
    is_paused = False
    has_ended = False
    announces_trailers = False
    _trailers: RawHeaders | None = None
    buffered = 0
    is_complete = False
    _failure: ForstError | None = None
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, connection: "Connection", status: int, headers: RawHeaders) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers
        self._chunks: list[bytes] = []

    def __repr__(self) -> str:
        state = "complete" if self.is_complete else "failed" if self._failure else "arriving"
        return f"<Http1Response {self.status} {state} buffered={self.buffered}>"

    @property
    def trailers(self) -> RawHeaders:
        """Trailer fields; meaningful once `has_ended` is true."""
        return self._trailers or []

    async def read(self) -> bytes:
        """Return the buffered bytes, waiting for some if there are none; `b""` only at the end.

        Raises:
            BodyError, IdleTimeout, ClientDisconnected: why the body broke off. Bytes that came before
                are returned first.
        """
        if not self._chunks and not self.is_complete:
            if self._failure is None:
                await self._more()
            if self._failure is not None and not self._chunks:
                raise self._failure
        return self.take()

    def take(self) -> bytes:
        """Return the buffered bytes; `b""` when there are none."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self.buffered = 0
        self.has_ended = self.is_complete
        if self.is_paused:
            self.is_paused = False
            self._connection.resume_reading()
        return data

    async def aclose(self) -> None:
        """Let go of the connection; it is closed unless the message was complete."""
        await self._connection.finish(self)

    async def _more(self) -> None:
        self._waiter = self._connection.expect_bytes()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._connection.expect_no_bytes()

    # What the connection calls.

    def feed(self, data: bytes) -> None:
        """Take body bytes."""
        self._chunks.append(data)
        self.buffered += len(data)
        if self._waiter is not None:
            self._wake()

    def complete(self, trailers: RawHeaders) -> None:
        """Take note that the message ended well, with those trailer fields."""
        self.is_complete = True
        self.has_ended = not self._chunks
        if trailers:
            self._trailers = trailers
        if self._waiter is not None:
            self._wake()

    def fail(self, error: ForstError) -> None:
        """Take note that the message broke off."""
        self._failure = error
        if self._waiter is not None:
            self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
