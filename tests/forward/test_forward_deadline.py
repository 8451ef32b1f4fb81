"""The deadline of a whole call (item 36)."""

import asyncio

import pytest

from forst_asgi.errors import DeadlineExceeded
from forst_asgi.messages import UpstreamRequest
from forst_asgi.testing import Answer, FakeTransport
from tests.forward.calls import Client, Forwarding, http_scope
from tests.forward.test_forward_disconnect import BEGUN, Waiting, own_task
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, turns

SHORT_S = 0.03
LONG_S = 0.8  # no single call takes that long, even on a busy machine


@pytest.mark.item(36)
@pytest.mark.parametrize("raw", [[], [b"HTTP/1.1 100 Continue\r\n\r\n"]])
def test_before_the_head(run: Run, raw: list[bytes]) -> None:
    """A call that takes too long before its head is answered 504, and its connection is closed."""

    async def main() -> None:
        script = Waiting(*raw)
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport, timeout_s=SHORT_S)
            client = Client()
            assert await own_task(forwarding(http_scope(), client)) == 0
            assert client.status == 504
            assert b"deadline-exceeded" in client.body
            assert (b"proxy-status", b"forst; error=http_response_timeout") in client.headers
            await script.gone.wait()
            assert transport.pool().slots == 0
            assert forwarding.observer.names == ["forst.request.failed"]

    run(main())


@pytest.mark.item(36)
def test_after_the_head(run: Run) -> None:
    """A call that takes too long after its head is broken off."""

    async def main() -> None:
        script = Waiting(*BEGUN["in the body"])
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport, timeout_s=LONG_S)
            client = Client()
            task = own_task(forwarding(http_scope(), client))
            with pytest.raises(DeadlineExceeded):
                await task
            assert client.body == b"some"
            assert not client.is_complete
            assert task.cancelling() == 0
            await script.gone.wait()
            assert forwarding.observer.names == ["forst.request.failed"]

    run(main())


@pytest.mark.item(36)
@pytest.mark.parametrize(
    "content_type", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8"], ids=["plain", "with charset"]
)
def test_event_streams_are_exempt(run: Run, content_type: bytes) -> None:
    """An event stream goes on for as long as it likes, once its head is there."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: " + content_type + b"\r\n\r\ndata: 1\n\n")
        await go.wait()
        await peer.send(b"data: 2\n\n")

    async def main() -> None:
        async with Upstream(script) as upstream:
            client = Client()
            forwarding = Forwarding(upstream.transport(), timeout_s=LONG_S)
            task = own_task(forwarding(http_scope(), client))
            asyncio.get_running_loop().call_later(1.5 * LONG_S, go.set)
            assert await task == 0
            assert client.body == b"data: 1\n\ndata: 2\n\n"
            assert client.is_complete

    run(main())


@pytest.mark.item(36)
def test_in_time(run: Run) -> None:
    """Calls that are in time leave nothing behind that could end later ones."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            forwarding = Forwarding(upstream.transport(), timeout_s=LONG_S)
            ended = asyncio.Event()
            asyncio.get_running_loop().call_later(2 * LONG_S, ended.set)
            while not ended.is_set():
                assert (await forwarding.answer(http_scope())).body == b"ok"
            await turns()

    run(main())


@pytest.mark.item(36)
def test_deadline_that_passes_with_the_answer() -> None:
    """A deadline that passes in the very moment of the answer breaks it off or lets it be, but not both."""

    async def main() -> None:
        for delay_s in (0.0, 0.01, 0.01, 0.01, 0.1):
            come = asyncio.Event()

            async def answer(_: UpstreamRequest, come: asyncio.Event = come) -> Answer:
                await come.wait()
                return Answer.text("answered")

            client = Client()
            asyncio.get_running_loop().call_later(delay_s, come.set)
            task = own_task(Forwarding(FakeTransport(answer), timeout_s=0.01)(http_scope(), client))
            assert await task == 0
            assert (client.status, client.is_complete) in ((200, True), (504, True))

    asyncio.run(main())
