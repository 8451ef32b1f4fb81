"""Opening a WebSocket to an upstream: connect, send the request, check the answer (RFC 6455 section 4.1).

Each WebSocket has a connection of its own, apart from the pool: once it is open it belongs to one client
for as long as that client likes.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from forst_asgi.errors import FirstByteTimeout, HeadError, ProtocolError
from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport import Limits, Origin, wire
from forst_asgi.transport.connecting import connect, connect_failure
from forst_asgi.types import RawHeaders
from forst_asgi.websocket.frames import Protocol
from forst_asgi.websocket.interim import final_answer
from forst_asgi.websocket.link import READ_BYTES, Link
from forst_asgi.websocket.seats import Seats

_NOT_USED: Final = parse_uri("ws://localhost/")
"""The protocol wants an address, for a request that we write ourselves."""

# The library's own logger would write fields and messages out when an app logs at debug level.
_SILENT: Final = logging.Logger("silent", logging.CRITICAL + 1)  # noqa: LOG001 - nobody shall configure it


class Declined(Exception):
    """The upstream answered with a status other than 101: its answer is the client's.

    Args:
        status: the status, 200 to 599.
        headers: the field lines, names in lower case.
        body: the whole body, 1 MiB at most.
    """

    def __init__(self, status: int, headers: RawHeaders, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


class Dialer:
    """Opens WebSockets to one upstream.

    Args:
        where: tells where to connect to; may raise an UpstreamError when there is nowhere at present.
        limits: connect, first-byte and write timeouts.
        seats: how many of them there may be; a seat is for the caller to take.
    """

    def __init__(self, where: Callable[[], Origin], limits: Limits, seats: Seats) -> None:
        self._where = where
        self.limits = limits
        self.seats = seats

    async def open(
        self, request: UpstreamRequest, subprotocols: list[str], max_message: int
    ) -> tuple[Link, RawHeaders]:
        """Return an open WebSocket, and the fields of the answer that opened it.

        Args:
            request: target and end-to-end fields; what belongs to this connection is added.
            subprotocols: what the client offered.
            max_message: bytes that a message may have, in either direction.

        Raises:
            Declined: the upstream gave another answer than 101.
            UpstreamError: it cannot be reached, or its answer cannot be used.
            RequestError: the request must not be sent.
        """
        offer = [Subprotocol(each) for each in subprotocols] or None
        protocol = Protocol(_NOT_USED, subprotocols=offer, max_size=max_message, logger=_SILENT)
        fields = [*request.fields, *_handshake(protocol.key)]
        head = wire.head(UpstreamRequest(request.method, request.target, fields, block=request.block))
        reader, writer = await self._connect()
        try:
            response = await self._ask(reader, writer, protocol, head)
            headers = _checked(protocol, response)
        except BaseException:
            writer.transport.abort()
            raise
        return Link(reader, writer, protocol, self.limits.write_timeout_s), headers

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        origin = self._where()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_BYTES, loop=loop)
        timeout_s = self.limits.connect_timeout_s
        try:
            transport, protocol = await connect(
                origin, lambda: asyncio.StreamReaderProtocol(reader, loop=loop), timeout_s
            )
        except OSError as error:
            failure = connect_failure(error)
            raise failure or error from error
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        protocol: Protocol,
        head: bytes,
    ) -> Response:
        """Send the request and return the answer; messages that came with it are the protocol's."""
        writer.write(head)
        try:
            async with asyncio.timeout(self.limits.first_byte_timeout_s):
                data = await final_answer(reader, READ_BYTES)
                while True:
                    if data:
                        protocol.receive_data(data)
                    else:
                        protocol.receive_eof()
                    # Only the first event is an answer; messages that came with it are kept elsewhere.
                    if (events := protocol.events_received()) and isinstance(events[0], Response):
                        return events[0]
                    _refuse(protocol, is_over=not data)
                    data = await reader.read(READ_BYTES)
        except TimeoutError as error:
            raise FirstByteTimeout("the upstream did not answer the WebSocket handshake") from error
        except OSError as error:
            raise HeadError(f"the connection broke in the WebSocket handshake: {error}") from error


def _handshake(key: str) -> RawHeaders:
    """Return the fields that belong to this one connection; no extension is offered."""
    return [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-key", key.encode()),
        (b"sec-websocket-version", b"13"),
    ]


def _refuse(protocol: Protocol, *, is_over: bool) -> None:
    """Raise when no answer can come any more."""
    if is_over:
        raise HeadError("the upstream hung up in the WebSocket handshake")
    if protocol.handshake_exc is not None:
        cause = protocol.handshake_exc.__cause__ or protocol.handshake_exc
        raise ProtocolError(f"the upstream's answer to the WebSocket handshake: {cause}")


def _checked(protocol: Protocol, response: Response) -> RawHeaders:
    """Return the fields of an answer that opened the WebSocket; raise for any other."""
    headers = [(name.lower().encode(), as_bytes(value)) for name, value in response.headers.raw_items()]
    problem = protocol.handshake_exc
    if problem is None:
        return headers
    if isinstance(problem, InvalidStatus) and response.status_code >= 200:
        raise Declined(response.status_code, headers, bytes(response.body or b""))
    raise ProtocolError(f"the upstream's answer to the WebSocket handshake: {problem}") from problem


def as_bytes(value: str) -> bytes:
    """Return a field's value as it was on the wire; before version 17 the library wrote it otherwise."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("ascii", "surrogateescape")
