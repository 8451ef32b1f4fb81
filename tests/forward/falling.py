"""Routes with `on_failure = "app"`, and what an app gets of a request that fell back to it."""

from typing import Any

from forst_asgi.errors import FallBack
from forst_asgi.types import Header, Message, Receive, Scope
from tests.forward.calls import Client, Forwarding
from tests.transport.upstream import Peer

CHUNKED: Header = (b"transfer-encoding", b"chunked")


def length(size: int) -> Header:
    """Return a Content-Length field."""
    return (b"content-length", b"%d" % size)


class Fallible(Forwarding):
    """A forwarder on a route with `on_failure = "app"`."""

    def __init__(self, *given: Any, **policy: Any) -> None:
        super().__init__(*given, **{"falls_back": True, **policy})

    async def receive_of(self, scope: Scope, client: Client) -> Receive | None:
        """Forward one request; return the `receive` that the app gets, None if it is not asked."""
        try:
            await self(scope, client)
        except FallBack as instead:
            assert client.sent == []
            assert self.observer.names[-1:] == ["forst.request.fallen_back"]
            return instead.receive
        return None


async def whole(receive: Receive | None, client: Client) -> list[Message]:
    """Return all that an app can receive, the client's leave included."""
    assert receive is not None, client.sent
    client.gone.set()
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and len(messages) < 9:
        messages.append(await receive())
    assert messages.pop() == {"type": "http.disconnect"}
    return messages


async def hang_up(peer: Peer) -> None:
    """Read a whole request, then close without a word."""
    await peer.request()
