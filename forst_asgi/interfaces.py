"""The protocols through which mechanisms meet without importing each other."""

import asyncio
from typing import Any, Protocol, runtime_checkable

from forst_asgi.events import Event
from forst_asgi.messages import UpstreamRequest, UpstreamResponse


@runtime_checkable
class Transport(Protocol):
    """Takes a request to one upstream and brings its response back.

    The one shape below the forwarding seam: a pool of connections is one, and whatever wraps one
    (a retry, a breaker, a fake in a test) is one too.
    """

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send the request and return the response as soon as its head is there.

        Raises:
            UpstreamError: named by stage; the request may have been seen by the upstream unless the
                stage is "pool" or "connect".
            ClientDisconnected, RequestError: passed through from the request's body stream.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop, cutting off exchanges that go on.

        A transport may be used again afterwards; it then makes new connections.
        """
        ...


class Exchange(Transport, Protocol):
    """A request that was sent already: a transport for this one request, to wait for its response with.

    Attributes:
        answer: brings the response once its head came, or raises what `Transport.send` raises. The
            response's `is_complete` tells whether the whole body is here, read or not.
    """

    answer: "asyncio.Future[Any]"

    def abandon(self) -> None:
        """Let go of it, now; its connection is closed if the exchange still goes on."""
        ...


@runtime_checkable
class EagerTransport(Transport, Protocol):
    """A transport that can send at once, where nothing has to be waited for."""

    def begin(self, request: UpstreamRequest) -> Exchange | None:
        """Send a request whose body is no stream; None when that would mean to wait, and nothing was sent.

        Raises:
            RequestError: the head cannot be written safely; nothing was sent.
        """
        ...


class Observer(Protocol):
    """Where mechanisms report what happened; they do not log.

    Attributes:
        wants_requests: whether an event for each forwarded request is worth building.
    """

    wants_requests: bool

    def observe(self, event: Event) -> None:
        """Take note of one event. Must neither block nor raise."""
        ...
