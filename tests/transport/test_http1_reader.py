"""Readers of response bodies: slow ones, late ones, and those that never come."""

import asyncio

import pytest

from forst_asgi.errors import TransportClosed
from tests.transport.upstream import (
    MIB,
    OK,
    Peer,
    Place,
    Run,
    Upstream,
    answering,
    asking,
    fetch,
    turns,
    until_still,
)

H = b"HTTP/1.1 200 OK\r\n"
SECOND = H + b"Content-Length: 6\r\n\r\nsecond"


@pytest.mark.item(32)
@pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
def test_slow_reader_pauses_the_upstream(run: Run, where: Place, ending: bytes) -> None:
    """When nobody reads a body the upstream's writes stall; everything comes once somebody does."""
    size = 64 * MIB
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.drain(H + ending + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            await peer.drain(b"x" * 65536)
            sent += 65536
        await peer.end()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            response = await transport.send(asking())
            assert await until_still(lambda: sent) < size // 2
            assert response.is_paused
            received = 0
            while not response.has_ended:
                received += len(await response.read())
            assert (received, sent) == (size, size)
            await response.aclose()
            assert transport.pool().idle == (0 if ending else 1)

    run(main())


@pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
def test_closing_under_a_paused_response(run: Run, where: Place) -> None:
    """What is buffered of a paused response can be read after its connection was closed."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.drain(H + b"Content-Length: %d\r\n\r\n" % (64 * MIB))
        while True:
            await peer.drain(b"x" * 65536)

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            response = await transport.send(asking())
            while not response.is_paused:
                await turns(1)
            await transport.aclose()
            assert len(await response.read()) > 0
            with pytest.raises(TransportClosed):
                await response.read()
            await response.aclose()

    run(main())


@pytest.mark.parametrize("tail", [b"", b"junk"])
def test_end_of_a_paused_response(run: Run, tail: bytes) -> None:
    """A body that is complete while reading is paused leaves the connection reading again, or closed."""
    size = 300_000
    raw = H + b"Content-Length: %d\r\n\r\n" % size + b"x" * size + tail

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.drain(raw)

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            for _ in range(3):
                response = await transport.send(asking())
                while transport.pool().slots > transport.pool().idle and not response.is_paused:
                    await turns(1)
                body = b""
                while not response.has_ended:
                    body += await response.read()
                assert len(body) == size
                await response.aclose()

    run(main())


def test_body_read_later(run: Run, place: Place) -> None:
    """A complete body can be read after its connection served another exchange."""

    async def main() -> None:
        async with Upstream(answering(OK, SECOND), place) as upstream:
            transport = upstream.transport()
            first = await transport.send(asking())
            await turns()
            assert (await fetch(transport)).body == b"second"
            assert await first.read() == b"ok"
            assert first.has_ended
            assert await first.read() == b""
            await first.aclose()
            assert (await fetch(transport)).body == b"second"
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(35)
def test_response_that_nobody_reads(run: Run, place: Place) -> None:
    """Closing a response before its end closes the connection, and the upstream sees it."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"Content-Length: 9\r\n\r\nsome")
        await peer.end()
        gone.set()

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport()
            response = await transport.send(asking())
            await response.aclose()
            await gone.wait()
            await response.aclose()
            assert transport.pool().slots == 0

    run(main())
