"""A transport whose connections belong to one process of the sidecar; the next process begins with none."""

import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from forst_asgi.interfaces import EagerTransport, Exchange, Transport
from forst_asgi.messages import UpstreamRequest, UpstreamResponse


class GenerationTransport:
    """Sends requests through one transport after the other.

    What goes on over an earlier one goes on; its connections are not used for anything new, so none of them
    can break under a request that may not be sent twice.

    Args:
        make: makes the transport of a generation.
    """

    def __init__(self, make: Callable[[], Transport]) -> None:
        self._make = make
        self._current = make()
        self._earlier: weakref.WeakSet[Transport] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"<GenerationTransport {self._current!r} and {len(self._earlier)} earlier>"

    def send(self, request: UpstreamRequest) -> Coroutine[Any, Any, UpstreamResponse]:
        """Send through the present one; see `interfaces.Transport.send`."""
        return self._current.send(request)

    def begin(self, request: UpstreamRequest) -> Exchange | None:
        """Send at once through the present one, if it can; see `interfaces.EagerTransport.begin`."""
        return self._current.begin(request) if isinstance(self._current, EagerTransport) else None

    def turn(self) -> None:
        """Use new connections from now on."""
        self._earlier.add(self._current)
        self._current = self._make()

    async def aclose(self) -> None:
        """Close the connections of all generations; see `interfaces.Transport.aclose`."""
        for transport in (self._current, *self._earlier):
            await transport.aclose()
