"""Early hints and trailers, by the extensions that some servers offer (items 23 and 30)."""

import asyncio
from typing import Any

import pytest

from forst_asgi.types import Message, Scope
from tests.forward.calls import Client, Forwarding, http_scope
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, turns

HINTS: dict[str, Any] = {"http.response.early_hint": {}}
TRAILERS: dict[str, Any] = {"http.response.trailers": {}}

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n"
TRAILED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Digest, Set-Cookie\r\n\r\n"
    b"2\r\nok\r\n0\r\nX-Digest: abc\r\nSet-Cookie: a=b\r\nX-Forst-Identity: e30\r\n\r\n"
)


def scope_with(extensions: dict[str, Any], **more: Any) -> Scope:
    """Return the scope of a server that offers some extensions."""
    return http_scope(http_version="2", extensions=extensions, **more)


async def asked(raw: bytes, scope: Scope) -> list[Message]:
    """Return what the server is sent for an upstream's raw answer."""
    async with Upstream(answering(raw)) as upstream:
        client = await Forwarding(upstream.transport()).answer(scope)
        return client.sent


@pytest.mark.item(23)
def test_early_hints(run: Run) -> None:
    """A 103 goes out as it comes, before the head, and leaves the head as it is."""

    async def main() -> None:
        goes_on = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(HINT, HINT.replace(b"/a.css", b"/c.css"))
            await goes_on.wait()
            await peer.send(OK)
            await peer.end()

        async with Upstream(script) as upstream:
            client = Client()
            forwarding = Forwarding(upstream.transport())
            call = asyncio.create_task(forwarding(scope_with(HINTS), client))
            while len(client.sent) < 2:
                await turns(1)
            goes_on.set()
            await call
        first, second, start, *_ = client.sent
        links = [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]
        assert first == {"type": "http.response.early_hint", "links": links}
        assert second["links"][0] == b"</c.css>; rel=preload"
        assert start == {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}

    run(main())


@pytest.mark.item(23)
@pytest.mark.parametrize(
    ("raw", "extensions"),
    [
        (HINT, {}),
        (HINT, TRAILERS),
        (b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n", HINTS),
        (HINT.replace(b"103", b"102"), HINTS),
    ],
    ids=["not offered", "another one offered", "without links", "not a 103"],
)
def test_other_interim_responses_are_dropped(run: Run, raw: bytes, extensions: dict[str, Any]) -> None:
    """Nothing but the links of a 103 goes out before the head, and only where that is offered."""

    async def main() -> None:
        sent = await asked(raw + OK, scope_with(extensions))
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]

    run(main())


@pytest.mark.item(23)
def test_hints_that_come_with_the_head_go_first(run: Run) -> None:
    """However close they come, and however slow the client is, hints are out before the head."""

    async def main() -> None:
        async def slowly(message: Message) -> None:
            await turns(5 if message["type"] == "http.response.early_hint" else 0)

        async with Upstream(answering(HINT + HINT + OK)) as upstream:
            client = Client(on_send=slowly)
            await Forwarding(upstream.transport())(scope_with(HINTS), client)
        assert [message["type"].rpartition(".")[2] for message in client.sent] == [
            "early_hint",
            "early_hint",
            "start",
            "body",
        ]

    run(main())


@pytest.mark.item(34)
def test_client_that_is_gone_at_the_hints(run: Run) -> None:
    """A client that cannot be sent the hints is gone: its connection upstream is closed."""

    async def main() -> None:
        async def break_off(_: Message) -> None:
            raise BrokenPipeError

        async with Upstream(answering(HINT + OK)) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport)
            client = Client(on_send=break_off)
            await forwarding(scope_with(HINTS), client)
            assert client.sent == []
            assert forwarding.observer.names == ["forst.request.abandoned"]

    run(main())


@pytest.mark.item(33, 35)
def test_client_that_leaves_while_hints_are_sent(run: Run) -> None:
    """Hints that a client does not take are given up with the call, and so is everything else."""

    async def main() -> None:
        sending = asyncio.Event()

        async def never(_: Message) -> None:
            sending.set()
            await asyncio.Event().wait()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(HINT)
            await peer.end()

        async with Upstream(script) as upstream:
            transport = upstream.transport()
            client = Client(on_send=never)
            call = asyncio.create_task(Forwarding(transport)(scope_with(HINTS), client))
            await sending.wait()
            client.gone.set()
            await call
            assert transport.pool().slots == 0
            await turns()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@pytest.mark.item(30)
def test_trailers(run: Run) -> None:
    """Announced trailers follow the body; what must not stand in trailers, or is ours, does not."""

    async def main() -> None:
        start, body, trailers = await asked(TRAILED, scope_with(TRAILERS))
        assert start["trailers"] is True
        assert b"x-digest" not in dict(start["headers"])
        assert (body["body"], body["more_body"]) == (b"ok", False)
        assert trailers == {
            "type": "http.response.trailers",
            "headers": [(b"x-digest", b"abc")],
            "more_trailers": False,
        }

    run(main())


@pytest.mark.item(30)
@pytest.mark.parametrize(
    ("raw", "extensions", "method"),
    [
        (TRAILED, {}, "GET"),
        (TRAILED, HINTS, "GET"),
        (TRAILED.replace(b"Trailer:", b"X-Trailer:"), TRAILERS, "GET"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTrailer: X-Digest\r\n\r\nok", TRAILERS, "GET"),
        (b"HTTP/1.1 304 OK\r\nTrailer: X-Digest\r\n\r\n", TRAILERS, "GET"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n", TRAILERS, "HEAD"),
    ],
    ids=["not offered", "another one offered", "not announced", "not chunked", "no body", "HEAD"],
)
def test_trailers_are_dropped(run: Run, raw: bytes, extensions: dict[str, Any], method: str) -> None:
    """Where they cannot be passed on, trailers are dropped, and never become fields of the head."""

    async def main() -> None:
        start, *rest = await asked(raw, scope_with(extensions, method=method))
        assert "trailers" not in start
        assert {b"x-digest", b"trailer"}.isdisjoint(dict(start["headers"]))
        assert {message["type"] for message in rest} == {"http.response.body"}

    run(main())
