"""The upstream's request, made from what the server hands over: head first, then the body as it comes."""

import re
from typing import Final, Protocol

from forst_asgi.errors import BodyTooLarge, MethodRefused, RequestError
from forst_asgi.forward.body import IncomingBody
from forst_asgi.forward.call import Call
from forst_asgi.forward.forwarded import ForwardingFields
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.forward.request import HeadBuilder, RequestHead
from forst_asgi.headers import TOKEN
from forst_asgi.loops import PerLoop
from forst_asgi.messages import UpstreamRequest
from forst_asgi.request_id import RequestId
from forst_asgi.routing import RouteMatch
from forst_asgi.timers import TimeoutQueue
from forst_asgi.types import Receive, Scope

SMALL_BODY: Final = 64 * 1024
"""A body declared up to this many bytes that comes in one message is sent together with the head."""

_REFUSED: Final = frozenset({"CONNECT", "TRACE"})

_ORDINARY: Final = {
    method: method.encode() for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH")
}
_METHOD: Final = re.compile(TOKEN)

_REPLAYABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110 section 9.2.2) without TRACE, which is never forwarded."""

_SELDOM_WITH_BODY: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"DELETE"})
"""Methods for which an HTTP/2 request without a length hardly ever has a body."""


class Caller(Protocol):
    """Whom a request is made for."""

    @property
    def scope(self) -> Scope:
        """The request's scope."""
        ...

    def watch(self) -> None:
        """Take note that the answer is not there at once."""
        ...


class Outgoing:
    """Makes the requests of one route.

    Args:
        policy: what the route asks for.
    """

    def __init__(self, policy: ForwardPolicy) -> None:
        self._max_body = policy.max_body
        self._idle_timeout_s = policy.idle_timeout_s
        client_timeout_s = policy.client_timeout_s
        self._patience = PerLoop(lambda loop: TimeoutQueue(loop, client_timeout_s, IncomingBody.expire))
        self._heads = HeadBuilder(policy.host, ForwardingFields(policy.trusted, policy.pseudonym))

    def request(
        self, call: Caller, match: RouteMatch[object], prefix: bytes
    ) -> tuple[UpstreamRequest, RequestHead]:
        """Return the request without its body, and what the head says about one.

        Raises:
            MethodRefused, UnsafeTarget, BadHost, HeadersTooLarge, BodyTooLarge, RequestError: nothing
                may be sent upstream.
        """
        scope = call.scope
        method: str = scope["method"]
        sent = _ORDINARY.get(method) or _checked_method(method)
        head = self._heads.build(scope, prefix, request_id_of(scope))
        request = UpstreamRequest(
            sent, match.target(), head.fields, None, head.block, is_replayable=method in _REPLAYABLE
        )
        request.on_wait = call.watch
        if self._idle_timeout_s is not None:
            request.idle_timeout_s = self._idle_timeout_s
        return request, head

    def add_whole(self, request: UpstreamRequest, head: RequestHead, body: bytes) -> bool:
        """Give an HTTP/1.1 request its body, which is here already, if it is a small one.

        Returns:
            Whether that is all there is to do about it; if not, `add_body` finds out what is.
        """
        length, limit = head.content_length, self._max_body
        if length is None:
            return not head.is_chunked
        if length > SMALL_BODY or len(body) != length or (limit is not None and length > limit):
            return False
        request.body = body
        return True

    async def add_body(
        self, request: UpstreamRequest, head: RequestHead, call: Call, receive: Receive
    ) -> None:
        """Give the request its body, as bytes if it is small, as a stream if not.

        `receive()` is called here for the first time, which is what makes a server send 100 Continue:
        routing, flags and auth have decided by now. On HTTP/2 it is called for an empty body, too: its end
        comes in a frame of its own, and a server may take one that comes after the answer for a fault.

        Raises:
            BodyTooLarge, BodyMismatch, ClientDisconnected: the body is not to be had.
        """
        length, limit = head.content_length, self._max_body
        if length == 0 and call.scope["http_version"] < "2":
            request.body = b""
            return
        if limit is not None and length is not None and length > limit:
            raise BodyTooLarge(f"Content-Length is over {limit} bytes")
        body = IncomingBody(receive, length, limit)
        if length is None:
            is_soon_here = not head.is_chunked and request.method in _SELDOM_WITH_BODY
        else:
            is_soon_here = length <= SMALL_BODY
        if is_soon_here and (whole := await body.read_small()) is not None:
            request.body = whole if length is not None else whole or None
            call.has_received = True
            return
        if head.asks_upgrade and head.is_chunked:
            await body.begin()
        request.body = body
        call.begin_stream(body, self._patience.get())


def _checked_method(method: str) -> bytes:
    if method in _REFUSED:
        raise MethodRefused(f"{method} is never forwarded")
    if not _METHOD.fullmatch(method):
        raise RequestError("the method is not a token")
    return method.encode("ascii")


def request_id_of(scope: Scope) -> RequestId:
    """Return the id that was made for this request."""
    request_id: RequestId = scope["forst.request_id"]
    return request_id
