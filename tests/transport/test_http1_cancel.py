"""Cancellation at every stage: the slot is freed, the upstream sees the end, nobody else is hurt."""

import asyncio

import pytest

from forst_asgi.transport import Http1Transport, Limits
from tests.transport.test_http1_connect import full_backlog
from tests.transport.upstream import OK, Peer, Place, Run, Source, Upstream, asking, fetch, turns

ALL_PLACES = pytest.mark.parametrize("where", ["unix", "tcp", "tls"])


async def cancelled(task: "asyncio.Task[object]") -> None:
    """Cancel a task and see that it ends by that."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.item(35)
def test_while_waiting_in_line(run: Run, place: Place) -> None:
    """Who is cancelled in line leaves it; the others keep their places."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            await go.wait()
            await peer.send(OK)

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(max_connections=1))
            tasks = [asyncio.create_task(fetch(transport, asking(target=b"/%d" % n))) for n in range(4)]
            await turns()
            await cancelled(tasks[2])
            assert repr(transport.pool()).endswith("waiting=2>")
            go.set()
            for number in (0, 1, 3):
                assert (await tasks[number]).body == b"ok"
            assert [request[5:6] for request in upstream.requests] == [b"0", b"1", b"3"]

    run(main())


@pytest.mark.item(35)
@pytest.mark.parametrize("is_closing", [False, True])
def test_in_the_moment_of_being_served(run: Run, *, is_closing: bool) -> None:
    """Who is cancelled just as a connection or slot was handed over hands it on to the next."""

    async def main() -> None:
        async with Upstream(serve_all) as upstream:
            pool = upstream.transport(Limits(max_connections=1)).pool()
            held = await pool.acquire()
            first = asyncio.create_task(pool.acquire())
            second = asyncio.create_task(pool.acquire())
            await turns()
            if is_closing:
                held.close()
            else:
                pool.release(held)
            await cancelled(first)
            connection = await second
            assert (connection is held) is not is_closing
            pool.release(connection)
            assert repr(pool) == "<Pool open=1 idle=1 connecting=0 waiting=0>"

    async def serve_all(peer: Peer) -> None:
        await peer.end()

    run(main())


@pytest.mark.item(35)
def test_in_the_moment_of_closing(run: Run) -> None:
    """Who is cancelled in line just as the pool is closed is cancelled, and nothing is left."""

    async def main() -> None:
        async with Upstream(Peer.end) as upstream:
            pool = upstream.transport(Limits(max_connections=1)).pool()
            await pool.acquire()
            waiting = asyncio.create_task(pool.acquire())
            await turns()
            await pool.aclose()
            await cancelled(waiting)
            assert pool.slots == 0

    run(main())


@pytest.mark.item(35)
def test_while_connecting(run: Run) -> None:
    """A cancelled attempt to connect gives its slot to the next in line."""

    async def main() -> None:
        with full_backlog() as origin:
            transport = Http1Transport(origin, Limits(max_connections=1))
            tasks = [asyncio.create_task(transport.send(asking())) for _ in range(2)]
            await turns()
            assert repr(transport.pool()) == "<Pool open=0 idle=0 connecting=1 waiting=1>"
            await cancelled(tasks[0])
            await turns()
            assert repr(transport.pool()) == "<Pool open=0 idle=0 connecting=1 waiting=0>"
            await cancelled(tasks[1])
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(35)
@ALL_PLACES
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_while_waiting_for_the_head(run: Run, where: Place, begun: bytes) -> None:
    """A request cancelled before its response head closes the connection."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(begun)
        asked.set()
        await peer.end()
        gone.set()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            task = asyncio.create_task(transport.send(asking()))
            await asked.wait()
            await cancelled(task)
            assert transport.pool().slots == 0
            await gone.wait()

    run(main())


@pytest.mark.item(35)
@ALL_PLACES
def test_while_reading_the_body(run: Run, where: Place) -> None:
    """A reader that was cancelled may read on; once it lets go, the upstream sees the end."""
    go, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await go.wait()
        await peer.send(b"some")
        await peer.end()
        gone.set()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            response = await transport.send(asking())
            task = asyncio.create_task(response.read())
            await turns()
            await cancelled(task)
            go.set()
            assert await response.read() == b"some"
            await response.aclose()
            await gone.wait()
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(35)
@ALL_PLACES
def test_while_uploading(run: Run, where: Place) -> None:
    """An upload that is cancelled ends without a last chunk, and its body is not read any more."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.end()
        gone.set()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            source = Source(b"some", asyncio.Event())
            task = asyncio.create_task(transport.send(asking(b"POST", body=source)))
            while source.reads < 2:
                await turns(1)
            await turns()
            await cancelled(task)
            await gone.wait()
            assert transport.pool().slots == 0
            assert bytes(upstream.peers[0].received).endswith(b"\r\n\r\n4\r\nsome\r\n")

    run(main())
