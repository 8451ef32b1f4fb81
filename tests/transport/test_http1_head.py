"""Response heads: what is taken, what is refused, and how many bytes of it."""

import pytest

from forst_asgi.errors import HeadError, ProtocolError
from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport import Limits
from forst_asgi.types import RawHeaders
from tests.transport.upstream import (
    OK,
    Peer,
    Place,
    Run,
    Script,
    Upstream,
    answering,
    asking,
    each_connection,
    fetch,
)

H = b"HTTP/1.1 200 OK\r\n"
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"

REFUSED = {
    "101 unasked": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "101 bare": b"HTTP/1.1 101 Switching\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 High\r\nContent-Length: 2\r\n\r\nok",
    "too many 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK,
    "length and coding": H + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding and length": H + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": H + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "length list": H + b"Content-Length: 2, 2\r\n\r\nok",
    "negative length": H + b"Content-Length: -2\r\n\r\nok",
    "endless length": H + b"Content-Length: 99999999999999999999\r\n\r\nok",
    "coding gzip": H + b"Transfer-Encoding: gzip\r\n\r\nok",
    "codings in a list": H + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "codings in lines": H
    + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "unknown coding": H + b"Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "folded line": H + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare LF in a field": H + b"A: b\nContent-Length: 2\r\n\r\nok",
    "bare CR in a field": H + b"A: b\rc\r\nContent-Length: 2\r\n\r\nok",
    "NUL": H + b"A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "space before colon": H + b"A : b\r\nContent-Length: 2\r\n\r\nok",
    "no name": H + b": b\r\nContent-Length: 2\r\n\r\nok",
    "no such version": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2.0 kept": b"HTTP/2.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "too many fields": H + b"".join(b"A: %d\r\n" % n for n in range(300)) + b"Content-Length: 2\r\n\r\nok",
}


@pytest.mark.item(24)
@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_unacceptable_heads(run: Run, raw: bytes) -> None:
    """A head that is not acceptable HTTP/1.1 raises ProtocolError and costs the connection."""

    async def main() -> None:
        async with Upstream(each_connection(answering(raw), answering(SECOND))) as upstream:
            transport = upstream.transport()
            with pytest.raises(ProtocolError) as caught:
                await transport.send(asking())
            assert caught.value.proxy_error == "http_protocol_error"
            assert transport.pool().slots == 0
            assert (await fetch(transport)).body == b"second"
            assert upstream.connections == 2

    run(main())


@pytest.mark.item(24)
@pytest.mark.parametrize("raw", [b"HTTP/1.1 700 X\r\n\r\n", b"H" * 9, b"\0", OK.replace(b"\r", b"")])
def test_unacceptable_bytes_one_by_one(run: Run, raw: bytes) -> None:
    """It does not matter in how many pieces an unacceptable head comes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*(raw[at : at + 1] for at in range(len(raw))))

    async def main() -> None:
        async with Upstream(script) as upstream:
            with pytest.raises(ProtocolError):
                await upstream.transport().send(asking())

    run(main())


@pytest.mark.item(24)
@pytest.mark.parametrize("name", [b"A", b"Server"])
@pytest.mark.parametrize("piece", [1 << 20, 700])
def test_large_head(run: Run, piece: int, name: bytes) -> None:
    """A head over `max_header_bytes` is refused, whether it comes at once or in pieces or without end."""
    field = name + b": " + b"x" * 90 + b"\r\n"
    endless = H + field * 30

    async def script(peer: Peer) -> None:
        await peer.request()
        raw = endless + b"\r\n" if name == b"A" else endless
        await peer.send(*(raw[at : at + piece] for at in range(0, len(raw), piece)))

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport(Limits(max_header_bytes=2000), unwanted=frozenset({b"server"}))
            with pytest.raises(ProtocolError, match="max_header_bytes"):
                await transport.send(asking())

    run(main())


def test_large_body_is_not_a_large_head(run: Run) -> None:
    """Body bytes in the read that ends the head are not counted as head."""
    body = b"x" * 5000

    async def main() -> None:
        async with Upstream(answering(H + b"Content-Length: 5000\r\n\r\n" + body)) as upstream:
            assert (await fetch(upstream.transport(Limits(max_header_bytes=2000)))).body == body

    run(main())


@pytest.mark.item(23)
def test_interim_responses(run: Run, place: Place) -> None:
    """1xx responses precede the final one: they are told, at most 16 of them, and mixed into nothing."""
    told: list[tuple[int, RawHeaders]] = []
    raw = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: keep-alive\r\n\r\n"
        + b"HTTP/1.1 100 Continue\r\n\r\n" * 15
        + OK
    )

    async def main() -> None:
        async with Upstream(
            answering(raw, raw, *(raw[at : at + 1] for at in range(len(raw)))), place
        ) as upstream:
            transport = upstream.transport()
            answered = await fetch(
                transport, asking(on_interim=lambda status, fields: told.append((status, fields)))
            )
            assert (answered.status, answered.headers) == (200, [(b"content-length", b"2")])
            assert (await fetch(transport)).body == b"ok"
            assert upstream.connections == 1

    run(main())
    assert told == [(103, [(b"link", b"</a>")]), *[(100, [])] * 15]


@pytest.mark.item(26)
def test_fields_of_the_connection_stay_behind(run: Run, place: Place) -> None:
    """Hop-by-hop, nominated and unwanted fields are gone; all others are kept in order, duplicates too."""
    raw = (
        H + b"Connection: X-Hop , ,close-not,set-cookie\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
        b"Set-Cookie: a\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nTrailer: X-T\r\nDate: now\r\n"
        b"set-cookie: b\r\n"
        b"Content-Length: 2\r\nConnection: x-hop-too\r\nX-Hop-Too: 1\r\nX-Latin: \xe9\r\n\r\nok"
    )

    async def main() -> None:
        async with Upstream(answering(raw), place) as upstream:
            answered = await fetch(upstream.transport(unwanted=frozenset({b"date"})))
            assert answered.headers == [
                (b"set-cookie", b"a"),
                (b"set-cookie", b"b"),
                (b"content-length", b"2"),
                (b"x-latin", b"\xe9"),
            ]

    run(main())


@pytest.mark.item(25)
@pytest.mark.parametrize(
    ("request_", "raw", "length"),
    [
        (asking(b"HEAD"), H + b"Content-Length: 5\r\n\r\n", True),
        (asking(b"HEAD"), H + b"\r\n", False),
        (asking(b"HEAD"), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
        (asking(), b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (asking(), b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", True),
        (asking(), b"HTTP/1.1 304 Not Modified\r\n\r\n", False),
        (asking(), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
    ],
)
def test_messages_without_a_body(run: Run, request_: UpstreamRequest, raw: bytes, *, length: bool) -> None:
    """Responses to HEAD, 204 and 304 end with their head whatever it says, and the connection is kept."""

    async def main() -> None:
        async with Upstream(answering(raw, SECOND, raw, SECOND)) as upstream:
            transport = upstream.transport()
            for _ in range(2):
                answered = await fetch(transport, request_)
                assert answered.body == b""
                assert ((b"content-length", b"5") in answered.headers) is length
                assert (await fetch(transport)).body == b"second"
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(25, 27)
@pytest.mark.parametrize(
    ("request_", "raw"),
    [
        (asking(b"HEAD"), H + b"Content-Length: 5\r\n\r\nhello"),
        (asking(b"HEAD"), H + b"Content-Length: 5\r\nConnection: close\r\n\r\n"),
        (asking(b"HEAD"), H + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (asking(b"HEAD"), H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (asking(b"HEAD"), H + b"Transfer-Encoding: chunked\r\n\r\n26\r\n"),
        (asking(b"HEAD"), H + b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
        (asking(b"HEAD"), b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"),
        (asking(), b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
        (asking(), b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (asking(), b"HTTP/1.1 304 Not Modified\r\n\r\nhello"),
        (asking(), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\n" + SECOND),
    ],
)
def test_messages_without_a_body_that_have_one(run: Run, request_: UpstreamRequest, raw: bytes) -> None:
    """A body where there must be none is nobody's response: the connection is not used again."""

    async def main() -> None:
        async with Upstream(each_connection(answering(raw), answering(SECOND))) as upstream:
            transport = upstream.transport()
            assert (await fetch(transport, request_)).body == b""
            assert transport.pool().slots == 0
            assert (await fetch(transport)).body == b"second"
            assert upstream.connections == 2

    run(main())


def ending(raw: bytes, how: str) -> Script:
    """Return a script that answers with the beginning of a head and hangs up."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await getattr(peer, how)()

    return script


@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200", H, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_upstream_hangs_up_before_the_head(run: Run, place: Place, raw: bytes, how: str) -> None:
    """An end before a whole final head is HeadError, however it comes about, and frees the slot."""

    async def main() -> None:
        async with Upstream(ending(raw, how), place) as upstream:
            transport = upstream.transport()
            with pytest.raises(HeadError) as caught:
                await transport.send(asking())
            assert caught.value.stage == "head"
            assert transport.pool().slots == 0
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(23)
def test_interim_callback_that_fails(run: Run) -> None:
    """A callback for 1xx that raises ends the exchange as a ProtocolError with the reason in it."""

    def fail(_status: int, _fields: RawHeaders) -> None:
        raise ValueError("no")

    async def main() -> None:
        async with Upstream(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)) as upstream:
            with pytest.raises(ProtocolError):
                await upstream.transport().send(asking(on_interim=fail))

    run(main())
