"""Exchanges that are begun without waiting: who carries them on, and what becomes of the others."""

import asyncio

import pytest

from forst_asgi.errors import HeadError, RequestError
from forst_asgi.runtime.generations import GenerationTransport
from forst_asgi.testing import FakeTransport
from forst_asgi.transport import Http1Transport
from forst_asgi.transport.begun import Begun
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, asking, fetch, turns


async def begun(transport: Http1Transport, method: bytes = b"GET") -> Begun:
    """Begin an exchange on a connection that was used before."""
    await fetch(transport)
    made = transport.begin(asking(method))
    assert made is not None
    return made


def test_it_needs_an_idle_connection(run: Run) -> None:
    """Where one would have to be made, nothing is sent; where there is one, the request is."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            assert transport.begin(asking()) is None
            exchange = await begun(transport)
            response = await exchange.answer
            assert (response.status, response.take(), response.has_ended) == (200, b"ok", True)
            assert len(upstream.requests) == 2
            assert transport.pool().idle == 1
            assert "Begun <UpstreamRequest b'GET' b'/'>" in repr(exchange)

    run(main())


def test_what_cannot_be_sent_is_not_begun(run: Run) -> None:
    """Nothing is written, and the slot is free."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            with pytest.raises(RequestError):
                transport.begin(asking(target=b"/a\r\nb"))
            assert transport.pool().slots == 0
            assert len(upstream.requests) == 1

    run(main())


@pytest.mark.parametrize("is_there", [True, False], ids=["answered", "awaited"])
def test_it_is_carried_on(run: Run, *, is_there: bool) -> None:
    """`send` waits for what was sent already; whoever waits is told so, once, and only then."""
    told = []

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            exchange = await begun(upstream.transport())
            if is_there:
                await asyncio.wait([exchange.answer])
            response = await exchange.send(asking(on_wait=lambda: told.append(1), idle_timeout_s=7.0))
            assert await response.read() == b"ok"
            assert exchange.request.idle_timeout_s == 7.0
            assert len(upstream.requests) == 2

    run(main())
    assert told == ([] if is_there else [1])


async def dying(peer: Peer) -> None:
    """Answer once, and hang up on the second request."""
    await peer.request()
    await peer.send(OK)
    await peer.request()


@pytest.mark.item(38)
@pytest.mark.parametrize(("method", "times"), [(b"GET", 3), (b"POST", 2)])
def test_what_was_lost_is_sent_again_once(run: Run, method: bytes, times: int) -> None:
    """By the rules of the transport: only what can be repeated, and never a third time."""

    async def main() -> None:
        async with Upstream(dying) as upstream:
            exchange = await begun(upstream.transport(), method)
            if method == b"GET":
                assert (await exchange.send(asking(method))).take() == b"ok"
            else:
                with pytest.raises(HeadError):
                    await exchange.send(asking(method))
            assert len(upstream.requests) == times

    run(main())


@pytest.mark.parametrize("how", ["abandon", "aclose"])
def test_it_can_be_abandoned(run: Run, how: str) -> None:
    """Its connection is closed if the exchange goes on there; one that is idle again is nobody's to close."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            exchange = await begun(transport)
            await exchange.answer
            exchange.abandon()
            assert transport.pool().idle == 1
            exchange = await begun(transport)
            exchange.abandon() if how == "abandon" else await exchange.aclose()
            assert transport.pool().slots == 0
            await turns()

    run(main())


def test_a_waiter_that_is_cancelled_closes_it(run: Run) -> None:
    """As with any exchange."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            exchange = await begun(transport)
            waiter = asyncio.get_running_loop().create_task(exchange.send(asking()))
            await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.wait([waiter])
            assert waiter.cancelled()
            assert transport.pool().slots == 0

    run(main())


def test_a_generation_begins_what_its_transport_can(run: Run) -> None:
    """One that cannot begins nothing."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            exchange = GenerationTransport(lambda: transport).begin(asking())
            assert exchange is not None
            await exchange.answer
        assert GenerationTransport(FakeTransport).begin(asking()) is None

    run(main())
