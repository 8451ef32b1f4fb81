"""The one transparent retry: when a connection out of the pool turns out to be dead."""

import asyncio

import pytest

from forst_asgi.errors import HeadError, UpstreamError, WriteError
from tests.transport.upstream import (
    OK,
    Peer,
    Place,
    Run,
    Script,
    Source,
    Upstream,
    answering,
    asking,
    each_connection,
    fetch,
    turns,
)


def dying(how: str, begun: bytes = b"") -> Script:
    """Return a script that answers once and hangs up on the second request."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.head()
        await peer.send(begun)
        await getattr(peer, how)()

    return script


@pytest.mark.item(38)
@pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "again", [(b"GET", None), (b"HEAD", None), (b"PUT", b"body")], ids=["GET", "HEAD", "PUT"]
)
def test_harmless_requests_are_sent_again(
    run: Run, where: Place, how: str, again: tuple[bytes, bytes | None]
) -> None:
    """A replayable request that met a dead connection goes out once more, on a new one."""
    method, body = again
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        async with Upstream(each_connection(dying(how), answering(raw)), where) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            assert (await fetch(transport, asking(method, body=body))).status == 200
            assert upstream.connections == 2
            assert transport.pool().slots == 1

    run(main())


@pytest.mark.item(38, 39)
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    ("begun", "body", "replayable"),
    [
        (b"", b"body", False),
        (b"", None, False),
        (b"H", None, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", None, True),
        (b"junk", None, True),
        (b"", "stream", True),
    ],
    ids=["POST", "POST without body", "a byte came", "an interim response came", "junk came", "streamed"],
)
def test_harmful_requests_are_not(
    run: Run, place: Place, how: str, begun: bytes, body: bytes | str | None, *, replayable: bool
) -> None:
    """Nothing is sent twice when it could have an effect, or when the upstream has begun to answer."""

    async def main() -> None:
        async with Upstream(each_connection(dying(how, begun), answering(OK)), place) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            content = Source(b"x", asyncio.Event()) if body == "stream" else body
            with pytest.raises((HeadError, WriteError)):
                await transport.send(asking(b"POST", body=content, is_replayable=replayable))
            assert upstream.connections == 1
            assert transport.pool().slots == 0
            assert (await fetch(transport)).body == b"ok"

    run(main())


@pytest.mark.item(38)
def test_new_connection_is_not_retried(run: Run, place: Place) -> None:
    """A request that failed on a connection of its own is not sent again."""

    async def main() -> None:
        async with Upstream(Peer.head_only, place) as upstream:
            with pytest.raises(HeadError):
                await upstream.transport().send(asking())
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(39)
def test_at_most_one_retry(run: Run, place: Place) -> None:
    """The second attempt's failure is the request's."""

    async def main() -> None:
        async with Upstream(each_connection(dying("close"), Peer.head_only), place) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            with pytest.raises(HeadError):
                await transport.send(asking())
            assert upstream.connections == 2
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(39)
def test_other_idle_connections_go_too(run: Run, place: Place) -> None:
    """Where one idle connection was dead the others are not trusted: the retry does not use them."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await both.wait()
        await peer.send(OK)
        await peer.head()

    both = asyncio.Barrier(2)

    async def main() -> None:
        async with Upstream(each_connection(script, script, answering(OK)), place) as upstream:
            transport = upstream.transport()
            await asyncio.gather(fetch(transport), fetch(transport))
            assert transport.pool().idle == 2
            assert (await fetch(transport)).body == b"ok"
            assert (upstream.connections, transport.pool().slots) == (3, 1)

    run(main())


@pytest.mark.item(37)
def test_end_seen_while_idle(run: Run, place: Place) -> None:
    """A connection whose end was noticed while idle is not tried at all: even a POST succeeds."""

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)

    async def main() -> None:
        async with Upstream(once, place) as upstream:
            transport = upstream.transport()
            for count in range(1, 4):
                assert (await fetch(transport, asking(b"POST", body=b"x"))).body == b"ok"
                while transport.pool().slots:
                    await turns(1)
                assert upstream.connections == count

    run(main())


@pytest.mark.item(38)
def test_retry_that_cannot_connect(run: Run) -> None:
    """When nobody listens any more the retry fails by that."""

    async def main() -> None:
        async with Upstream(dying("close")) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            await upstream.stop_listening()
            with pytest.raises(UpstreamError) as caught:
                await transport.send(asking())
            assert caught.value.stage == "connect"

    run(main())
