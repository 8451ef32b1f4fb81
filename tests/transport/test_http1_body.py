"""Response bodies: framing, truncation, and bytes that belong to nobody."""

import asyncio
import contextlib
import ssl
from dataclasses import replace

import pytest

from forst_asgi.errors import BodyError, UpstreamError
from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport import Http1Transport, Limits
from tests.transport.upstream import (
    OK,
    Peer,
    Place,
    Run,
    Script,
    Upstream,
    answering,
    asking,
    client_tls,
    each_connection,
    fetch,
    server_tls,
    turns,
)

H = b"HTTP/1.1 200 OK\r\n"
SECOND = H + b"Content-Length: 6\r\n\r\nsecond"
CHUNKED = (
    H + b"Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n, world...\r\n0\r\n"
    b"X-T: 1\r\nConnection: x\r\n\r\n"
)


async def read_all(transport: Http1Transport, request: UpstreamRequest | None = None) -> bytes:
    """Read a body that breaks off; return what came before it did."""
    response = await transport.send(request or asking())
    body = b""
    with contextlib.suppress(BodyError):
        while piece := await response.read():
            body += piece
    assert not response.has_ended
    with pytest.raises(BodyError):  # and so it stays
        await response.read()
    assert "failed" in repr(response)
    await response.aclose()
    return body


def split(raw: bytes, *, at: int, then: str | None = None) -> Script:
    """Return a script that answers twice, the first time in two pieces; then it may hang up."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw[:at], raw[at:])
        if then is not None:
            await getattr(peer, then)()
        while await peer.request():
            await peer.send(SECOND)

    return script


@pytest.mark.item(30)
def test_chunked_body_split_everywhere(run: Run) -> None:
    """A chunked body with trailers is the same in whichever two pieces it comes."""

    async def main() -> None:
        for at in range(1, len(CHUNKED)):
            async with Upstream(split(CHUNKED, at=at)) as upstream:
                transport = upstream.transport()
                answered = await fetch(transport)
                assert answered.body == b"hello, world..."
                assert answered.trailers == [(b"x-t", b"1")]
                assert answered.headers == []
                assert (await fetch(transport)).body == b"second"
                assert upstream.connections == 1

    run(main())


@pytest.mark.parametrize("raw", [CHUNKED, OK])
def test_body_byte_by_byte(run: Run, place: Place, raw: bytes) -> None:
    """A response in pieces of one byte is the same too."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(*(raw[at : at + 1] for at in range(len(raw))))

    async def main() -> None:
        async with Upstream(script, place) as upstream:
            transport = upstream.transport()
            bodies = [(await fetch(transport)).body for _ in range(2)]
            assert bodies in ([b"hello, world..."] * 2, [b"ok"] * 2)
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(30)
def test_trailers_apart_from_the_last_chunk(run: Run) -> None:
    """`has_ended` waits for trailers that come after the last chunk."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: 1\r\n")
        await go.wait()
        await peer.send(b"X-B: 2\r\n\r\n")

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            response = await transport.send(asking())
            assert await response.read() == b"ok"
            assert not response.has_ended
            assert repr(response) == "<Http1Response 200 arriving buffered=0>"
            go.set()
            assert await response.read() == b""
            assert response.has_ended
            assert repr(response) == "<Http1Response 200 complete buffered=0>"
            assert response.trailers == [(b"x-a", b"1"), (b"x-b", b"2")]
            assert transport.pool().idle == 1
            await response.aclose()

    run(main())


@pytest.mark.item(24, 30)
@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"0\r\n", b"A: b\r\n"),
        (b"0\r\n", b"A: " + b"b" * 1000 + b"\r\n"),
        (b"0\r\nA: ", b"b" * 1000),
        (b"1;a=", b"b" * 1000),
        (b"1", b"; a=b" * 200),
    ],
    ids=["many", "large ones", "one", "a chunk extension", "chunk extensions"],
)
def test_endless_trailers(run: Run, begin: bytes, more: bytes) -> None:
    """Trailers and chunk extensions without end break the body off, as too many of them do."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n" + begin)
        for _ in range(30):
            await peer.send(more * 10)

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            assert await read_all(transport) == b"ok"
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(30)
def test_trailers_are_counted_anew(run: Run) -> None:
    """Trailers of many responses over one connection are not taken for too many of one."""
    trailed = H + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"b" * 900 + b"\r\n\r\n"

    async def script(peer: Peer) -> None:
        while await peer.request():
            head, end, trailers = trailed.partition(b"\r\n\r\n")
            await peer.send(head + end, trailers)

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport(Limits(max_header_bytes=1000))
            for _ in range(5):
                assert (await fetch(transport)).trailers == [(b"a", b"b" * 900)]
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(27)
@pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
@pytest.mark.parametrize(
    "head", [H, H + b"Connection: close\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n"]
)
def test_body_until_the_end_of_the_connection(run: Run, where: Place, head: bytes) -> None:
    """A body without a length ends with the connection, which is not used again."""

    async def until_eof(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + b"\r\n", b"some", b"thing")
        await peer.close()

    async def main() -> None:
        async with Upstream(each_connection(until_eof, answering(SECOND)), where) as upstream:
            transport = upstream.transport()
            assert (await fetch(transport)).body == b"something"
            assert transport.pool().slots == 0
            assert (await fetch(transport)).body == b"second"

    run(main())


@pytest.mark.item(28)
@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (H + b"Content-Length: 9\r\n\r\n", b"some"),
        (H + b"Content-Length: 9\r\n\r\n", b""),
        (H + b"Content-Length: 9\r\nConnection: close\r\n\r\n", b"some"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", b"some"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\nsome\r\n"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n", b"9\r\nsome"),
        (H + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\nsome\r\n0\r\n"),
        (H + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", b"4\r\nsome\r\n0\r\nA: b"),
    ],
)
def test_truncated_body(run: Run, place: Place, head: bytes, body: bytes, how: str) -> None:
    """A body that ends before its framing says so raises BodyError after the bytes that came."""

    async def main() -> None:
        async with Upstream(each_connection(split(head + body, at=len(head), then=how))) as upstream:
            transport = upstream.transport()
            assert await read_all(transport) in (b"", b"some")
            assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(28)
def test_reset_of_a_body_without_length(run: Run) -> None:
    """A reset is no end: a body that ends with the connection was cut off when the connection broke."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"\r\nsome")
        await peer.reset()

    async def main() -> None:
        async with Upstream(script, "tcp") as upstream:
            await read_all(upstream.transport())

    run(main())


@pytest.mark.item(24, 28)
@pytest.mark.parametrize("piece", [b"x\r\n", b"-1\r\n", b"4\r\nsomeX", b"fffffffffffffffff\r\n", b"2\nok\n"])
def test_body_that_cannot_be_parsed(run: Run, piece: bytes) -> None:
    """Bad chunk framing raises BodyError, not the end of the body."""

    async def main() -> None:
        raw = H + b"Transfer-Encoding: chunked\r\n\r\n"
        async with Upstream(split(raw + piece, at=len(raw))) as upstream:
            transport = upstream.transport()
            await read_all(transport)
            assert transport.pool().slots == 0

    run(main())


JUNK = [b"junk", b"\0", SECOND, b"HTTP/1.1 200 OK\r\n", b"H", b"0\r\n\r\n"]


@pytest.mark.item(27)
@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("raw", [OK, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n"])
@pytest.mark.parametrize("is_apart", [False, True])
def test_bytes_after_the_end(run: Run, raw: bytes, junk: bytes, *, is_apart: bool) -> None:
    """Bytes after a response, in the same read or a later one, close the connection and are nobody's."""

    async def main() -> None:
        at = len(raw) if is_apart else len(raw + junk)
        async with Upstream(each_connection(split(raw + junk, at=at), answering(SECOND))) as upstream:
            transport = upstream.transport()
            assert (await fetch(transport)).body in (b"ok", b"hello, world...", b"")
            await turns()
            assert transport.pool().slots == 0
            assert (await fetch(transport)).body == b"second"
            assert upstream.connections == 2

    run(main())


@pytest.mark.item(27)
def test_line_end_after_the_end(run: Run) -> None:
    """A stray CRLF behind a response, which the parser skips, is not part of the next one."""

    async def main() -> None:
        async with Upstream(
            each_connection(split(OK + b"\r\n", at=len(OK) + 2), answering(SECOND))
        ) as upstream:
            transport = upstream.transport()
            assert (await fetch(transport)).body == b"ok"
            assert (await fetch(transport)).body == b"second"

    run(main())


@pytest.mark.item(27)
@pytest.mark.parametrize("where", ["unix", "tcp", "tls"])
@pytest.mark.parametrize("raw", [SECOND, b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_bytes_on_an_idle_connection(run: Run, where: Place, raw: bytes) -> None:
    """Whatever comes on an idle connection closes it and is not the next request's response."""
    go = asyncio.Event()

    async def greedy(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await go.wait()
        await peer.send(raw)
        await peer.end()

    async def main() -> None:
        async with Upstream(each_connection(greedy, answering(OK)), where) as upstream:
            transport = upstream.transport()
            await fetch(transport)
            assert transport.pool().idle == 1
            go.set()
            while transport.pool().slots:
                await turns(1)
            assert (await fetch(transport)).body == b"ok"
            assert upstream.connections == 2

    run(main())


async def shake_hands(peer: Peer, behind: bytes) -> None:
    """Do a TLS 1.2 handshake by hand, with some bytes in the very write that ends it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = server_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        incoming.write(await peer.some())
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            await peer.send(outgoing.read())
            continue
        server.write(behind)
        await peer.send(outgoing.read())
        return


@pytest.mark.item(27)
def test_upstream_that_speaks_first(run: Run) -> None:
    """Bytes that come with the end of the handshake cost the connection or are the answer, never a slot."""

    async def hasty(peer: Peer) -> None:
        await shake_hands(peer, SECOND)
        await peer.some()

    async def main() -> None:
        async with Upstream(hasty, "tcp") as upstream:
            transport = Http1Transport(replace(upstream.origin, tls=client_tls()))
            for _ in range(3):
                with contextlib.suppress(UpstreamError):
                    assert (await fetch(transport)).body == b"second"
                await turns()
                assert transport.pool().slots == 0

    run(main())


@pytest.mark.item(40)
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n",
        H + b"Content-Length: 2\r\nConnection: close\r\n",
        H + b"Content-Length: 2\r\nConnection: keep-alive, CLOSE\r\n",
        H + b"Content-Length: 2\r\nConnection: a\r\nConnection: Close\r\n",
    ],
)
def test_connection_that_shall_be_closed(run: Run, head: bytes) -> None:
    """HTTP/1.0 and `Connection: close` mean that the connection is not used again."""

    async def main() -> None:
        async with Upstream(answering(head + b"\r\nok")) as upstream:
            transport = upstream.transport()
            for _ in range(2):
                assert (await fetch(transport)).body == b"ok"
                assert transport.pool().slots == 0
            assert upstream.connections == 2

    run(main())
