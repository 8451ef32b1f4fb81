"""Request bodies that are sent while they arrive."""

import asyncio

import pytest

from forst_asgi.errors import (
    BodyError,
    BodyTooLarge,
    ClientDisconnected,
    ForstError,
    UpstreamError,
    WriteError,
)
from tests.transport.upstream import (
    MIB,
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
    until_still,
)

ALL_PLACES = pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
H = b"HTTP/1.1 200 OK\r\n"
EARLY = b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge"


class Endless:
    """A body of equal pieces; it counts those that were taken."""

    def __init__(self, pieces: int, *, is_declared: bool) -> None:
        self.left = pieces
        self.taken = 0
        self.content_length = pieces * 65536 if is_declared else None

    async def read(self) -> bytes:
        if not self.left:
            return b""
        self.left -= 1
        self.taken += 1
        return b"x" * 65536


@pytest.mark.item(32)
@ALL_PLACES
@pytest.mark.parametrize("is_declared", [False, True])
def test_stalled_upstream_stops_the_reading(run: Run, where: Place, *, is_declared: bool) -> None:
    """An upstream that takes nothing stops the body from being read; memory is bounded, all arrives later."""
    go = asyncio.Event()
    size = 64 * MIB

    async def script(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        received = 0
        while received < size:
            received += len(await peer.some())
        if not is_declared:
            while not peer.received.endswith(b"\r\n0\r\n\r\n"):
                await peer.some()
        await peer.send(OK)
        await peer.end()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            body = Endless(size // 65536, is_declared=is_declared)
            task = asyncio.create_task(fetch(transport, asking(b"POST", body=body)))
            assert 0 < await until_still(lambda: body.taken) * 65536 < size // 2
            go.set()
            assert (await task).body == b"ok"
            assert transport.pool().idle == 1

    run(main())


@pytest.mark.item(20)
def test_first_piece_does_not_wait_for_the_last(run: Run, place: Place) -> None:
    """Pieces go out as they come, and the connection is used again afterwards."""
    seen, more = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        while b"first" not in peer.received:
            await peer.some()
        seen.set()
        while not peer.received.endswith(b"0\r\n\r\n"):
            await peer.some()
        await peer.send(OK)
        while await peer.request():
            await peer.send(OK)

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport()
            request = asking(b"POST", body=Source(b"first", more, b"last"))
            task = asyncio.create_task(fetch(transport, request))
            await seen.wait()
            more.set()
            assert (await task).body == b"ok"
            assert (await fetch(transport)).body == b"ok"
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(22)
@ALL_PLACES
@pytest.mark.parametrize("length", [None, 100])
@pytest.mark.parametrize("error", [ClientDisconnected("gone"), BodyTooLarge("large"), ValueError("bad")])
def test_body_that_breaks_off(run: Run, where: Place, error: Exception, length: int | None) -> None:
    """What the body raises is what the request raises; the upstream sees an end without a last chunk."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.end()
        gone.set()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            request = asking(b"POST", body=Source(b"some", error, content_length=length))
            kind = type(error) if isinstance(error, ForstError) else WriteError
            with pytest.raises(kind) as caught:
                await transport.send(request)
            assert error in (caught.value, caught.value.__cause__)
            await gone.wait()
            assert transport.pool().slots == 0
            assert not bytes(upstream.peers[0].received).endswith(b"0\r\n\r\n")

    run(main())


def test_body_that_breaks_off_under_a_response(run: Run, place: Place) -> None:
    """When the response has begun it is its reader who learns that the request broke off."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(H + b"Content-Length: 9\r\n\r\nsome")
        await peer.end()

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport()
            body = Source(b"some", go, ClientDisconnected("gone"))
            response = await transport.send(asking(b"POST", body=body))
            assert await response.read() == b"some"
            go.set()
            with pytest.raises(ClientDisconnected):
                await response.read()
            await response.aclose()
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(21)
@ALL_PLACES
@pytest.mark.parametrize("is_closing", [False, True])
@pytest.mark.parametrize("length", [None, 100])
def test_answer_in_the_middle_of_an_upload(
    run: Run, where: Place, length: int | None, *, is_closing: bool
) -> None:
    """A final response before the end of the request is relayed whole; the connection is not used again."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(EARLY)
        if not is_closing:
            await peer.end()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            body = Source(b"some", asyncio.Event(), content_length=length)
            answered = await fetch(transport, asking(b"POST", body=body))
            assert (answered.status, answered.body) == (413, b"large")
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(21)
def test_answer_and_reset_under_a_large_upload(run: Run) -> None:
    """An early answer is relayed although the upstream broke the connection right behind it."""

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send_and_close(EARLY)

    async def main() -> None:
        async with Upstream(script, "unix") as upstream:
            transport = upstream.transport()
            for _ in range(5):
                request = asking(b"POST", body=Endless(1024, is_declared=True))
                assert (await fetch(transport, request)).body == b"large"
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(21)
@pytest.mark.parametrize("where", ["unix", "tls"])
@pytest.mark.parametrize(
    "raw", [EARLY, EARLY[:-2], EARLY + b"junk", b""], ids=["whole", "cut", "junk", "none"]
)
@pytest.mark.parametrize("is_last", [False, True])
def test_answer_that_a_failed_write_overtakes(run: Run, where: Place, raw: bytes, *, is_last: bool) -> None:
    """An early answer is read although a write fails before, be it the last (not over TLS)."""
    go = asyncio.Event()
    rest = () if is_last else (b"more", b"and more", asyncio.Event())

    async def script(peer: Peer) -> None:
        while b"some" not in peer.received:
            await peer.some()
        peer.send_and_close(raw)
        go.set()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            transport = upstream.transport()
            body = Source(b"some", go, *rest)
            try:
                answered = await fetch(transport, asking(b"POST", body=body))
            except UpstreamError:
                assert raw in (b"", EARLY[:-2]) or where == "tls"
            else:
                assert (answered.status, answered.body) == (413, b"large")
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_upstream_that_dies_under_an_upload(run: Run, place: Place, how: str) -> None:
    """A connection that breaks while the request is being sent is an error of the stage "write"."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.some()
        await getattr(peer, how)()

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport()
            with pytest.raises(WriteError) as caught:
                await transport.send(asking(b"POST", body=Endless(4096, is_declared=False)))
            assert (caught.value.stage, caught.value.status) == ("write", 502)
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(32)
def test_full_duplex(run: Run, place: Place) -> None:
    """An upstream that echoes while it reads does not deadlock, whatever the sizes."""
    pieces = 128

    async def echo(peer: Peer) -> None:
        await peer.head()
        await peer.drain(H + b"Content-Length: %d\r\n\r\n" % (pieces * 65536))
        left = pieces * 65536
        while left:
            data = await peer.some()
            left -= len(data)
            await peer.drain(data)
        await peer.end()

    async def main() -> None:
        async with Upstream(echo, place) as upstream:
            transport = upstream.transport()
            answered = await fetch(transport, asking(b"POST", body=Endless(pieces, is_declared=True)))
            assert answered.body == b"x" * 65536 * pieces
            assert transport.pool().idle == 1

    run(main())


@pytest.mark.item(21)
def test_response_that_ends_before_the_request(run: Run) -> None:
    """A response that is complete while the request is still being sent costs the connection."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.end()

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            body = Source(b"some", go, b"more")
            response = await transport.send(asking(b"POST", body=body))
            assert await response.read() == b"ok"
            assert response.has_ended
            go.set()
            await turns()
            assert transport.pool().slots == 0
            await response.aclose()
            assert b"more" not in upstream.peers[0].received

    run(main())


def test_upload_on_a_kept_connection(run: Run, place: Place) -> None:
    """Streams, small bodies and no bodies take turns on one connection."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream:
            transport = upstream.transport()
            for _ in range(3):
                await fetch(transport, asking(b"POST", body=Source(b"a" * 70_000, b"b")))
                await fetch(transport, asking(b"POST", body=b"small"))
                await fetch(transport, asking(b"POST", body=Source(b"sized", content_length=5)))
                await fetch(transport)
            assert upstream.connections == 1
            bodies = [request.partition(b"\r\n\r\n")[2] for request in upstream.requests]
            assert bodies[1:4] == [b"small", b"sized", b""]

    run(main())


@pytest.mark.item(28)
def test_truncated_answer_to_an_upload(run: Run) -> None:
    """An answer that breaks off while the request is being sent is a BodyError."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(H + b"Content-Length: 9\r\n\r\nsome")

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            response = await transport.send(asking(b"POST", body=Source(b"some", asyncio.Event())))
            assert await response.read() == b"some"
            with pytest.raises(BodyError):
                await response.read()
            await response.aclose()

    run(main())


def test_body_that_ends_after_the_connection(run: Run) -> None:
    """A body that comes to its end when the connection is closed already writes nothing more."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.some()

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            body = Source(b"some", go)
            task = asyncio.create_task(transport.send(asking(b"POST", body=body)))
            while not upstream.ended:
                await turns(1)
            go.set()
            with pytest.raises(UpstreamError):
                await task
            assert transport.pool().slots == 0

    run(main())
