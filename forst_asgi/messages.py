"""What crosses the seam between forwarding and transport: one request, one response.

Both are plain slotted objects that are built once per request on the hot path, so they are not frozen
dataclasses; treat them as immutable all the same.
"""

from collections.abc import Callable
from typing import Final, Protocol

from forst_asgi.errors import RequestError
from forst_asgi.types import RawHeaders

BODYLESS: Final = frozenset({204, 304})
"""Statuses that no body goes with (RFC 9110 section 6.4.1)."""


class RequestBody(Protocol):
    """A request body that is read while it is being sent."""

    @property
    def content_length(self) -> int | None:
        """The length that the client declared, in bytes; None when it did not (chunked)."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes, `b""` once at the end.

        Raises:
            ClientDisconnected: the client went away before the end.
            BodyTooLarge: more came than the route allows.
            BodyMismatch: the length is not what was declared.
        """
        ...


class FieldBlock:
    """Field lines that many requests have in common, joined once for all of them.

    Args:
        fields: the lines, in order; at least one.

    Attributes:
        fields: the same.
        wire: the same as bytes, without the line end after the last.

    Raises:
        RequestError: a name or value holds CR or LF, which would make more lines of it.
    """

    __slots__ = ("fields", "wire")

    def __init__(self, fields: RawHeaders) -> None:
        self.fields = fields
        self.wire = wire = b"\r\n".join([name + b": " + value for name, value in fields])
        line_ends = len(fields) - 1
        if wire.count(b"\r") != line_ends or wire.count(b"\n") != line_ends:
            raise RequestError("a field holds CR or LF")

    def __repr__(self) -> str:
        return f"<FieldBlock {self.fields!r}>"


class UpstreamRequest:
    """One request as the upstream shall see it.

    Args:
        method: the method, byte for byte.
        target: the request target in origin-form, byte for byte (RFC 9112 section 3.2.1).
        fields: end-to-end field lines, Host included. Framing (Content-Length, Transfer-Encoding,
            Connection) is not in here: the transport derives it from `body`.
        body: None for no body at all, bytes for one that is complete, else a stream.
        block: more field lines, which follow `fields`.
        is_replayable: sending it twice is harmless (RFC 9110 section 9.2.2).

    Attributes:
        method, target, fields, body, block, is_replayable: the same.
        idle_timeout_s: how long the response body may stand still, None for the transport's own limit.
        on_wait: called once, when the response is not there at once: so the caller need not prepare for a
            wait that hardly ever comes.
        on_interim: called with status and fields of each 1xx response, 101 excepted.
    """

    # Defaults on the class instead of slots: few requests need them.
    idle_timeout_s: float | None = None
    on_wait: Callable[[], None] | None = None
    on_interim: Callable[[int, RawHeaders], None] | None = None

    def __init__(
        self,
        method: bytes,
        target: bytes,
        fields: RawHeaders,
        body: bytes | RequestBody | None = None,
        block: FieldBlock | None = None,
        *,
        is_replayable: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.block = block
        self.is_replayable = is_replayable

    def __repr__(self) -> str:
        return f"<UpstreamRequest {self.method!r} {self.target!r}>"

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """All the field lines that go upstream, framing excepted."""
        return (*self.fields, *self.block.fields) if self.block is not None else tuple(self.fields)

    def tell_of_wait(self) -> None:
        """Call `on_wait`, the first time; what a transport does when the response is not there at once."""
        if self.on_wait is not None:
            on_wait, self.on_wait = self.on_wait, None
            on_wait()


class UpstreamResponse(Protocol):
    """One response as the upstream gave it, its body still arriving.

    Whoever got one from `Transport.send` owes it an `aclose()`, unless `has_ended` is true and the
    request's body was not a stream.
    """

    @property
    def status(self) -> int:
        """The final status code, 200 to 599."""
        ...

    @property
    def headers(self) -> RawHeaders:
        """End-to-end field lines: hop-by-hop fields and what Connection nominated are gone."""
        ...

    @property
    def has_ended(self) -> bool:
        """True once the body is complete and all of it was read."""
        ...

    def take(self) -> bytes:
        """Return what `read` would without waiting; `b""` when nothing is there, or nobody knows."""
        ...

    @property
    def announces_trailers(self) -> bool:
        """Whether the head said that trailer fields will follow the body (RFC 9110 section 6.6.2)."""
        ...

    @property
    def trailers(self) -> RawHeaders:
        """Trailer fields; meaningful once `has_ended` is true."""
        ...

    async def read(self) -> bytes:
        """Return the body bytes that are there, waiting for some if there are none.

        Returns `b""` only at the end of the body; `has_ended` tells the end without a further call.

        Raises:
            BodyError: the body broke off.
            IdleTimeout: nothing came for the transport's idle timeout.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the connection, closing it when the body was not read to its end."""
        ...
