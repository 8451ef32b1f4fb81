"""The response half of a connection: from bytes to a response, by llhttp's rules and a few of our own.

Facts about the parser (llhttp through httptools) that shape the code:

- It has no notion of a response to HEAD, and takes a Content-Length on 304 or 204 at its word. We end
  those messages ourselves and start a fresh parser (RFC 9110 section 6.4.1).
- `should_keep_alive()` is valid inside callbacks only.
- Trailer fields come through `on_header`, after the first body callback.
- It has no limit on the size of heads, chunk extensions and trailers; we count. Its default strictness (no
  leniency is set) refuses obs-fold, bare LF, control bytes, Content-Length with Transfer-Encoding, and
  repeated Content-Length.
- An exception in a callback surfaces as HttpParserCallbackError; ours is kept in `_defect`.
"""

import asyncio
from typing import Final, NoReturn, cast

import httptools

from forst_asgi.errors import BodyError, ForstError, ProtocolError
from forst_asgi.headers import HOP_BY_HOP, nominated, without
from forst_asgi.messages import BODYLESS, UpstreamRequest
from forst_asgi.transport.owner import Owner
from forst_asgi.transport.response import Http1Response
from forst_asgi.transport.states import (
    BODY,
    END,
    ENDED,
    HEAD,
    IDLE,
    INTERIM,
    RELEASE,
    WAITING,
    State,
)
from forst_asgi.types import RawHeaders

_BLANKS: Final = b" \t"

_VERSIONS: Final = ("1.0", "1.1")

MAX_INTERIM: Final = 16
"""How many 1xx responses may precede a final one; the specification sets no bound, safety does."""

_MAX_BUFFERED: Final = 256 * 1024
"""Bytes of a response body that the client has not taken yet; above it, reading pauses."""

MAX_HEADERS: Final = 256
"""How many field lines one response may have."""


class ResponseHalf(asyncio.Protocol):
    """What a connection reads. `Connection` adds what it writes, and how it ends.

    Args:
        owner: where the connection returns to when it may be used again, and which owns its timers.
    """

    __slots__ = (
        "_connection_fields",
        "_defect",
        "_fields",
        "_has_close",
        "_head_bytes",
        "_interim",
        "_is_head_request",
        "_is_late",
        "_is_sent",
        "_is_until_eof",
        "_keep_alive",
        "_loose_bytes",
        "_max_header_bytes",
        "_owner",
        "_parser",
        "_request",
        "_response",
        "_special",
        "_state",
        "_transport",
        "_waiter",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._special = owner.special
        self._max_header_bytes = owner.limits.max_header_bytes
        self._state: State = IDLE
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpResponseParser(self)
        # What follows belongs to one exchange. `start` sets what every exchange changes; the rest can only
        # change in an exchange that ends with the connection, or is set back where it changes.
        self._request: UpstreamRequest | None = None
        self._waiter: asyncio.Future[Http1Response] | None = None
        self._response: Http1Response | None = None
        self._is_head_request = False
        self._is_sent = True
        self._is_late = False
        self._is_until_eof = False
        self._keep_alive = False
        self._has_close = False
        self._head_bytes = 0
        self._loose_bytes = 0  # read since the last byte of the body: chunk extensions, trailers
        self._interim = 0
        self._fields: RawHeaders = []
        self._connection_fields: RawHeaders = []
        self._defect: ForstError | None = None

    def close(self) -> None:
        """Close the connection at once; see `Connection.close`."""
        raise NotImplementedError

    def fail(self, error: ForstError) -> None:
        """Close the connection for a reason; see `Connection.fail`."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Parse what came; in a state that expects nothing, close."""
        state = self._state
        if state is WAITING:
            self._head_bytes += len(data)
        elif state is BODY:
            self._loose_bytes += len(data)
        else:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._unparsable(error)
            return
        state = self._state
        if state is ENDED:
            self._settle()
        elif len(self._fields) > MAX_HEADERS:
            self._unparsable(ValueError(f"more than {MAX_HEADERS} field lines"))
        elif state is WAITING and self._head_bytes > self._max_header_bytes:
            self.fail(ProtocolError("the response head is over max_header_bytes"))
        elif state is BODY and self._loose_bytes > self._max_header_bytes:
            self.fail(BodyError("what follows a chunk is over max_header_bytes"))

    def _unparsable(self, error: Exception) -> None:
        """End the connection on bytes that are no response; a message that was complete stays so."""
        if self._state is ENDED:
            self.close()
            return
        if self._state is BODY:
            failure: ForstError = self._defect or BodyError(f"the response body cannot be parsed: {error}")
        else:
            failure = self._defect or ProtocolError(f"the response cannot be parsed: {error}")
        failure.__cause__ = error
        self.fail(failure)

    def _settle(self) -> None:
        """The message is complete and so is the read: return to the pool or close."""
        response = self._response
        if response is None or not self._keep_alive or not self._is_sent:
            self.close()
            return
        if response.is_paused:
            response.is_paused = False
            self._transport.resume_reading()
        self._interim = 0
        self._response = self._request = None
        self._state = RELEASE[self._state]
        self._owner.release(self)  # type: ignore[arg-type]

    # -- parser callbacks --------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field line of a head, or of the trailer section."""
        name = name.lower()
        if name not in self._special:
            # The parser takes white space off the front only (RFC 9112 section 5.1).
            self._fields.append((name, value.rstrip(_BLANKS)))
        elif name in HOP_BY_HOP and self._state is WAITING:
            self._connection_fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The empty line after a head: an interim response, or the final one."""
        if self._state is not WAITING:
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
        self._state = INTERIM[self._state]
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
        if not keep_alive or self._connection_fields:
            version = self._parser.get_http_version()
            if version not in _VERSIONS:
                self._refuse("not an HTTP/1 response")
            keep_alive = keep_alive and version == "1.1"
        is_chunked = has_trailers = False
        if self._connection_fields:
            has_trailers = any(name == b"trailer" for name, _ in self._connection_fields)
            is_chunked = self._take_connection_fields()
        self._state = HEAD[self._state]
        # Every ResponseHalf is a Connection.
        self._response = response = Http1Response(self, status, self._fields)  # type: ignore[arg-type]
        if has_trailers and is_chunked:
            response.announces_trailers = True
        self._fields = []
        self._loose_bytes = 0
        self._keep_alive = keep_alive
        if self._is_late:
            self._is_late = False
            self._owner.first_byte.discard(self)  # type: ignore[arg-type]
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(response)
        if self._is_head_request or status in BODYLESS:
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
        if self._state is not BODY or response is None:
            self._refuse("bytes after the end of the response")
        self._loose_bytes = 0
        response.feed(data)
        if response.buffered > _MAX_BUFFERED and not response.is_paused:
            response.is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The end of a message; of interim ones too, which are over already."""
        if self._state is BODY:
            self._end()

    def on_message_begin(self) -> None:
        """The first byte of a message; after a complete one it is one too many."""
        if self._state is not WAITING:
            self._refuse("bytes after the end of the response")

    def _end(self) -> None:
        self._state = END[self._state]
        trailers, self._fields = self._fields, []
        if self._response is not None:
            self._response.complete(trailers)

    def _refuse(self, problem: str) -> NoReturn:
        """Make the parser stop, for a reason of our own."""
        if self._state is BODY:
            self._defect = BodyError(problem)
        else:
            self._defect = ProtocolError(problem)
        raise self._defect
