"""One HTTP/1.1 connection to an upstream: what it writes, how it ends, and who is told.

A connection serves one exchange at a time: a request goes out, its response comes in. Both halves run side
by side: the response may begin, and even end, while the request is still being sent. `states` has the
table, `reading` the response half.
"""

import asyncio
import contextlib
import os
import select
from typing import cast

from forst_asgi.errors import (
    BodyError,
    FirstByteTimeout,
    ForstError,
    HeadError,
    IdleTimeout,
    WriteError,
    WriteTimeout,
)
from forst_asgi.messages import RequestBody, UpstreamRequest
from forst_asgi.transport import wire
from forst_asgi.transport.owner import Owner
from forst_asgi.transport.reading import ResponseHalf
from forst_asgi.transport.response import Http1Response
from forst_asgi.transport.states import BODY, CLOSE, CLOSED, IDLE, REQUEST, WAITING


class Connection(ResponseHalf):
    """One connection of a pool. All calls happen in the thread of the pool's event loop.

    Args:
        owner: where the connection returns to when it may be used again, and which owns its timers.
    """

    __slots__ = (
        "_drained",
        "_idle_body",
        "_is_write_paused",
        "_poll",
        "_pump",
        "_rested_after",
        "_rests",
        "_seen_in",
        "exchanges",
    )

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self.exchanges = 0
        self._seen_in = self._rested_after = -1  # the number of the exchange at the last look
        self._rests = 0
        self._pump: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._is_write_paused = False
        self._poll: select.poll | None = None
        self._idle_body = owner.idle_body_queue(None)

    def __repr__(self) -> str:
        sent = "" if self._is_sent else " sending"
        return f"<Connection {self._state.name.lower()}{sent} exchanges={self.exchanges}>"

    @property
    def is_usable(self) -> bool:
        """True when a request may be started on it."""
        return self._state is IDLE and not self._transport.is_closing()

    @property
    def has_news(self) -> bool:
        """True when there is something to read, of which the event loop does not know yet.

        On a connection that nobody asked anything, that is its end, or bytes that would be taken for the
        next answer. The loop would find them only after the request was written. To look costs a system call.
        """
        return self._poll is not None and bool(self._poll.poll(0))

    @property
    def saw_no_byte(self) -> bool:
        """True while not one byte has come in answer to the current or last request."""
        return self._head_bytes == 0

    # -- the request half -------------------------------------------------------------------------

    def start(self, request: UpstreamRequest) -> "asyncio.Future[Http1Response]":
        """Write a request; the future brings its response head, or why there is none.

        A body that is a stream goes on being sent by a task that `finish` or `cancel` awaits.

        Raises:
            RequestError: the head cannot be written safely; nothing was written.
        """
        head = wire.head(request)
        self._state = REQUEST[self._state]
        self.exchanges += 1
        self._request = request
        self._is_head_request = request.method == b"HEAD"
        self._head_bytes = 0
        owner = self._owner
        owner.requests += 1
        if not owner.watch.is_walking:
            owner.watch.begin()
        self._waiter = waiter = owner.loop.create_future()
        body = request.body
        if body is None:
            self._transport.write(head)
        elif isinstance(body, bytes):
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._is_sent = False
            self._pump = owner.loop.create_task(self._send_body(body))
        return waiter

    def look(self) -> bool:
        """See whether the response takes longer than a moment; return whether that is yet to be seen."""
        if self._state is not WAITING or self._is_late:
            return False
        if self._seen_in != self.exchanges:
            self._seen_in = self.exchanges
            return True
        self._linger()
        return False

    def rest(self) -> int:
        """Count how often it was seen without a request in between; return that."""
        if self._rested_after != self.exchanges:
            self._rested_after = self.exchanges
            self._rests = 0
        self._rests += 1
        return self._rests

    def _linger(self) -> None:
        """The response is not there at once: tell the caller, and begin to count."""
        self._is_late = True
        if self._is_sent:
            self._owner.first_byte.add(self)
        if self._request is not None:
            self._request.tell_of_wait()

    async def _send_body(self, body: RequestBody) -> None:
        """Send a streamed body as it comes; every way it can end is told to whoever waits."""
        try:
            await self._send_chunks(body)
        except ForstError as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - whatever the stream raised, the reader must learn it
            failure = WriteError("the request body could not be read")
            failure.__cause__ = error
            self.fail(failure)

    async def _send_chunks(self, body: RequestBody) -> None:
        is_chunked = body.content_length is None
        while data := await body.read():
            # A write that failed has closed the transport, but we are told only in a later turn of the loop.
            if self._transport.is_closing():
                return
            self._transport.write(wire.chunk(data) if is_chunked else data)
            if self._is_write_paused:
                await self._drain()
        if self._transport.is_closing():
            return
        if is_chunked:
            self._transport.write(wire.LAST_CHUNK)
        self._is_sent = True
        if self._is_late and self._state is WAITING:
            self._owner.first_byte.add(self)

    async def _drain(self) -> None:
        """Wait until the upstream has taken enough of what was written."""
        self._drained = drained = self._owner.loop.create_future()
        self._owner.writing.add(self)
        try:
            await drained
        finally:
            self._drained = None
            self._owner.writing.discard(self)

    # -- ends ------------------------------------------------------------------------------------

    async def finish(self, response: Http1Response) -> None:
        """End the exchange of `response` if it still goes on; the connection is closed then."""
        if self._response is response:
            await self.cancel()

    async def give_up(self, waiter: "asyncio.Future[Http1Response] | None") -> None:
        """End the exchange whose head was waited for, if it still goes on.

        Who is cancelled in the moment of the answer may find that the exchange is over, and that the
        connection is idle again, or somebody else's.

        Args:
            waiter: what `start` returned; None when it raised.
        """
        if waiter is None or self.serves(waiter):
            await self.cancel()

    def serves(self, waiter: "asyncio.Future[Http1Response]") -> bool:
        """Tell whether the exchange whose head was waited for by that future still goes on."""
        return self._waiter is waiter and self._state is not IDLE

    async def cancel(self) -> None:
        """Close the connection and wait until nothing of it runs any more."""
        self.close()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.wait([pump])

    def close(self) -> None:
        """Close the connection at once; whoever reads from it gets no further bytes."""
        if self._state is CLOSED:
            return
        self._state = CLOSE[self._state]
        self._owner.first_byte.discard(self)
        self._transport.abort()
        self._wake_drain()
        self._owner.discard(self)

    def fail(self, error: ForstError) -> None:
        """Close the connection and hand `error` to whoever waits for the head or reads the body."""
        if self._state is CLOSED:
            return
        waiter, response = self._waiter, self._response
        self.close()
        if response is not None:
            response.fail(error)
        elif waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def expire_first_byte(self) -> None:
        """End an exchange whose response head took too long."""
        self.fail(FirstByteTimeout("no response head in time"))

    def expire_idle(self) -> None:
        """End an exchange whose response body stands still."""
        self.fail(IdleTimeout("the response body stands still"))

    def expire_writing(self) -> None:
        """End an exchange whose request body is not taken."""
        self.fail(WriteTimeout("the upstream takes no more of the request body"))

    # -- what a response asks for -----------------------------------------------------------------

    def expect_bytes(self) -> "asyncio.Future[None]":
        """Return a future for the next sign of life of the body, and watch that it comes in time."""
        idle_timeout_s = None
        if self._request is not None:
            self._request.tell_of_wait()
            idle_timeout_s = self._request.idle_timeout_s
        self._idle_body = self._owner.idle_body_queue(idle_timeout_s)
        self._idle_body.add(self)
        return self._owner.loop.create_future()

    def expect_no_bytes(self) -> None:
        """Undo `expect_bytes`."""
        self._idle_body.discard(self)

    def resume_reading(self) -> None:
        """Read on, after reading was paused because a response had too much buffered."""
        self._transport.resume_reading()

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        # With TLS, what is there to read may be session tickets (RFC 8446 section 4.6.1).
        if sock is not None and transport.get_extra_info("ssl_object") is None:
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def eof_received(self) -> None:
        """The upstream sends no more: the end of a body without a length, else a failure."""
        if self._state is BODY and self._is_until_eof:
            self._end()
            self.close()
        else:
            self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's doing."""
        if exc is not None:
            self._read_last_words()
        self._lost(exc)

    def _lost(self, exc: Exception | None) -> None:
        if self._state is CLOSED:
            return
        if self._state is BODY:
            error: ForstError = BodyError("the connection ended in the middle of the response body")
        elif not self._is_sent:
            error = WriteError("the connection broke while the request was being sent")
        else:
            error = HeadError("the connection ended before a response head came")
        error.__cause__ = exc
        self.fail(error)

    def _read_last_words(self) -> None:
        """Parse what the upstream wrote before it hung up on an upload.

        An early answer (413, 401) and the end of the connection can come at once, and the event loop may
        learn of the end first, by a write that fails; it then drops what is there to be read. That may be the
        last write: all of the request was handed over then, but not all of it was sent. Only that the
        connection was shut in an orderly way, as the end of a body without a length must be, is not to be
        learnt any more: after a write has failed, a reset reads like an end of file.
        """
        sock = self._transport.get_extra_info("socket")
        if sock is None or self._transport.get_extra_info("ssl_object") is not None:
            return
        is_sent, self._is_sent = self._is_sent, False  # so that nothing of it goes back to the pool
        with contextlib.suppress(OSError):
            while self._state in (WAITING, BODY) and (data := os.read(sock.fileno(), 65536)):
                self.data_received(data)
        self._is_sent = is_sent

    def pause_writing(self) -> None:
        """The write buffer is full."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        self._is_write_paused = False
        self._wake_drain()

    def _wake_drain(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
