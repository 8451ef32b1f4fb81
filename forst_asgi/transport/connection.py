"""One HTTP/1.1 connection to an upstream, as a state machine that cannot leak one answer into another.

A connection serves one exchange at a time: a request goes out, its response comes in. Both halves run
side by side (the response may begin, and even end, while the request is still being sent), but only the
response half has states worth a table; the request half is the flag `_is_sent`.

    state     meaning                                         what may arrive from the upstream
    IDLE      in the pool, or handed out and not yet used     nothing: any byte closes the connection
    WAITING   a request went out, no final head came          1xx heads, then one final head
    BODY      the final head came                             body bytes, then the end of the message
    ENDED     the message is complete                         nothing: any byte closes the connection
    CLOSED    never used again                                nothing is read any more

`_NEXT` below is the whole of it. There is one way back to IDLE, `RELEASE`, and it is taken only when all
of these hold; each is a cross-user leak when it is forgotten:

- the response is complete by its own framing (not by end of file, not cut off);
- every byte of the request was sent (a body shorter than its Content-Length would swallow the next
  request's head);
- no byte came after the end of the message (it would be read as the next client's response);
- the response is HTTP/1.1 and did not say `Connection: close` (RFC 9112 section 9.3).

Facts about the parser (llhttp through httptools) that shape the code:

- It has no notion of a response to HEAD, and takes a Content-Length on 304 or 204 at its word. We end
  those messages ourselves and start a fresh parser (RFC 9110 section 6.4.1).
- `should_keep_alive()` is valid inside callbacks only.
- Trailer fields come through `on_header`, after the first body callback.
- It has no limit on header size; we count. Its default strictness (no leniency is set) refuses obs-fold,
  bare LF, control bytes, Content-Length with Transfer-Encoding, and repeated Content-Length.
- An exception in a callback surfaces as HttpParserCallbackError; ours is kept in `_defect`.
"""

import asyncio
import contextlib
import os
from enum import IntEnum
from typing import TYPE_CHECKING, Final, cast

import httptools

from forst_asgi.errors import (
    BodyError,
    FirstByteTimeout,
    ForstError,
    HeadError,
    IdleTimeout,
    ProtocolError,
    WriteError,
    WriteTimeout,
)
from forst_asgi.headers import HOP_BY_HOP, nominated, without
from forst_asgi.messages import RequestBody, UpstreamRequest
from forst_asgi.transport import wire
from forst_asgi.transport.response import Http1Response
from forst_asgi.types import RawHeaders

if TYPE_CHECKING:
    from forst_asgi.transport.pool import Pool


class State(IntEnum):
    """Where the response half of a connection stands."""

    IDLE = 0
    WAITING = 1
    BODY = 2
    ENDED = 3
    CLOSED = 4


class Signal(IntEnum):
    """What moves a connection from state to state."""

    REQUEST = 0
    INTERIM = 1
    HEAD = 2
    END = 3
    RELEASE = 4
    CLOSE = 5


_NEXT: Final[dict[tuple[int, int], State]] = {
    (State.IDLE, Signal.REQUEST): State.WAITING,
    (State.WAITING, Signal.INTERIM): State.WAITING,
    (State.WAITING, Signal.HEAD): State.BODY,
    (State.BODY, Signal.END): State.ENDED,
    (State.ENDED, Signal.RELEASE): State.IDLE,
    (State.IDLE, Signal.CLOSE): State.CLOSED,
    (State.WAITING, Signal.CLOSE): State.CLOSED,
    (State.BODY, Signal.CLOSE): State.CLOSED,
    (State.ENDED, Signal.CLOSE): State.CLOSED,
}

# Module constants: an attribute look-up on an Enum class costs more than the comparison it is for.
_IDLE, _WAITING, _BODY, _ENDED, _CLOSED = State
_REQUEST, _INTERIM, _HEAD, _END, _RELEASE, _CLOSE = Signal

_VERSIONS: Final = ("1.0", "1.1")

MAX_INTERIM: Final = 16
"""How many 1xx responses may precede a final one; the specification sets no bound, safety does."""

_MAX_BUFFERED: Final = 256 * 1024
"""Bytes of a response body that the client has not taken yet; above it, reading pauses."""

MAX_HEADERS: Final = 256
"""How many field lines one response may have."""


class Connection(asyncio.Protocol):
    """One connection of a pool. All calls happen in the thread of the pool's event loop.

    Args:
        pool: where the connection returns to when it may be used again, and which owns its timers.
    """

    __slots__ = (
        "_connection_fields",
        "_defect",
        "_drained",
        "_fields",
        "_has_close",
        "_head_bytes",
        "_idle_body",
        "_interim",
        "_is_head_request",
        "_is_late",
        "_is_sent",
        "_is_until_eof",
        "_is_write_paused",
        "_keep_alive",
        "_max_header_bytes",
        "_parser",
        "_pool",
        "_pump",
        "_request",
        "_response",
        "_special",
        "_state",
        "_transport",
        "_waiter",
        "exchanges",
    )

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._special = pool.special
        self._max_header_bytes = pool.limits.max_header_bytes
        self._state: State = _IDLE
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpResponseParser(self)
        self.exchanges = 0
        self._drained: asyncio.Future[None] | None = None
        self._is_write_paused = False
        # What follows belongs to one exchange. `start` sets what every exchange changes; the rest can only
        # change in an exchange that ends with the connection, or is set back where it changes.
        self._request: UpstreamRequest | None = None
        self._waiter: asyncio.Future[Http1Response] | None = None
        self._response: Http1Response | None = None
        self._pump: asyncio.Task[None] | None = None
        self._idle_body = pool.idle_body
        self._is_head_request = False
        self._is_sent = True
        self._is_late = False
        self._is_until_eof = False
        self._keep_alive = False
        self._has_close = False
        self._head_bytes = 0
        self._interim = 0
        self._fields: RawHeaders = []
        self._connection_fields: RawHeaders = []
        self._defect: ForstError | None = None

    def __repr__(self) -> str:
        sent = "" if self._is_sent else " sending"
        return f"<Connection {self._state.name.lower()}{sent} exchanges={self.exchanges}>"

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._state

    @property
    def is_usable(self) -> bool:
        """True when a request may be started on it."""
        return self._state is _IDLE and not self._transport.is_closing()

    @property
    def saw_no_byte(self) -> bool:
        """True while not one byte has come in answer to the current or last request."""
        return self._head_bytes == 0

    # -- the request half -------------------------------------------------------------------------

    def start(self, request: UpstreamRequest) -> "asyncio.Future[Http1Response]":
        """Write a request; the future brings its response head, or why there is none.

        A body that is a stream goes on being sent by a task that `finish` or `cancel` awaits.

        Raises:
            RequestError: the head cannot be written safely; the connection stays as it was.
        """
        head = wire.head(request)
        self._state = _NEXT[self._state, _REQUEST]
        self.exchanges += 1
        self._request = request
        self._is_head_request = request.method == b"HEAD"
        self._head_bytes = 0
        self._interim = 0
        self._fields = []
        pool = self._pool
        pool.requests += 1
        self._waiter = waiter = pool.loop.create_future()
        body = request.body
        if body is None:
            self._transport.write(head)
        elif isinstance(body, bytes):
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._is_sent = False
            self._pump = pool.loop.create_task(self._send_body(body))
        pool.fresh.add(self)
        return waiter

    def linger(self) -> None:
        """The response is not there at once: tell the caller, and begin to count."""
        self._is_late = True
        if self._is_sent:
            self._pool.first_byte.add(self)
        self._tell_caller_to_wait()

    def _tell_caller_to_wait(self) -> None:
        request = self._request
        if request is not None and request.on_wait is not None:
            on_wait, request.on_wait = request.on_wait, None
            on_wait()

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
        if self._is_late and self._state is _WAITING:
            self._pool.first_byte.add(self)

    async def _drain(self) -> None:
        """Wait until the upstream has taken enough of what was written."""
        self._drained = drained = self._pool.loop.create_future()
        self._pool.writing.add(self)
        try:
            await drained
        finally:
            self._drained = None
            self._pool.writing.discard(self)

    # -- ends ------------------------------------------------------------------------------------

    async def finish(self, response: Http1Response) -> None:
        """End the exchange of `response` if it still goes on; the connection is closed then."""
        if self._response is response:
            await self.cancel()

    async def cancel(self) -> None:
        """Close the connection and wait until nothing of it runs any more."""
        self.close()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.wait([pump])

    def close(self) -> None:
        """Close the connection at once; whoever reads from it gets no further bytes."""
        if self._state is _CLOSED:
            return
        self._state = _NEXT[self._state, _CLOSE]
        self._pool.fresh.discard(self)
        self._pool.first_byte.discard(self)
        self._transport.abort()
        self._wake_drain()
        self._pool.discard(self)

    def fail(self, error: ForstError) -> None:
        """Close the connection and hand `error` to whoever waits for the head or reads the body."""
        if self._state is _CLOSED:
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
        self._tell_caller_to_wait()
        request = self._request
        self._idle_body = self._pool.idle_body_queue(request.idle_timeout_s if request is not None else None)
        self._idle_body.add(self)
        return self._pool.loop.create_future()

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

    def data_received(self, data: bytes) -> None:
        """Parse what came; in a state that expects nothing, close."""
        state = self._state
        if state is _WAITING:
            self._head_bytes += len(data)
        elif state is not _BODY:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._unparsable(error)
            return
        state = self._state
        if state is _ENDED:
            self._settle()
        elif len(self._fields) > MAX_HEADERS:
            self._unparsable(ValueError(f"more than {MAX_HEADERS} field lines"))
        elif state is _WAITING and self._head_bytes > self._max_header_bytes:
            self.fail(ProtocolError("the response head is over max_header_bytes"))

    def _unparsable(self, error: Exception) -> None:
        """End the connection on bytes that are no response; a message that was complete stays so."""
        if self._state is _ENDED:
            self.close()
            return
        if self._state is _BODY:
            failure: ForstError = self._defect or BodyError(f"the response body cannot be parsed: {error}")
        else:
            failure = self._defect or ProtocolError(f"the response cannot be parsed: {error}")
        failure.__cause__ = error
        self.fail(failure)

    def _settle(self) -> None:
        """The message is complete and so is the read: return to the pool or close."""
        response = self._response
        if response is None or not self._keep_alive or not self._is_sent or self._transport.is_closing():
            self.close()
            return
        if response.is_paused:
            response.is_paused = False
            self._transport.resume_reading()
        self._response = self._request = None
        self._state = _NEXT[self._state, _RELEASE]
        self._pool.release(self)

    def eof_received(self) -> None:
        """The upstream sends no more: the end of a body without a length, else a failure."""
        if self._state is _BODY and self._is_until_eof:
            self._end()
            self.close()
        else:
            self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's doing."""
        if exc is not None and not self._is_sent:
            self._read_last_words()
        self._lost(exc)

    def _lost(self, exc: Exception | None) -> None:
        if self._state is _CLOSED:
            return
        if self._state is _BODY:
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
        learn of the end first, by a write that fails; it then drops what is there to be read.
        """
        sock = self._transport.get_extra_info("socket")
        if sock is None or self._transport.get_extra_info("ssl_object") is not None:
            return
        with contextlib.suppress(OSError):
            while data := os.read(sock.fileno(), 65536):
                if self._state not in (_WAITING, _BODY):
                    return
                self.data_received(data)
            self.eof_received()

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

    # -- parser callbacks --------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field line of a head, or of the trailer section."""
        name = name.lower()
        if name not in self._special:
            self._fields.append((name, value))
        elif name in HOP_BY_HOP and self._state is _WAITING:
            self._connection_fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The empty line after a head: an interim response, or the final one."""
        if self._state is not _WAITING:
            self._refuse("a second response came unasked")
        # The first test is cheap and nearly always enough: it counts body bytes of the same read too.
        if self._head_bytes > self._max_header_bytes or len(self._fields) > MAX_HEADERS:
            self._check_head_size()
        status = self._parser.get_status_code()
        if 200 <= status <= 599:
            self._take_final(status)
        elif status < 200:
            self._take_interim(status)
        else:
            self._refuse(f"status {status} is not one that HTTP defines")

    def _check_head_size(self) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in self._fields + self._connection_fields)
        if size > self._max_header_bytes:
            self._refuse("the response head is over max_header_bytes")
        if len(self._fields) > MAX_HEADERS:
            self._refuse(f"more than {MAX_HEADERS} field lines")

    def _take_interim(self, status: int) -> None:
        self._state = _NEXT[self._state, _INTERIM]
        self._interim += 1
        if status < 100 or status == 101:
            self._refuse(f"status {status} was not asked for")
        if self._interim > MAX_INTERIM:
            self._refuse(f"more than {MAX_INTERIM} interim responses")
        headers, self._fields, self._connection_fields = self._fields, [], []
        if self._request is not None and self._request.on_interim is not None:
            self._request.on_interim(status, headers)

    def _take_final(self, status: int) -> None:
        keep_alive = self._parser.should_keep_alive()
        # By llhttp's rules no other version persists unless a Connection field asks for it.
        if (not keep_alive or self._connection_fields) and self._parser.get_http_version() not in _VERSIONS:
            self._refuse("not an HTTP/1 response")
        is_chunked = self._take_connection_fields() if self._connection_fields else False
        self._state = _NEXT[self._state, _HEAD]
        self._response = response = Http1Response(self, status, self._fields)
        self._fields = response.trailers
        self._keep_alive = keep_alive
        pool = self._pool
        pool.fresh.discard(self)
        if self._is_late:
            self._is_late = False
            pool.first_byte.discard(self)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(response)
        if self._is_head_request or status in (204, 304):
            self._end_without_body(is_chunked=is_chunked)
        elif not keep_alive:
            has_length = is_chunked or any(name == b"content-length" for name, _ in response.headers)
            self._is_until_eof = not has_length

    def _take_connection_fields(self) -> bool:
        """Act on the hop-by-hop fields; return whether the body is chunked."""
        fields = self._connection_fields
        self._connection_fields = []
        codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
        if codings and codings != [b"chunked"]:
            self._refuse("a transfer coding other than chunked")
        connection = [value for name, value in fields if name == b"connection"]
        if connection:
            self._has_close = any(b"close" in value.lower() for value in connection)
            self._fields = without(self._fields, nominated(connection))
        return bool(codings)

    def _end_without_body(self, *, is_chunked: bool) -> None:
        """End a message that has no body whatever its head says (RFC 9110 section 6.4.1)."""
        # llhttp judges persistence by framing that does not apply here, so it is judged anew. It would not
        # tell of chunk headers and line ends that follow all the same, so after a coding nothing is sure.
        self._keep_alive = self._parser.get_http_version() == "1.1" and not self._has_close and not is_chunked
        self._parser = httptools.HttpResponseParser(self)
        self._end()

    def on_body(self, data: bytes) -> None:
        """Bytes of the body, transfer coding removed."""
        response = self._response
        if self._state is not _BODY or response is None:
            self._refuse("bytes after the end of the response")
        elif response.feed(data) > _MAX_BUFFERED and not response.is_paused:
            response.is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The end of a message; of interim ones too, which are over already."""
        if self._state is _BODY:
            self._end()

    def on_message_begin(self) -> None:
        """The first byte of a message; after a complete one it is one too many."""
        if self._state is not _WAITING:
            self._refuse("bytes after the end of the response")

    def _end(self) -> None:
        self._state = _NEXT[self._state, _END]
        response = self._response
        if response is not None:
            response.complete()

    def _refuse(self, problem: str) -> None:
        """Make the parser stop, for a reason of our own."""
        if self._state is _BODY:
            self._defect = BodyError(problem)
        else:
            self._defect = ProtocolError(problem)
        raise self._defect
