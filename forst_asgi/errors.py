"""Everything that can go wrong, named by stage.

One tree, so that `except ForstError` is always enough:

    ForstError
      ConfigError                what the user wrote cannot be used
      SidecarError               the sidecar process could not be started or kept
      StateError                 the state file of the flags cannot be read or changed
      FallBack                   the app shall answer instead
      RequestError               the client's request is refused           400 405 408 413 431
        UnsafeTarget, BodyMismatch, BodyTooLarge, HeadersTooLarge, ...
      UpstreamError              the sidecar could not be asked            502 503 504
        PoolTimeout, PoolFull                     stage "pool"             503
        ConnectError, ConnectTimeout              stage "connect"          502 504
        WriteError, WriteTimeout                  stage "write"            502 504
        HeadError, FirstByteTimeout               stage "head"             502 504
        BodyError, IdleTimeout                    stage "body"             (the response had begun)
        DeadlineExceeded                          any stage                504
      ClientDisconnected         an outcome, not a failure; never shown to anyone

An error that is raised before the response head was sent becomes a response with its `status` and a
`Proxy-Status` field (RFC 9209). After that nothing maps to a status any more: the stream is aborted so
that the client can tell.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from forst_asgi.types import Receive

Stage: TypeAlias = Literal["pool", "connect", "write", "head", "body"]


class ForstError(Exception):
    """The base of every exception that forst_asgi raises on purpose."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in what the user wrote; `str()` of it is one line, as a compiler prints it.

    Attributes:
        file: the file as a person would name it, or "<python>".
        line: where in the file, from 1; None when there is no such place.
        column: where in the line, from 1; only known for mistakes of syntax.
        key: the path of the key, such as `route[2].timeout`; "" for the file as a whole.
        value: what was written there, shortened; None when it is of no use or must not be shown.
        problem: what is wrong with it; "" when `expected` says it all.
        expected: what may stand there.
        suggestion: what was probably meant.
    """

    file: str
    line: int | None
    column: int | None
    key: str
    value: str | None
    problem: str
    expected: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        subject = self.key if self.value is None else f"{self.key} = {self.value}"
        said = (
            self.problem,
            self.expected and f"expected {self.expected}",
            self.suggestion and f'did you mean "{self.suggestion}"?',
        )
        return ": ".join(part for part in (place, subject, ", ".join(filter(None, said))) if part)


class ConfigError(ForstError):
    """The configuration cannot be used; the text names every mistake, one a line.

    Attributes:
        mistakes: the same, one by one; empty when the text is all there is to say.
    """

    def __init__(self, message: str = "", *, mistakes: Iterable[Mistake] = ()) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(message or "\n".join(map(str, self.mistakes)))


class SidecarError(ForstError):
    """The sidecar process could not be started, did not become ready, or ended."""


class StateError(ForstError):
    """The state file of the flags cannot be read or changed."""


class FallBack(ForstError):
    """The app shall answer, because the sidecar did not; nothing was sent to the client.

    Attributes:
        receive: the ASGI callable with which the app gets the whole request.
    """

    def __init__(self, receive: Receive) -> None:
        super().__init__("the app answers instead")
        self.receive = receive


class ClientDisconnected(ForstError):
    """The client went away; there is nobody left to answer."""


class ResponseError(ForstError):
    """A failure that has an HTTP answer, as long as no response head was sent.

    Attributes:
        status: the HTTP status code of that answer.
        proxy_error: the `error` parameter of its Proxy-Status field (RFC 9209 section 2.3).
    """

    status: ClassVar[int] = 500
    proxy_error: ClassVar[str] = "proxy_internal_error"


class RequestError(ResponseError):
    """The client's request is refused; nothing, or nothing complete, went upstream."""

    status = 400
    proxy_error = "http_request_error"


class UnsafeTarget(RequestError):
    """The request target is not one that both sides read alike (RFC 3986 section 6)."""


class BadHost(RequestError):
    """No Host field, more than one, or one that is no host (RFC 9112 section 3.2)."""


class BodyMismatch(RequestError):
    """The body is shorter or longer than its Content-Length (RFC 9112 section 6.3)."""


class BodyTooLarge(RequestError):
    """The body is over the route's `max_body`."""

    status = 413


class ClientTimeout(RequestError):
    """The client sent nothing of its body, or took nothing of the answer, for `client_timeout`."""

    status = 408


class HeadersTooLarge(RequestError):
    """The header section is over the cap in count or bytes (RFC 6585 section 5)."""

    status = 431


class MethodRefused(RequestError):
    """A method that is never forwarded: CONNECT, TRACE."""

    status = 405


class AuthFailed(ResponseError):
    """The route's `auth` callable raised something other than an HTTPException."""


class LoopDetected(ResponseError):
    """The request has been through this very middleware before (RFC 9110 section 7.6.3)."""

    status = 502
    proxy_error = "proxy_loop_detected"


class UpstreamError(ResponseError):
    """The sidecar could not be asked, or its answer cannot be used.

    Attributes:
        stage: how far the exchange had come.
    """

    stage: ClassVar[Stage] = "head"
    status = 502
    proxy_error = "destination_unavailable"


class SidecarNotReady(UpstreamError):
    """The sidecar is known not to be ready, so it was not asked."""

    stage = "connect"
    status = 503


class BreakerOpen(SidecarNotReady):
    """The upstream could not be reached several times in a row; it is given a pause."""


class PoolFull(UpstreamError):
    """Every connection is busy and as many requests wait already as are allowed to."""

    stage = "pool"
    status = 503
    proxy_error = "connection_limit_reached"


class PoolTimeout(UpstreamError):
    """No connection became free within `pool_timeout`."""

    stage = "pool"
    status = 503
    proxy_error = "connection_limit_reached"


class TransportClosed(UpstreamError):
    """The transport was closed while, or before, the request waited for a connection."""

    stage = "pool"
    status = 503


class ConnectError(UpstreamError):
    """No connection could be made: refused, no such socket, TLS handshake failed."""

    stage = "connect"
    proxy_error = "connection_refused"


class ConnectTimeout(UpstreamError):
    """No connection could be made within `connect_timeout`."""

    stage = "connect"
    status = 504
    proxy_error = "connection_timeout"


class WriteError(UpstreamError):
    """The connection broke while the request was being written."""

    stage = "write"
    proxy_error = "connection_terminated"


class WriteTimeout(UpstreamError):
    """The upstream took no byte of the request for `write_timeout`."""

    stage = "write"
    status = 504
    proxy_error = "connection_write_timeout"


class HeadError(UpstreamError):
    """The connection ended before a whole response head came."""

    proxy_error = "connection_terminated"


class ProtocolError(HeadError):
    """What the upstream sent is not an acceptable HTTP/1.1 response (RFC 9112)."""

    proxy_error = "http_protocol_error"


class FirstByteTimeout(UpstreamError):
    """No response head came within `first_byte_timeout`."""

    status = 504
    proxy_error = "http_response_timeout"


class BodyError(UpstreamError):
    """The response body ended before it was complete, or cannot be parsed."""

    stage = "body"
    proxy_error = "http_response_incomplete"


class IdleTimeout(UpstreamError):
    """The response body stood still for `idle_timeout`."""

    stage = "body"
    status = 504
    proxy_error = "connection_read_timeout"


class DeadlineExceeded(UpstreamError):
    """The whole call took longer than the route's `timeout`."""

    status = 504
    proxy_error = "http_response_timeout"
