"""Clients that stand still while they hold a connection to the upstream (items 32 and 36)."""

import asyncio

import pytest

from forst_asgi.errors import ClientTimeout
from forst_asgi.types import Message
from tests.forward.calls import POST, Client, Forwarding, http_scope, piece
from tests.forward.test_forward_disconnect import Waiting
from tests.transport.upstream import OK, Run, Upstream, answering

SHORT_S = 0.03
LONG_S = 60.0

CHUNKED = (b"transfer-encoding", b"chunked")
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsome"


@pytest.mark.item(32, 36)
@pytest.mark.parametrize("field", [CHUNKED, (b"content-length", b"1000000")])
def test_stalled_upload(run: Run, field: tuple[bytes, bytes]) -> None:
    """A client that stops sending gets a 408; the upstream sees its body break off and is free again."""

    async def main() -> None:
        script = Waiting()
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport, client_timeout_s=SHORT_S)
            client = Client(piece(b"first", more=True), asyncio.Event())
            await forwarding(http_scope(field, **POST), client)
            assert client.status == 408
            assert b"client-timeout" in client.body
            await script.gone.wait()
            assert not upstream.peers[0].received.endswith(b"0\r\n\r\n")
            assert transport.pool().slots == 0
            assert forwarding.observer.names == ["forst.request.refused"]

    run(main())


@pytest.mark.item(32, 36)
def test_stalled_download(run: Run) -> None:
    """An answer that the client takes no more of is broken off, and so is the upstream's."""

    async def main() -> None:
        async def stall(message: Message) -> None:
            if message.get("body"):
                await asyncio.Event().wait()

        script = Waiting(BEGUN)
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport, client_timeout_s=SHORT_S)
            client = Client(on_send=stall)
            with pytest.raises(ClientTimeout):
                await forwarding(http_scope(), client)
            assert client.status == 200
            assert not client.is_complete
            await script.gone.wait()
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(36)
def test_client_in_time(run: Run) -> None:
    """A client that goes on in time is left alone, and nothing is left that could end a later call."""

    async def main() -> None:
        goes_on = asyncio.Event()
        asyncio.get_running_loop().call_later(3 * SHORT_S, goes_on.set)
        async with Upstream(answering(OK)) as upstream:
            forwarding = Forwarding(upstream.transport(), client_timeout_s=LONG_S)
            client = Client(piece(b"first", more=True), goes_on, piece(b"last"))
            await forwarding(http_scope(CHUNKED, **POST), client)
            assert (client.status, client.body, client.is_complete) == (200, b"ok", True)

    run(main())


@pytest.mark.item(36)
def test_the_upstreams_time_is_not_the_clients(run: Run) -> None:
    """While the upstream is slow, before its head or amid its body, no time of the client's runs."""

    async def main() -> None:
        goes_on = asyncio.Event()
        asyncio.get_running_loop().call_later(3 * SHORT_S, goes_on.set)
        script = Waiting(BEGUN)
        async with Upstream(script) as upstream:
            forwarding = Forwarding(upstream.transport(), client_timeout_s=SHORT_S)
            client = Client(piece(b"first", more=True), piece(b"last"))
            call = asyncio.create_task(forwarding(http_scope(CHUNKED, **POST), client))
            await goes_on.wait()
            assert client.body == b"some"
            client.gone.set()
            await call
            assert forwarding.observer.names == ["forst.request.abandoned"]

    run(main())
