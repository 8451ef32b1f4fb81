"""Time limits of an exchange, and the call that says that it takes a while."""

import asyncio

import pytest

from forst_asgi.errors import FirstByteTimeout, IdleTimeout, WriteTimeout
from forst_asgi.transport import Limits
from tests.transport.test_http1_upload import Endless
from tests.transport.upstream import (
    OK,
    Peer,
    Place,
    Run,
    Source,
    Upstream,
    answering,
    asking,
    fetch,
    turns,
)

H = b"HTTP/1.1 200 OK\r\n"
SHORT_S = 0.02


@pytest.mark.item(36)
@pytest.mark.parametrize("begun", [b"", H, b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("body", [None, b"small", "stream"])
def test_head_that_does_not_come(run: Run, place: Place, begun: bytes, body: bytes | str | None) -> None:
    """A final head that does not come within `first_byte_timeout_s` is FirstByteTimeout, status 504."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(begun)
        await peer.end()

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(first_byte_timeout_s=SHORT_S))
            content = Source(b"some") if body == "stream" else body
            with pytest.raises(FirstByteTimeout) as caught:
                await transport.send(asking(b"POST", body=content))
            assert (caught.value.status, caught.value.stage) == (504, "head")
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(36)
def test_first_byte_is_awaited_from_the_last_byte_sent(run: Run, place: Place) -> None:
    """While the request is still being sent the time for the response does not run."""
    go = asyncio.Event()

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport(Limits(first_byte_timeout_s=SHORT_S))
            body = Source(b"some", go, b"more")
            late = asyncio.Event()
            task = asyncio.create_task(fetch(transport, asking(b"POST", body=body)))
            # Time passes by the loop's own clock, longer than both the patience and the limit.
            asyncio.get_running_loop().call_later(5 * SHORT_S, late.set)
            await late.wait()
            assert not task.done()
            go.set()
            assert (await task).body == b"ok"

    run(main())


@pytest.mark.item(36)
def test_body_that_stands_still(run: Run, place: Place) -> None:
    """A body without a byte for `idle_timeout_s` raises IdleTimeout; what came before is read first."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"Content-Length: 9\r\n\r\nsome")
        await peer.end()

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            default, own = upstream.transport(Limits(idle_timeout_s=SHORT_S)), upstream.transport()
            for transport, limit_s in ((default, None), (own, SHORT_S), (own, SHORT_S)):
                response = await transport.send(asking(idle_timeout_s=limit_s))
                assert await response.read() == b"some"
                with pytest.raises(IdleTimeout):
                    await response.read()
                await response.aclose()
                assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(36)
def test_idle_limit_of_the_request_goes_first(run: Run) -> None:
    """A request's own idle limit replaces the transport's, in both directions."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"Content-Length: 2\r\n\r\n")
        await go.wait()
        await peer.send(b"ok")

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport(Limits(idle_timeout_s=SHORT_S))
            response = await transport.send(asking(idle_timeout_s=100.0))
            asyncio.get_running_loop().call_later(3 * SHORT_S, go.set)
            assert await response.read() == b"ok"
            await response.aclose()

    run(main())


@pytest.mark.item(36)
def test_upstream_that_takes_nothing(run: Run, place: Place) -> None:
    """An upload of which nothing is taken for `write_timeout_s` raises WriteTimeout."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await stop.wait()

    stop = asyncio.Event()

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport(Limits(write_timeout_s=SHORT_S))
            with pytest.raises(WriteTimeout) as caught:
                await transport.send(asking(b"POST", body=Endless(4096, is_declared=False)))
            assert (caught.value.status, caught.value.stage) == (504, "write")
            assert transport.pool().slots == 0
            stop.set()
            await turns()

    run(main())


@pytest.mark.parametrize("is_first", [True, False])
def test_caller_is_told_of_a_wait(run: Run, place: Place, *, is_first: bool) -> None:
    """`on_wait` is called once, when the response is not there at once."""
    calls = 0
    told = asyncio.Event()

    def on_wait() -> None:
        nonlocal calls
        calls += 1
        told.set()

    async def script(peer: Peer) -> None:
        if not is_first:
            await peer.request()
            await peer.send(OK)
        await peer.request()
        await told.wait()
        await peer.send(H + b"Content-Length: 2\r\n\r\n", b"ok")

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport()
            if not is_first:
                await fetch(transport)
            assert (await fetch(transport, asking(on_wait=on_wait))).body == b"ok"
            assert calls == 1

    run(main())


def test_caller_is_told_of_a_wait_for_the_body(run: Run) -> None:
    """`on_wait` is called when the head was there at once but the body is not."""
    told = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(H + b"Content-Length: 2\r\n\r\n")
        await told.wait()
        await peer.send(b"ok")

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            assert (await fetch(transport, asking(on_wait=told.set))).body == b"ok"

    run(main())


def test_caller_is_not_told_of_a_quick_answer(run: Run) -> None:
    """`on_wait` is not called when a kept connection answers at once."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            told: list[None] = []
            for _ in range(3):
                await fetch(transport, asking(on_wait=lambda: told.append(None)))
            assert not told

    run(main())
