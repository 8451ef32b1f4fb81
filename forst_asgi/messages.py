"""What crosses the seam between forwarding and transport: one request, one response.

Both are plain slotted objects that are built once per request on the hot path, so they are not frozen
dataclasses; treat them as immutable all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from forst_asgi.types import RawHeaders


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


@dataclass(slots=True)
class UpstreamRequest:
    """One request as the upstream shall see it.

    Attributes:
        method: the method, byte for byte.
        target: the request target in origin-form, byte for byte (RFC 9112 section 3.2.1).
        headers: end-to-end field lines, Host included. Framing (Content-Length, Transfer-Encoding,
            Connection) is not in here: the transport derives it from `body`.
        body: None for no body at all, bytes for one that is complete, else a stream.
        is_replayable: sending it twice is harmless (RFC 9110 section 9.2.2).
        idle_timeout_s: how long the response body may stand still, None for the transport's own limit.
        on_wait: called once, when the response is not there at once: so the caller need not prepare for a
            wait that hardly ever comes.
        on_interim: called with status and fields of each 1xx response, 101 excepted.
    """

    method: bytes
    target: bytes
    headers: RawHeaders
    body: bytes | RequestBody | None = None
    is_replayable: bool = False
    idle_timeout_s: float | None = None
    on_wait: Callable[[], None] | None = None
    on_interim: Callable[[int, RawHeaders], None] | None = None

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
