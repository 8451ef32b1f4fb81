"""Connections are kept, counted, waited for and given up."""

import asyncio

import pytest

from forst_asgi.errors import PoolFull, PoolTimeout, TransportClosed
from forst_asgi.transport import Limits
from tests.transport.upstream import (
    OK,
    Peer,
    Place,
    Run,
    Upstream,
    answering,
    asking,
    each_connection,
    fetch,
    turns,
)


def test_connection_is_used_again(run: Run, place: Place) -> None:
    """Requests one after the other go over one connection."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            for _ in range(3):
                assert (await fetch(transport)).body == b"ok"
            assert (upstream.connections, len(upstream.requests)) == (1, 3)
            assert repr(transport.pool()) == "<Pool open=1 idle=1 connecting=0 waiting=0>"
            assert "Pool open=1" in repr(transport)

    run(main())


def test_connection_over_tls_is_used_again(run: Run) -> None:
    """TLS connections are kept like others."""

    async def main() -> None:
        async with Upstream(answering(OK), "tls") as upstream:
            transport = upstream.transport()
            for _ in range(3):
                assert (await fetch(transport)).body == b"ok"
            assert upstream.connections == 1

    run(main())


def test_connection_used_last_is_used_next(run: Run, place: Place) -> None:
    """The idle connection that was used last is taken first, so that surplus ones can expire."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            first, second = await asyncio.gather(transport.send(asking()), transport.send(asking()))
            assert transport.pool().idle == 2
            for response in (first, second):
                assert await response.read() == b"ok"
            before = [len(peer.requests) for peer in upstream.peers]
            for _ in range(3):
                await fetch(transport)
            after = [len(peer.requests) for peer in upstream.peers]
            assert sorted(a - b for a, b in zip(after, before, strict=True)) == [0, 3]

    run(main())


@pytest.mark.item(37)
def test_idle_connection_expires(run: Run, place: Place) -> None:
    """A connection that nobody uses is closed after `keepalive_s`, and the upstream sees it."""

    async def main() -> None:
        gone = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.end()
            gone.set()

        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(keepalive_s=0.01))
            await fetch(transport)
            await gone.wait()
            assert (transport.pool().slots, transport.pool().idle) == (0, 0)

    run(main())


@pytest.mark.item(41)
def test_waiters_are_served_in_order(run: Run, place: Place) -> None:
    """No more than `max_connections` are opened; who waits is served first come, first served."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport(Limits(max_connections=1))
            targets = [b"/%d" % number for number in range(20)]
            await asyncio.gather(*(fetch(transport, asking(target=target)) for target in targets))
            assert upstream.connections == 1
            assert [request.split(b" ")[1] for request in upstream.requests] == targets

    run(main())


@pytest.mark.item(41)
def test_line_has_an_end(run: Run, place: Place) -> None:
    """When `max_pending` requests wait already the next one fails at once with PoolFull."""

    async def main() -> None:
        go = asyncio.Event()

        async def script(peer: Peer) -> None:
            while await peer.request():
                await go.wait()
                await peer.send(OK)

        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(max_connections=1, max_pending=1))
            allowed = [asyncio.create_task(fetch(transport)) for _ in range(2)]
            await turns()
            assert repr(transport.pool()).endswith("waiting=1>")
            with pytest.raises(PoolFull, match="1 requests wait"):
                await transport.send(asking())
            go.set()
            for task in allowed:
                assert (await task).body == b"ok"

    run(main())


@pytest.mark.item(36, 41)
def test_waiting_in_line_has_a_limit(run: Run, place: Place) -> None:
    """Who waits longer than `pool_timeout_s` gets PoolTimeout and leaves the line."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.end()

        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(max_connections=1, pool_timeout_s=0.01))
            busy = asyncio.create_task(transport.send(asking()))
            await turns()
            with pytest.raises(PoolTimeout):
                await transport.send(asking())
            assert repr(transport.pool()).endswith("waiting=0>")
            busy.cancel()
            await asyncio.wait([busy])
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(35)
def test_slot_of_a_broken_connection_goes_to_the_next(run: Run, place: Place) -> None:
    """Who waits in line gets the slot of a connection that broke and makes a new one."""

    async def main() -> None:
        async def broken(peer: Peer) -> None:
            await peer.request()

        async with Upstream(each_connection(broken, answering(OK)), place) as upstream:
            transport = upstream.transport(Limits(max_connections=1))
            first, second = await asyncio.gather(fetch(transport), fetch(transport), return_exceptions=True)
            assert isinstance(first, Exception)
            assert not isinstance(second, BaseException)
            assert upstream.connections == 2

    run(main())


@pytest.mark.item(27)
@pytest.mark.parametrize("news", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
def test_news_that_the_loop_has_not_seen(run: Run, place: Place, news: bytes) -> None:
    """What came on an idle connection since the loop last looked is not the next answer, nor its failure."""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.end()

    async def main() -> None:
        async with Upstream(once, place) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            upstream.peers[0].act_now(news)
            assert (await fetch(transport, asking(b"POST", body=b"x"))).body == b"ok"
            assert upstream.connections == 2

    run(main())


@pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
def test_connection_that_ends_as_it_is_handed_on(run: Run, where: Place) -> None:
    """A connection that ends right behind its response does not fail the next in line, who may retry."""

    async def main() -> None:
        async def once(peer: Peer) -> None:
            await peer.request()
            await asyncio.gather(peer.send(OK), peer.close())

        async with Upstream(once, where) as upstream:
            transport = upstream.transport(Limits(max_connections=1))
            answers = await asyncio.gather(*(fetch(transport) for _ in range(2)))
            assert [answer.body for answer in answers] == [b"ok"] * 2
            assert transport.pool().slots <= 1

    run(main())


@pytest.mark.item(35)
def test_closing_cuts_everything_off(run: Run, place: Place) -> None:
    """`aclose` ends exchanges at every stage, and those in line, with TransportClosed."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            if b"/body" in await peer.request():
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody")
            await peer.end()

        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(max_connections=3))
            reading = await transport.send(asking(target=b"/body"))
            assert await reading.read() == b"body"
            tasks = [asyncio.create_task(transport.send(asking(target=b"/%d" % n))) for n in range(4)]
            while upstream.connections < 3:
                await turns(1)
            tasks.append(asyncio.create_task(reading.read()))  # type: ignore[arg-type]
            await turns()
            pool = transport.pool()
            await transport.aclose()
            assert repr(pool) == "<Pool open=0 idle=0 connecting=0 waiting=0>"
            for task in tasks:
                with pytest.raises(TransportClosed):
                    await task
            await reading.aclose()

    run(main())


def test_closing_while_connecting(run: Run, place: Place) -> None:
    """A connection that is finished when the transport is closed already is not kept."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            pool = transport.pool()
            sending = asyncio.create_task(transport.send(asking()))
            await asyncio.sleep(0)
            await transport.aclose()
            with pytest.raises(TransportClosed):
                await sending
            assert pool.slots == 0

    run(main())


def test_closing_as_a_connection_is_handed_on(run: Run, place: Place) -> None:
    """Closing in the very moment in which a waiter was given a connection leaves it TransportClosed."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport(Limits(max_connections=1))
            pool = transport.pool()
            first = await pool.acquire()
            waiting = asyncio.create_task(pool.acquire())
            await turns()
            pool.release(first)
            await pool.aclose()
            with pytest.raises(TransportClosed):
                await waiting
            assert pool.slots == 0

    run(main())


def test_pool_by_itself(run: Run) -> None:
    """A pool hands out what is idle, says what it holds, and takes and gives nothing once it is closed."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            pool = upstream.transport().pool()
            connection = await pool.acquire()
            assert repr(connection) == "<Connection idle exchanges=0>"
            pool.release(connection)
            assert await pool.acquire() is connection
            another = await pool.acquire()
            await pool.aclose()
            pool.release(another)
            with pytest.raises(TransportClosed):
                await pool.acquire()
            assert repr(pool) == "<Pool open=0 idle=0 connecting=0 waiting=0>"
            assert repr(another) == "<Connection closed exchanges=0>"

    run(main())


def test_closed_transport_can_be_used_again(run: Run, place: Place) -> None:
    """After `aclose` a request makes a new connection; closing an unused transport does nothing."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            await transport.aclose()
            await fetch(transport)
            await transport.aclose()
            assert (await fetch(transport)).body == b"ok"
            assert upstream.connections == 2

    run(main())


def test_many_one_after_the_other(run: Run, place: Place) -> None:
    """A thousand requests in a row use one connection and leave one idle."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            for _ in range(1000):
                assert (await fetch(transport)).body == b"ok"
            assert (upstream.connections, transport.pool().slots) == (1, 1)

    run(main())


def test_many_at_once(run: Run, place: Place) -> None:
    """Two hundred requests at once share the allowed connections, and each gets its own answer."""

    async def echo(peer: Peer) -> None:
        while request := await peer.request():
            target = request.split(b" ")[1]
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async def main() -> None:
        async with Upstream(echo, place) as upstream:
            transport = upstream.transport(Limits(max_connections=20))
            targets = [b"/%d" % number for number in range(200)]
            answers = await asyncio.gather(*(fetch(transport, asking(target=target)) for target in targets))
            assert [answer.body for answer in answers] == targets
            assert upstream.connections <= 20
            assert transport.pool().idle == transport.pool().slots == upstream.connections

    run(main())
