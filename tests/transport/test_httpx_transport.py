"""The adapter for httpx: exact bytes out, raw bytes in, failures by stage."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from forst_asgi import errors
from forst_asgi.transport import HttpxOriginTransport, HttpxTransport, Limits, Origin
from forst_asgi.types import Receive, Scope, Send
from tests.transport.test_http1_connect import full_backlog, unused_port
from tests.transport.upstream import OK, Peer, Place, Run, Source, Upstream, answering, asking, turns

ALL_PLACES = pytest.mark.parametrize("where", ["unix", "tcp", "tls"])


async def whole(transport: Any, request: Any = None) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Send a request and read its response to the end."""
    response = await transport.send(request or asking())
    body = b""
    while not response.has_ended:
        body += await response.read()
    assert await response.read() == b""
    await response.aclose()
    return response.status, response.headers, body


def to(upstream: Upstream, limits: Limits | None = None) -> HttpxOriginTransport:
    """Return a transport to an upstream."""
    return HttpxOriginTransport(lambda: upstream.origin, limits or Limits(), frozenset({b"date"}))


class Open(AbstractAsyncContextManager[HttpxOriginTransport]):
    """Closes a transport before the upstream goes, so that nothing is left."""

    def __init__(self, transport: HttpxOriginTransport) -> None:
        self._transport = transport

    async def __aenter__(self) -> HttpxOriginTransport:
        return self._transport

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()
        await turns()


def mock(handler: Callable[[httpx.Request], httpx.Response]) -> HttpxTransport:
    """Return a transport whose requests a function answers."""
    return HttpxTransport(httpx.MockTransport(handler))


@pytest.mark.item(2, 15)
@ALL_PLACES
def test_request_goes_out_verbatim(run: Run, where: Place) -> None:
    """The target is sent byte for byte and nothing is added that the request does not say."""

    async def main() -> None:
        async with Upstream(answering(OK), where) as upstream, Open(to(upstream)) as transport:
            assert "HttpxOriginTransport" in repr(transport)
            await whole(transport, asking(target=b"/a%2Fb//c/../d?x=%zz"))
            await whole(transport, asking(b"pUrGe", body=b""))
            await whole(transport, asking(b"POST", body=b"hi"))
            assert upstream.requests == [
                b"GET /a%2Fb//c/../d?x=%zz HTTP/1.1\r\nhost: sidecar\r\n\r\n",
                b"pUrGe / HTTP/1.1\r\nhost: sidecar\r\ncontent-length: 0\r\n\r\n",
                b"POST / HTTP/1.1\r\nhost: sidecar\r\ncontent-length: 2\r\n\r\nhi",
            ]
            assert upstream.connections == 1

    run(main())


@pytest.mark.item(17)
@pytest.mark.parametrize("length", [None, 8])
def test_streamed_request(run: Run, place: Place, length: int | None) -> None:
    """A streamed body goes out chunked, or with its declared length."""

    async def main() -> None:
        async with Upstream(answering(OK), place) as upstream, Open(to(upstream)) as transport:
            body = Source(b"some", b"more", content_length=length)
            assert (await whole(transport, asking(b"POST", body=body)))[2] == b"ok"
            framing, _, sent = upstream.requests[0].partition(b"\r\n\r\n")
            if length is None:
                assert framing.lower().endswith(b"transfer-encoding: chunked")
                assert sent == b"4\r\nsome\r\n4\r\nmore\r\n0\r\n\r\n"
            else:
                assert framing.endswith(b"content-length: 8")
                assert sent == b"somemore"

    run(main())


@pytest.mark.item(26, 30)
@ALL_PLACES
def test_response_comes_back_raw(run: Run, where: Place) -> None:
    """Fields keep order and duplicates, hop-by-hop ones are gone, and the body is not decoded."""
    packed = gzip.compress(b"packed")
    raw = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nConnection: x-hop\r\nX-Hop: 1\r\nDate: now\r\nset-cookie: b\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    )

    async def main() -> None:
        async with Upstream(answering(raw + packed), where) as upstream, Open(to(upstream)) as transport:
            status, headers, body = await whole(transport)
            assert (status, body) == (200, packed)
            assert headers == [
                (b"set-cookie", b"a"),
                (b"set-cookie", b"b"),
                (b"content-encoding", b"gzip"),
                (b"content-length", b"%d" % len(packed)),
            ]

    run(main())


@pytest.mark.item(29)
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answering(b"junk\r\n\r\n"), errors.ProtocolError),
        (Peer.head_only, errors.HeadError),
        (Peer.end, errors.FirstByteTimeout),
    ],
)
def test_failures_before_the_head(
    run: Run, place: Place, script: Callable[[Peer], Any], kind: type[errors.UpstreamError]
) -> None:
    """What goes wrong before the head is told by stage."""

    async def main() -> None:
        limits = Limits(first_byte_timeout_s=0.4)
        async with Upstream(script, place) as upstream, Open(to(upstream, limits)) as transport:
            with pytest.raises(kind):
                await transport.send(asking())

    run(main())


@pytest.mark.item(28)
@pytest.mark.parametrize(
    ("is_silent", "kind"), [(False, errors.BodyError), (True, errors.IdleTimeout)], ids=["cut", "silent"]
)
def test_failures_of_the_body(
    run: Run, place: Place, kind: type[errors.UpstreamError], *, is_silent: bool
) -> None:
    """A body that is cut off or stands still raises, after what came."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
        if is_silent:
            await peer.end()

    async def main() -> None:
        async with Upstream(script, place) as upstream, Open(to(upstream)) as transport:
            response = await transport.send(asking(idle_timeout_s=0.4 if is_silent else None))
            assert await response.read() == b"some"
            with pytest.raises(kind):
                await response.read()
            await response.aclose()

    run(main())


@pytest.mark.item(28)
def test_a_body_has_the_limit_of_its_origin(run: Run, place: Place) -> None:
    """`idle_timeout` holds for a request that has none of its own."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
        await peer.end()

    async def main() -> None:
        limits = Limits(idle_timeout_s=0.1)
        async with Upstream(script, place) as upstream, Open(to(upstream, limits)) as transport:
            response = await transport.send(asking())
            assert await response.read() == b"some"
            with pytest.raises(errors.IdleTimeout):
                await response.read()
            await response.aclose()

    run(main())


@pytest.mark.parametrize(("own", "body"), [(None, 5.0), (7.0, 7.0)])
def test_the_limit_of_the_head_ends_with_it(own: float | None, body: float) -> None:
    """The limit that httpx has for both is another one as soon as the head is there."""
    seen = []

    async def pieces(request: httpx.Request) -> AsyncIterator[bytes]:
        seen.append(request.extensions["timeout"]["read"])
        yield b"some"

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, content=pieces(request))

    async def main() -> None:
        limits = Limits(first_byte_timeout_s=3, idle_timeout_s=5)
        transport = HttpxTransport(httpx.MockTransport(answer), limits=limits)
        assert (await whole(transport, asking(idle_timeout_s=own)))[0] == 200

    asyncio.run(main())
    assert seen == [3.0, body]


def test_a_limit_of_a_body_is_not_that_of_the_head(run: Run, place: Place) -> None:
    """An answer that has not begun is not a body that stands still."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await may_answer.wait()
        await peer.send(OK)
        await peer.end()

    async def main() -> None:
        async with Upstream(script, place) as upstream, Open(to(upstream)) as transport:
            sending = asyncio.create_task(transport.send(asking(idle_timeout_s=0.05)))
            assert await asyncio.wait([sending], timeout=0.2) == (set(), {sending})
            may_answer.set()
            await (await sending).aclose()

    may_answer = asyncio.Event()
    run(main())


@pytest.mark.item(29, 36)
def test_failures_to_connect() -> None:
    """Refused, missing, and too slow: by stage, each with its status."""

    async def main() -> None:
        with full_backlog() as full:
            for origin, kind, status in (
                (Origin(port=unused_port()), errors.ConnectError, 502),
                (Origin(path="/nowhere/at-all"), errors.ConnectError, 502),
                (full, errors.ConnectTimeout, 504),
            ):
                limits = Limits(connect_timeout_s=0.05)
                async with Open(HttpxOriginTransport(lambda origin=origin: origin, limits)) as transport:  # type: ignore[misc]
                    with pytest.raises(kind) as caught:
                        await transport.send(asking())
                    assert caught.value.status == status

    asyncio.run(main())


@pytest.mark.item(36)
def test_pool_timeout(run: Run) -> None:
    """Who finds no connection in time gets PoolTimeout."""

    async def main() -> None:
        limits = Limits(max_connections=1, pool_timeout_s=0.02)
        raw = OK.replace(b": 2", b": 9")
        async with Upstream(answering(raw)) as upstream, Open(to(upstream, limits)) as transport:
            response = await transport.send(asking())
            with pytest.raises(errors.PoolTimeout):
                await transport.send(asking())
            await response.aclose()

    run(main())


@pytest.mark.parametrize("error", [errors.ClientDisconnected("gone"), errors.BodyTooLarge("large")])
def test_request_body_that_breaks_off(run: Run, place: Place, error: errors.ForstError) -> None:
    """What the request's body raises passes through as it is."""

    async def main() -> None:
        async with Upstream(Peer.end, place) as upstream, Open(to(upstream)) as transport:
            with pytest.raises(type(error)):
                await transport.send(asking(b"POST", body=Source(b"some", error)))

    run(main())


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ConnectError("x"), errors.ConnectError),
        (httpx.ConnectTimeout("x"), errors.ConnectTimeout),
        (httpx.PoolTimeout("x"), errors.PoolTimeout),
        (httpx.WriteError("x"), errors.WriteError),
        (httpx.WriteTimeout("x"), errors.WriteTimeout),
        (httpx.ReadTimeout("x"), errors.FirstByteTimeout),
        (httpx.ReadError("x"), errors.HeadError),
        (httpx.RemoteProtocolError("x"), errors.ProtocolError),
        (httpx.LocalProtocolError("x"), errors.ProtocolError),
        (ZeroDivisionError("x"), errors.HeadError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_exceptions_by_stage(raised: Exception, kind: type[errors.UpstreamError]) -> None:
    """Every exception of httpx, or of a fake, has one of our own, with the original as its cause."""

    def fail(_request: httpx.Request) -> httpx.Response:
        raise raised

    async def main() -> None:
        with pytest.raises(errors.UpstreamError) as caught:
            await mock(fail).send(asking())
        assert type(caught.value) is kind
        assert caught.value.__cause__ is raised

    asyncio.run(main())


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ReadTimeout("x"), errors.IdleTimeout),
        (httpx.ReadError("x"), errors.BodyError),
        (errors.ClientDisconnected("x"), errors.ClientDisconnected),
    ],
)
def test_exceptions_of_a_body(raised: Exception, kind: type[errors.ForstError]) -> None:
    """What a body raises is told as a failure of the body; ours pass through."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b""
        yield b"some"
        raise raised

    async def main() -> None:
        response = await mock(lambda _: httpx.Response(200, content=pieces())).send(asking())
        assert await response.read() == b"some"
        with pytest.raises(kind):
            await response.read()
        await response.aclose()

    asyncio.run(main())


@pytest.mark.item(45)
def test_client_with_ways_of_its_own() -> None:
    """A client's hooks run, but its headers, cookies, authentication and redirects are not applied."""
    seen: list[httpx.Request] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"location": "http://evil.example/"})

    async def hook(request: httpx.Request) -> None:
        request.headers["x-hook"] = "1"

    async def main() -> None:
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(redirect),
            headers={"x-default": "1"},
            cookies={"a": "b"},
            auth=("user", "secret"),
            follow_redirects=True,
            event_hooks={"request": [hook]},
        ) as client:
            told: list[int] = []
            transport = HttpxTransport(client, "https://go.example")
            assert repr(transport) == "<HttpxTransport https://go.example>"
            status, headers, _ = await whole(transport, asking(on_wait=lambda: told.append(1)))
            await transport.aclose()
            assert (status, headers) == (302, [(b"location", b"http://evil.example/")])
            assert told == [1]
            assert not client.is_closed
            assert client.cookies
        assert len(seen) == 1
        assert seen[0].headers.raw == [(b"host", b"sidecar"), (b"x-hook", b"1")]
        assert seen[0].url.host == "go.example"

    asyncio.run(main())


def test_app_as_an_upstream() -> None:
    """An ASGI app can be the upstream, in the same process."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        answer = scope["method"].encode() + b" " + scope["raw_path"] + b" " + body
        await send({"type": "http.response.start", "status": 200, "headers": [(b"date", b"x"), (b"a", b"b")]})
        await send({"type": "http.response.body", "body": answer})

    async def main() -> None:
        transport = HttpxTransport(httpx.ASGITransport(app))
        status, headers, body = await whole(transport, asking(b"PUT", b"/a%2Fb", body=b"x"))
        assert (status, headers, body) == (200, [(b"a", b"b")], b"PUT /a%2Fb x")

    asyncio.run(main())


def test_one_client_per_loop() -> None:
    """The origin is asked once for each event loop, and again after closing; closing nothing is fine."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            asked: list[Origin] = []

            def origin() -> Origin:
                asked.append(upstream.origin)
                return upstream.origin

            transport = HttpxOriginTransport(origin, Limits())
            await transport.aclose()
            for _ in range(2):
                for _ in range(2):
                    await whole(transport)
                await transport.aclose()
                await turns()
            assert len(asked) == 2
            assert upstream.connections == 2

    for _ in range(2):
        asyncio.run(main())


def test_stranger_over_tls(run: Run) -> None:
    """A certificate that is not trusted is a ConnectError."""

    async def main() -> None:
        async with Upstream(answering(OK), "tls") as upstream:
            origin = replace(upstream.origin, tls=ssl.create_default_context())
            async with Open(HttpxOriginTransport(lambda: origin, Limits())) as transport:
                with pytest.raises(errors.ConnectError):
                    await transport.send(asking())

    run(main())


def test_a_certificate_may_have_another_name_than_the_address(run: Run) -> None:
    """The name that the origin gives is what the certificate is checked for."""
    name = "quotes.internal"

    async def main() -> None:
        async with Upstream(answering(OK, OK), "tls", name) as upstream:
            origin = replace(upstream.origin, server_hostname=name)
            async with Open(HttpxOriginTransport(lambda: origin, Limits())) as transport:
                assert (await whole(transport))[0] == 200
            async with Open(to(upstream)) as transport:
                with pytest.raises(errors.ConnectError):
                    await transport.send(asking())

    run(main())


def test_a_target_that_httpx_does_not_take() -> None:
    """It is refused before anything is sent."""

    async def main() -> None:
        with pytest.raises(errors.RequestError, match="too long"):
            await mock(lambda _: httpx.Response(200)).send(asking(target=b"/" + b"a" * 66_000))

    asyncio.run(main())


def test_a_fake_that_answers_amiss() -> None:
    """A response that cannot be read here, or closed, raises nothing but our own."""

    class Stubborn(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"all of it"

        async def aclose(self) -> None:
            raise ZeroDivisionError

    class Synchronous(httpx.SyncByteStream): ...

    async def main() -> None:
        stubborn = mock(lambda _: httpx.Response(200, stream=Stubborn()))
        assert (await whole(stubborn))[2] == b"all of it"
        with pytest.raises(errors.HeadError):
            await mock(lambda _: httpx.Response(200, stream=Synchronous())).send(asking())

    asyncio.run(main())
