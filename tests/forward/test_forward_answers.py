"""Answers of our own, and responses on their way back (items 8, 24 to 30)."""

import asyncio
import json
import re
from http import HTTPStatus

import pytest

from forst_asgi import errors
from forst_asgi.events import RequestFailed
from forst_asgi.forward.answers import problem
from forst_asgi.testing import Answer, FakeTransport
from forst_asgi.types import RawHeaders
from tests.forward.calls import Client, Forwarding, answered, http_scope
from tests.transport.upstream import MIB, Peer, Run, Upstream, answering, turns, until_still


def failing(error: Exception) -> FakeTransport:
    """Return a transport that fails."""
    return FakeTransport([error])


FAILURES = [
    (errors.PoolFull, 503, "connection_limit_reached"),
    (errors.PoolTimeout, 503, "connection_limit_reached"),
    (errors.TransportClosed, 503, "destination_unavailable"),
    (errors.SidecarNotReady, 503, "destination_unavailable"),
    (errors.ConnectError, 502, "connection_refused"),
    (errors.ConnectTimeout, 504, "connection_timeout"),
    (errors.WriteError, 502, "connection_terminated"),
    (errors.WriteTimeout, 504, "connection_write_timeout"),
    (errors.HeadError, 502, "connection_terminated"),
    (errors.ProtocolError, 502, "http_protocol_error"),
    (errors.FirstByteTimeout, 504, "http_response_timeout"),
    (errors.DeadlineExceeded, 504, "http_response_timeout"),
]


@pytest.mark.item(29)
def test_transport_that_lets_out_an_error_of_the_system() -> None:
    """A transport of the user's that raises none of ours has failed; it is no client that left."""
    forwarding = Forwarding(failing(ConnectionRefusedError(111, "10.0.0.1")))
    client = asyncio.run(forwarding.answer(http_scope()))
    assert (client.status, json.loads(client.body)["detail"]) == (502, "head-error")
    assert b"10.0.0.1" not in client.body
    [event] = forwarding.observer.events
    assert isinstance(event, RequestFailed)
    assert "ConnectionRefusedError(111" in event.error


@pytest.mark.item(29)
@pytest.mark.parametrize(("kind", "status", "proxy_error"), FAILURES)
def test_failure_before_the_head(kind: type[errors.UpstreamError], status: int, proxy_error: str) -> None:
    """A failure before the head is a problem document with Proxy-Status, nothing internal in it (item 29)."""
    forwarding = Forwarding(failing(kind("/run/secret.sock 10.0.0.1")))
    client = asyncio.run(forwarding.answer(http_scope((b"x-request-id", b"abc"))))
    detail = "-".join(re.findall("[A-Z][a-z]+", kind.__name__)).lower()
    assert client.status == status
    assert json.loads(client.body) == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": "abc",
    }
    assert client.is_complete
    fields = dict(client.headers)
    assert fields.pop(b"content-length") == b"%d" % len(client.body)
    assert fields.pop(b"proxy-status") == f"forst; error={proxy_error}".encode()
    assert fields.pop(b"content-type") == b"application/problem+json"
    assert fields.pop(b"cache-control") == b"no-store"
    assert fields == ({b"retry-after": b"1"} if status == 503 else {})


@pytest.mark.item(29)
def test_document_without_an_id() -> None:
    """Where no id is known the document has none."""
    _, _, body = problem(errors.BadHost("no"), None)
    assert "request_id" not in json.loads(body)


@pytest.mark.item(29)
def test_refusal_is_not_the_proxys_failure() -> None:
    """A request that is refused has no Proxy-Status: nobody was asked."""
    client = answered(http_scope(host=False))
    assert b"proxy-status" not in dict(client.headers)
    assert json.loads(client.body)["title"] == "Bad Request"


@pytest.mark.item(28)
@pytest.mark.parametrize("error", [errors.BodyError("cut"), errors.IdleTimeout("still"), RuntimeError("bug")])
def test_failure_after_the_head(error: Exception) -> None:
    """A failure after the head is raised, and the response has no clean end (item 28)."""

    async def main() -> None:
        transport = FakeTransport([Answer(body=(b"some", error))])
        forwarding, client = Forwarding(transport), Client()
        with pytest.raises(type(error)) as caught:
            await forwarding(http_scope(), client)
        assert caught.value is error
        assert client.body == b"some"
        assert not client.is_complete
        assert transport.responses[0].is_closed

    asyncio.run(main())


def test_foreign_exception_of_a_transport() -> None:
    """What a transport raises that is none of ours is the server's to answer."""

    async def main() -> None:
        client = Client()
        with pytest.raises(RuntimeError):
            await Forwarding(failing(RuntimeError("bug")))(http_scope(), client)
        assert client.sent == []

    asyncio.run(main())


@pytest.mark.item(26, 30)
def test_response_passes(run: Run) -> None:
    """Status, fields in order with duplicates, and body bytes come through untouched (items 26 and 30)."""
    raw = (
        b"HTTP/1.1 206 Partial\r\nSet-Cookie: a=1\r\nETag: x\r\nSet-Cookie: b=2\r\nContent-Encoding: gzip\r\n"
        b"Location: /a\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
    )

    async def main() -> None:
        async with Upstream(answering(raw)) as upstream:
            client = await Forwarding(upstream.transport()).answer(http_scope())
            assert client.sent[0] == {
                "type": "http.response.start",
                "status": 206,
                "headers": [
                    (b"set-cookie", b"a=1"),
                    (b"etag", b"x"),
                    (b"set-cookie", b"b=2"),
                    (b"content-encoding", b"gzip"),
                    (b"location", b"/a"),
                    (b"content-length", b"3"),
                ],
            }
            assert client.body == b"\x1f\x8b\x08"
            assert client.is_complete

    run(main())


@pytest.mark.item(25)
@pytest.mark.parametrize(
    ("method", "raw", "keeps_length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", False),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", False),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_response_without_a_body(run: Run, method: str, raw: bytes, *, keeps_length: bool) -> None:
    """A response without a body is one empty message; only 204 and 304 lose their length (item 25)."""

    async def main() -> None:
        async with Upstream(answering(raw)) as upstream:
            client = await Forwarding(upstream.transport()).answer(http_scope(method=method))
            assert client.sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]
            assert (b"content-length" in dict(client.headers)) is keeps_length

    run(main())


@pytest.mark.item(8)
@pytest.mark.parametrize(
    ("location", "seen"),
    [
        (b"/quotes/8", b"/api/quotes/8"),
        (b"/", b"/api/"),
        (b"http://api.example/quotes?a#b", b"http://api.example/api/quotes?a#b"),
        (b"https://api.example", b"https://api.example/api"),
        (b"http://other.example/quotes", b"http://other.example/quotes"),
        (b"//other.example/quotes", b"//other.example/quotes"),
        (b"quotes/8", b"quotes/8"),
        (b"?page=2", b"?page=2"),
        (b"mailto:a@api.example", b"mailto:a@api.example"),
        (b"http://[", b"http://["),
        (b"\xff", b"\xff"),
    ],
)
def test_removed_prefix_is_put_back(location: bytes, seen: bytes) -> None:
    """A prefix that was removed comes back in Location and Content-Location, where it was ours (item 8)."""
    headers: RawHeaders = [(b"location", location), (b"content-location", location), (b"link", b"/x")]

    async def main(strip_prefix: str | None) -> RawHeaders:
        transport = FakeTransport([Answer(201, headers)])
        return (await Forwarding(transport, strip_prefix=strip_prefix).answer(http_scope())).headers

    assert asyncio.run(main("/api")) == [(b"location", seen), (b"content-location", seen), (b"link", b"/x")]
    assert asyncio.run(main(None)) == headers


@pytest.mark.item(31)
def test_head_goes_before_the_body(run: Run) -> None:
    """The response's head is at the client before the first byte of its body came (item 31)."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await go.wait()
            go.clear()
            await peer.send(b"2\r\n%d\n\r\n" % number)
        await peer.send(b"0\r\n\r\n")
        await peer.end()

    async def main() -> None:
        async with Upstream(script) as upstream:
            client = Client()
            task = asyncio.create_task(Forwarding(upstream.transport())(http_scope(), client))
            while not client.sent:
                await turns(1)
            for number in range(3):
                assert client.body.count(b"\n") == number
                go.set()
                while client.body.count(b"\n") == number:
                    await turns(1)
            await task
            assert client.is_complete

    run(main())


@pytest.mark.item(32)
def test_slow_client_pauses_the_upstream(run: Run) -> None:
    """A client that takes nothing stops the upstream's writes (item 32)."""
    size, sent, go = 32 * MIB, 0, asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.drain(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.drain(b"x" * 65536)
            sent += 65536
        await peer.end()

    async def on_send(message: object) -> None:
        await go.wait()

    async def main() -> None:
        async with Upstream(script) as upstream:
            client = Client(on_send=on_send)
            task = asyncio.create_task(Forwarding(upstream.transport())(http_scope(), client))
            assert await until_still(lambda: sent) < size // 2
            go.set()
            await task
            assert len(client.body) == size

    run(main())


@pytest.mark.item(30)
def test_messages_are_the_receivers(run: Run) -> None:
    """Middleware outside may change what it gets, as GZipMiddleware does; nobody else sees that."""

    async def script(peer: Peer) -> None:
        for _ in range(3):
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: 1\r\n\r\n")
            await turns()
            await peer.send(b"some")

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport)
            for _ in range(3):
                client = await forwarding.answer(http_scope())
                assert [message.get("body") for message in client.sent] == [None, b"", b"some"]
                assert (b"x-a", b"1") in client.headers
                for message in client.sent:
                    message.get("headers", []).clear()
                    message.update(body=b"\x1f\x8b", more_body=False)

    run(main())
