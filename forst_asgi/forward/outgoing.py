"""The upstream's request, made from what the server hands over: head first, then the body as it comes."""

from typing import Final

from forst_asgi.errors import BodyTooLarge, MethodRefused, UnsafeTarget
from forst_asgi.forward.body import IncomingBody
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.forward.request import HeadBuilder, RequestHead
from forst_asgi.headers import REQUEST_ID
from forst_asgi.messages import UpstreamRequest
from forst_asgi.request_id import RequestId, current
from forst_asgi.routing import RouteMatch
from forst_asgi.types import Receive, Scope

SMALL_BODY: Final = 64 * 1024
"""A body declared up to this many bytes is waited for before a connection is taken."""

_REFUSED: Final = frozenset({"CONNECT", "TRACE"})

_REPLAYABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110 section 9.2.2) without TRACE, which is never forwarded."""

_BODYLESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods for which an HTTP/2 request without a length hardly ever has a body."""


class Outgoing:
    """Makes the requests of one route.

    Args:
        policy: what the route asks for.
    """

    def __init__(self, policy: ForwardPolicy) -> None:
        self._policy = policy
        self._heads = HeadBuilder(policy.host, policy.trusted)

    def head(self, scope: Scope) -> tuple[UpstreamRequest, RequestHead]:
        """Return the request without its body, and what the head says about one.

        Raises:
            MethodRefused, UnsafeTarget, BadHost, HeadersTooLarge, BodyTooLarge, RequestError: nothing
                may be sent upstream.
        """
        method: str = scope["method"]
        match: RouteMatch[object] = scope["forst.match"]
        if match.unsafe is not None:
            raise UnsafeTarget(f"the path cannot be forwarded: {match.unsafe}")
        if method in _REFUSED:
            raise MethodRefused(f"{method} is never forwarded")
        head = self._heads.build(scope, match.prefix)
        limit = self._policy.max_body
        if limit is not None and head.content_length is not None and head.content_length > limit:
            raise BodyTooLarge(f"Content-Length is over {limit} bytes")
        head.headers.append((REQUEST_ID, _request_id(scope).value))
        request = UpstreamRequest(
            method=method.encode("ascii"),
            target=match.target(),
            headers=head.headers,
            is_replayable=method in _REPLAYABLE,
            idle_timeout_s=self._policy.idle_timeout_s,
        )
        return request, head

    async def body(
        self, request: UpstreamRequest, head: RequestHead, scope: Scope, receive: Receive
    ) -> IncomingBody | None:
        """Give the request its body; return the stream if it is one.

        `receive()` is called here for the first time, which is what makes a server send 100 Continue:
        routing, flags and auth have decided by now.
        """
        length = head.content_length
        if length == 0:
            request.body = b""
            return None
        body = IncomingBody(receive, length, self._policy.max_body)
        is_soon_here = (length is not None and length <= SMALL_BODY) or (
            not head.is_chunked and scope["method"] in _BODYLESS
        )
        if is_soon_here and (whole := await body.read_small()) is not None:
            request.body = whole or None
            return None
        request.body = body
        return body

    def has_body(self, scope: Scope, head: RequestHead) -> bool:
        """Tell whether a body may follow; on HTTP/1 framing decides (RFC 9112 section 6.3)."""
        return head.content_length is not None or head.is_chunked or scope["http_version"] >= "2"


def _request_id(scope: Scope) -> RequestId:
    bound = current.get(None)
    # An app that clears structlog's context leaves an Ellipsis behind.
    return bound if isinstance(bound, RequestId) else RequestId(scope)
