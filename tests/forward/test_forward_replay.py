"""What the app gets of a request that fell back to it: the very same, whatever was taken of it before."""

import asyncio

import pytest

from forst_asgi import errors
from forst_asgi.testing import FakeTransport
from forst_asgi.types import Header, Message
from tests.forward.calls import Client, http_scope, piece
from tests.forward.falling import Fallible, hang_up, length, whole
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, turns, until_still


def test_nothing_was_received_nothing_is_replayed() -> None:
    """As long as nobody has called `receive`, the app gets the server's own."""

    async def main() -> None:
        client = Client()
        receive = await Fallible(FakeTransport([errors.ConnectError("no")])).receive_of(http_scope(), client)
        assert receive == client.receive
        assert client.receives == 0

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 2])
def test_what_the_watcher_took_is_replayed(run: Run, count: int) -> None:
    """While the sidecar was slow, the end of the body that is none was taken; the app gets it, too."""

    async def main() -> None:
        client = Client(*[piece(b"")] * count)

        async def script(peer: Peer) -> None:
            await peer.request()
            assert await until_still(lambda: client.receives) == count + 1

        async with Upstream(script) as upstream:
            receive = await Fallible(upstream.transport()).receive_of(http_scope(), client)
            assert await whole(receive, client) == [piece(b"")]

    run(main())


class Forgetful(Client):
    """Behind a server that loses a message when the `receive()` for it is cancelled, as granian does."""

    async def receive(self) -> Message:
        """Be the ASGI callable."""
        message = await super().receive()
        await asyncio.Event().wait() if self.receives == 1 else None
        return message


@pytest.mark.parametrize("kind", [Client, Forgetful])
@pytest.mark.parametrize("headers", [[], [length(0)]])
def test_what_was_lost_is_replayed_and_what_was_not_comes_once(
    run: Run, kind: type[Client], headers: list[Header]
) -> None:
    """Whether the server keeps what a cancelled `receive()` waited for, or not: the app gets it once."""

    async def main() -> None:
        ends = asyncio.Event()
        client = Forgetful() if kind is Forgetful else Client(ends, piece(b""))

        async def script(peer: Peer) -> None:
            await peer.request()
            assert await until_still(lambda: client.receives) == 1

        async with Upstream(script) as upstream:
            receive = await Fallible(upstream.transport()).receive_of(http_scope(*headers), client)
            ends.set()
            assert await whole(receive, client) == [piece(b"")]

    run(main())


@pytest.mark.parametrize("body", [b"", b"abc"])
@pytest.mark.parametrize("is_asked", [False, True])
def test_over_http2_the_end_of_the_body_is_replayed(run: Run, body: bytes, *, is_asked: bool) -> None:
    """There the end of a body without a length has to be waited for, so it was taken always."""

    async def main() -> None:
        async with Upstream(hang_up if is_asked else answering(OK)) as upstream:
            if not is_asked:
                await upstream.stop_listening()
            client = Client(piece(body))
            receive = await Fallible(upstream.transport()).receive_of(http_scope(http_version="2"), client)
            assert await whole(receive, client) == [piece(body)]

    run(main())


def test_a_client_that_leaves_the_app_is_seen_by_it(run: Run) -> None:
    """The app's own wait for the disconnect is the server's, and ends when the client goes."""

    async def main() -> None:
        async with Upstream(hang_up) as upstream:
            client = Client(piece(b"abc"))
            receive = await Fallible(upstream.transport()).receive_of(
                http_scope(length(3), method="PUT"), client
            )
            assert receive is not None
            assert await receive() == piece(b"abc")
            waiting = asyncio.ensure_future(receive())
            await turns()
            assert not waiting.done()
            client.gone.set()
            assert await waiting == {"type": "http.disconnect"}

    run(main())


def test_a_failure_after_the_retry_is_the_apps(run: Run) -> None:
    """A GET that was sent again on a new connection, and failed there too, is answered once, by the app."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            if upstream.connections == 1:
                await peer.send(OK)
                await peer.request()

        async with Upstream(script) as upstream:
            fallible = Fallible(upstream.transport())
            assert (await fallible.answer(http_scope())).status == 200
            client = Client()
            assert await whole(await fallible.receive_of(http_scope(), client), client) == [piece(b"")]
            assert len(upstream.requests) == 3
            assert fallible.observer.names == ["forst.request.forwarded", "forst.request.fallen_back"]

    run(main())
