"""Request bodies on their way in: counted, limited, cut off (items 17 to 22)."""

import asyncio
import json
from typing import Any

import pytest

from forst_asgi.forward.body import IncomingBody
from forst_asgi.types import Message
from tests.forward.calls import Client, Forwarding, answered, http_scope, piece, sent_for
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, turns

KIB = 1024
CHUNKED = (b"transfer-encoding", b"chunked")


def post(*headers: tuple[bytes, bytes]) -> Any:
    """Return a scope with a body."""
    return http_scope(*headers, method="POST")


def length(size: int) -> tuple[bytes, bytes]:
    """Return a Content-Length field."""
    return b"content-length", b"%d" % size


@pytest.mark.item(18)
@pytest.mark.parametrize("size", [5, 70 * KIB])
@pytest.mark.parametrize("by", [-1, 1])
def test_body_that_is_not_as_long_as_declared(size: int, by: int) -> None:
    """A body shorter or longer than its Content-Length is answered 400 (item 18)."""
    client = answered(post(length(size)), piece(b"x" * (size + by)))
    assert client.status == 400
    assert json.loads(client.body)["detail"] == "body-mismatch"


@pytest.mark.item(19)
@pytest.mark.parametrize(
    ("headers", "messages"),
    [
        ([length(6)], []),
        ([CHUNKED], [piece(b"abc", more=True), piece(b"def")]),
        ([length(5), (b"te", b"x")], [piece(b"abc", more=True), piece(b"def")]),
    ],
)
def test_body_that_is_too_large(headers: list[tuple[bytes, bytes]], messages: list[Message]) -> None:
    """A body over `max_body` is answered 413, by its Content-Length or by what comes (item 19)."""
    client = answered(post(*headers), *messages, max_body=5 if headers != [length(5), (b"te", b"x")] else 4)
    assert client.status == 413
    assert json.loads(client.body)["detail"] == "body-too-large"


@pytest.mark.item(19)
def test_declared_length_is_refused_unread() -> None:
    """A Content-Length over the limit is refused before anything is read."""
    assert answered(post(length(6)), piece(b"abcdef"), max_body=5).receives == 0


@pytest.mark.item(19)
def test_body_as_large_as_allowed() -> None:
    """A body of exactly `max_body` bytes goes through."""
    assert sent_for(post(CHUNKED), piece(b"abc", more=True), piece(b"de"), max_body=5).body == b"abcde"
    assert sent_for(post(length(5)), piece(b"abcde"), max_body=5).body == b"abcde"


@pytest.mark.item(22)
@pytest.mark.parametrize("broken", [{"type": "http.disconnect"}, ConnectionResetError()])
@pytest.mark.parametrize("field", [length(10), length(70 * KIB), CHUNKED])
def test_client_that_leaves_while_its_body_is_read(field: tuple[bytes, bytes], broken: Any) -> None:
    """A client that is gone before the end of its body is no failure, and nobody's answer (item 22)."""

    async def main() -> None:
        forwarding = Forwarding()
        client = await forwarding.answer(post(field), piece(b"some", more=True), broken)
        assert (client.status, client.body) == (499, b"")
        assert forwarding.observer.names == ["forst.request.abandoned"]

    asyncio.run(main())


def test_message_without_keys() -> None:
    """Both keys of an http.request message may be left out, as ASGI allows."""
    assert sent_for(post(length(0)), {"type": "http.request"}).body == b""
    assert sent_for(post(CHUNKED), {"type": "http.request"}).body == b""


@pytest.mark.item(20)
@pytest.mark.parametrize("field", [length(70 * KIB), CHUNKED])
def test_upload_is_streamed(run: Run, field: tuple[bytes, bytes]) -> None:
    """The first piece is at the upstream before the client has sent the last (item 20)."""
    arrived, go = asyncio.Event(), asyncio.Event()
    first = b"a" * 60 * KIB

    async def script(peer: Peer) -> None:
        await peer.head()
        while first not in peer.received:
            await peer.some()
        arrived.set()
        while b"b" * 10 * KIB not in peer.received:
            await peer.some()
        await peer.send(OK)
        await peer.end()

    async def main() -> None:
        async with Upstream(script) as upstream:
            forwarding = Forwarding(upstream.transport())
            client = Client(piece(first, more=True), go, piece(b"b" * 10 * KIB))
            task = asyncio.create_task(forwarding(post(field), client))
            await arrived.wait()
            go.set()
            await task
            assert (client.status, client.body, client.is_complete) == (200, b"ok", True)

    run(main())


@pytest.mark.item(18, 22)
@pytest.mark.parametrize(
    ("last", "status"),
    [(piece(b"x" * 100 * KIB), 400), (piece(b""), 400), ({"type": "http.disconnect"}, 499)],
    ids=["too long", "too short", "disconnect"],
)
def test_upload_that_goes_wrong_halfway(run: Run, last: Message, status: int) -> None:
    """When it shows during the upload the upstream sees an unexpected end (items 18 and 22)."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.end()
        gone.set()

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            client = await Forwarding(transport).answer(
                post(length(70 * KIB)), piece(b"x" * 60 * KIB, more=True), last
            )
            assert client.status == status
            await gone.wait()
            assert transport.pool().slots == 0
            assert len(upstream.peers[0].received.partition(b"\r\n\r\n")[2]) == 60 * KIB

    run(main())


@pytest.mark.item(21)
def test_answer_in_the_middle_of_an_upload(run: Run) -> None:
    """An upstream's 413 is relayed although the body is still arriving (item 21)."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            client = Client(piece(b"some", more=True), asyncio.Event())
            await Forwarding(transport)(post(CHUNKED), client)
            assert (client.status, client.body, client.is_complete) == (413, b"large", True)
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(32)
def test_stalled_upstream_stops_the_client(run: Run) -> None:
    """An upstream that takes nothing stops `receive()` (item 32)."""
    go = asyncio.Event()
    pieces = 1024

    async def script(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        left = pieces * 64 * KIB
        while left > 0:
            left -= len(await peer.some())
        await peer.send(OK)
        await peer.end()

    async def main() -> None:
        async with Upstream(script) as upstream:
            messages = [piece(b"x" * 64 * KIB, more=True)] * (pieces - 1)
            client = Client(*messages, piece(b"x" * 64 * KIB))
            forwarding = Forwarding(upstream.transport())
            task = asyncio.create_task(forwarding(post(length(pieces * 64 * KIB)), client))
            await turns(500)
            assert 0 < client.receives < pieces // 2
            go.set()
            await task
            assert client.status == 200

    run(main())


def test_small_uploads_share_a_connection(run: Run) -> None:
    """Small bodies, whole or chunked, leave the connection usable."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            forwarding = Forwarding(upstream.transport())
            for _ in range(3):
                assert (await forwarding.answer(post(length(5)), piece(b"hello"))).body == b"ok"
                assert (await forwarding.answer(post(CHUNKED), piece(b"hello"))).body == b"ok"
            assert upstream.connections == 1

    run(main())


def test_body_read_on_its_own() -> None:
    """A body tells when it is finished, and stays at its end."""

    async def main() -> None:
        told: list[bool] = []
        body = IncomingBody(
            Client(piece(b"", more=True), piece(b"a", more=True), piece(b"b")).receive, 2, None
        )
        body.on_finished = lambda: told.append(body.is_finished)
        assert not body.is_finished
        assert [await body.read() for _ in range(4)] == [b"a", b"b", b"", b""]
        assert told == [True]

        body = IncomingBody(Client(piece(b"a", more=True), piece(b"")).receive, None, None)
        assert await body.read_small() is None
        assert [await body.read() for _ in range(3)] == [b"a", b"", b""]
        assert body.is_finished

    asyncio.run(main())
