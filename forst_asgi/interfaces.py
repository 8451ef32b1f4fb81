"""The protocols through which mechanisms meet without importing each other."""

from typing import Protocol, runtime_checkable

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


class Observer(Protocol):
    """Where mechanisms report what happened; they do not log.

    Attributes:
        wants_requests: whether an event for each forwarded request is worth building.
    """

    wants_requests: bool

    def observe(self, event: Event) -> None:
        """Take note of one event. Must neither block nor raise."""
        ...
