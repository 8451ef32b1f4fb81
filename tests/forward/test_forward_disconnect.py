"""Clients that leave, and cancellations that are somebody else's (items 33 to 35)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from forst_asgi import errors
from forst_asgi.messages import UpstreamRequest
from forst_asgi.testing import Answer, FakeTransport
from forst_asgi.transport import Limits
from forst_asgi.types import Message
from tests.forward.calls import Client, Forwarding, http_scope, piece
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, turns

CHUNKED = (b"transfer-encoding", b"chunked")


class Waiting:
    """An upstream that answers so far and then waits until its connection ends.

    Attributes:
        asked: set when it was asked and has sent what it sends.
        gone: set when its connection has ended.
    """

    def __init__(self, *raw: bytes, after: bytes = b"\r\n\r\n") -> None:
        self._raw, self._after = raw, after
        self.asked, self.gone = asyncio.Event(), asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        """Be the script."""
        while self._after not in peer.received:
            await peer.some()
        await peer.send(*self._raw)
        self.asked.set()
        await peer.end()
        self.gone.set()


def own_task(main: Awaitable[None]) -> "asyncio.Task[int]":
    """Run a call in a task of its own, which tells how many cancellations it has pending at its end."""

    async def work() -> int:
        await main
        task = asyncio.current_task()
        return task.cancelling() if task is not None else -1

    return asyncio.create_task(work())


BEGUN = {
    "before the head": [],
    "after an interim head": [b"HTTP/1.1 100 Continue\r\n\r\n"],
    "before the body": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"],
    "in the body": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"some"],
    "in an event stream": [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"data: 1\n\n"],
}


@pytest.mark.item(33)
@pytest.mark.parametrize("raw", BEGUN.values(), ids=BEGUN)
@pytest.mark.parametrize("messages", [[], [piece(b"")] * 5, [OSError("broken")]], ids=["", "many", "broken"])
def test_client_leaves(run: Run, raw: list[bytes], messages: list[Any]) -> None:
    """When the client is gone the upstream's connection is closed, and the call ends without a complaint."""

    async def main() -> None:
        script = Waiting(*raw)
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport)
            left = asyncio.Event()
            client = Client(left, *messages)
            task = own_task(forwarding(http_scope(), client))
            await script.asked.wait()
            left.set()
            client.gone.set()
            assert await task == 0
            await script.gone.wait()
            assert transport.pool().slots == 0
            if b"200 OK" in b"".join(raw):
                assert not client.is_complete
            else:
                assert (client.status, client.body, client.is_complete) == (499, b"", True)
            assert forwarding.observer.names == ["forst.request.abandoned"]

    run(main())


@pytest.mark.item(33, 35)
def test_client_leaves_in_the_line(run: Run) -> None:
    """A client that leaves while its request waits for a connection leaves the line."""

    async def main() -> None:
        script = Waiting()
        async with Upstream(script) as upstream:
            transport = upstream.transport(Limits(max_connections=1))
            clients = [Client(), Client()]
            tasks = [own_task(Forwarding(transport)(http_scope(), client)) for client in clients]
            await script.asked.wait()
            await turns()
            assert repr(transport.pool()).endswith("waiting=1>")
            clients[1].gone.set()
            assert await tasks[1] == 0
            assert repr(transport.pool()).endswith("waiting=0>")
            clients[0].gone.set()
            assert await tasks[0] == 0

    run(main())


@pytest.mark.item(22)
@pytest.mark.parametrize("is_answered", [False, True])
def test_client_leaves_during_its_upload(run: Run, *, is_answered: bool) -> None:
    """A client that leaves during its upload ends the upstream's connection without a last chunk."""

    async def main() -> None:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        script = Waiting(*([raw] if is_answered else []), after=b"4\r\nsome\r\n")
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport)
            client = Client(piece(b"some", more=True))
            task = own_task(forwarding(http_scope(CHUNKED, method="POST"), client))
            await script.asked.wait()
            client.gone.set()
            assert await task == 0
            await script.gone.wait()
            assert transport.pool().slots == 0
            assert bytes(upstream.peers[0].received).endswith(b"4\r\nsome\r\n")
            assert forwarding.observer.names == ["forst.request.abandoned"]

    run(main())


@pytest.mark.item(33)
def test_client_leaves_after_its_upload(run: Run) -> None:
    """Once the body was read the client is watched again."""

    async def main() -> None:
        script = Waiting(after=b"0\r\n\r\n")
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            client = Client(piece(b"some", more=True), piece(b""))
            task = own_task(Forwarding(transport)(http_scope(CHUNKED, method="POST"), client))
            await script.asked.wait()
            client.gone.set()
            assert await task == 0
            await script.gone.wait()

    run(main())


@pytest.mark.item(34)
@pytest.mark.parametrize("at", ["http.response.start", "http.response.body"])
def test_send_that_fails(run: Run, at: str) -> None:
    """An OSError from `send` is a client that left, not a failure of the upstream (item 34)."""

    async def on_send(message: Message) -> None:
        if message["type"] == at:
            raise BrokenPipeError

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport)
            await forwarding(http_scope(), Client(on_send=on_send))
            await turns()
            assert forwarding.observer.names == ["forst.request.abandoned"]
            assert transport.pool().slots == transport.pool().idle

    run(main())


@pytest.mark.item(34)
def test_send_that_fails_under_an_answer_of_our_own() -> None:
    """A client that is gone when our own answer goes out is no failure either."""

    async def on_send(message: Message) -> None:
        raise BrokenPipeError

    async def refuse(_: Any) -> None:
        raise HTTPException(401)

    async def main() -> None:
        for forwarding in (Forwarding(FakeTransport([errors.ConnectError("no")])), Forwarding(auth=refuse)):
            await forwarding(http_scope(), Client(on_send=on_send))
            assert len(forwarding.observer.events) == 1

    asyncio.run(main())


@pytest.mark.item(34)
def test_send_that_fails_for_a_client_that_left(run: Run) -> None:
    """A server may fail whatever is sent to a client that is gone, as ASGI's HTTP spec allows."""

    async def on_send(message: Message) -> None:
        raise BrokenPipeError

    async def main() -> None:
        script = Waiting()
        async with Upstream(script) as upstream:
            forwarding, client = Forwarding(upstream.transport()), Client(on_send=on_send)
            task = own_task(forwarding(http_scope(), client))
            await script.asked.wait()
            client.gone.set()
            assert await task == 0
            assert (client.sent, forwarding.observer.names) == ([], ["forst.request.abandoned"])

    run(main())


@pytest.mark.item(32, 33)
def test_client_leaves_while_it_takes_nothing(run: Run) -> None:
    """A client that left while `send` was waiting for it ends the call."""
    stuck = asyncio.Event()

    async def on_send(message: Message) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await asyncio.Event().wait()

    async def main() -> None:
        script = Waiting(*BEGUN["in the body"])
        async with Upstream(script) as upstream:
            client = Client(on_send=on_send)
            task = own_task(Forwarding(upstream.transport())(http_scope(), client))
            await stuck.wait()
            client.gone.set()
            assert await task == 0
            await script.gone.wait()

    run(main())


@pytest.mark.item(35)
@pytest.mark.parametrize("raw", BEGUN.values(), ids=BEGUN)
def test_cancellation_from_outside(run: Run, raw: list[bytes]) -> None:
    """A cancellation that is not ours is passed on, and the upstream's connection is closed (item 35)."""

    async def main() -> None:
        script = Waiting(*raw)
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            forwarding = Forwarding(transport, timeout_s=100.0)
            task = own_task(forwarding(http_scope(), Client()))
            await script.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await script.gone.wait()
            assert transport.pool().slots == 0
            assert forwarding.observer.names == []

    run(main())


@pytest.mark.item(35)
def test_cancellation_from_outside_and_inside(run: Run) -> None:
    """When both come in the same turn of the loop the outer one is not swallowed."""

    async def main() -> None:
        script = Waiting()
        async with Upstream(script) as upstream:
            client = Client()
            task = own_task(Forwarding(upstream.transport())(http_scope(), client))
            await script.asked.wait()
            client.gone.set()
            while not task.cancelling():
                await turns(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelling() == 1

    run(main())


@pytest.mark.item(35)
def test_timeout_around_the_call(run: Run) -> None:
    """asyncio.timeout around a call works as ever."""

    async def main() -> None:
        script = Waiting()
        async with Upstream(script) as upstream:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await Forwarding(upstream.transport())(http_scope(), Client())
            await script.gone.wait()

    run(main())


# -- servers and middleware that misbehave -------------------------------------------------------------


def slow(outcome: asyncio.Event) -> FakeTransport:
    """Return a transport that answers when it may."""

    async def answer(_: UpstreamRequest) -> Answer:
        await outcome.wait()
        return Answer.text("late")

    return FakeTransport(answer)


async def with_receive(receive: Callable[[], Awaitable[Message]], go: asyncio.Event) -> Client:
    """Forward a request whose `receive` is somebody's own."""
    forwarding, client = Forwarding(slow(go)), Client()
    client.receive = receive  # type: ignore[method-assign,assignment]
    await forwarding(http_scope(), client)
    return client


def test_receive_that_never_waits() -> None:
    """A `receive` that brings empty messages without end does not keep the event loop busy."""

    async def main() -> None:
        go, calls = asyncio.Event(), 0

        async def receive() -> Message:
            nonlocal calls
            calls += 1
            return piece(b"")

        task = asyncio.create_task(with_receive(receive, go))
        await turns(50)
        assert calls < 20
        go.set()
        assert (await task).body == b"late"

    asyncio.run(main())


@pytest.mark.item(35)
def test_receive_that_resists_cancellation() -> None:
    """A `receive` that turns its cancellation into a disconnect does not harm an answer that is complete."""

    async def main() -> None:
        go = asyncio.Event()

        async def receive() -> Message:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        task = asyncio.create_task(with_receive(receive, go))
        await turns()
        go.set()
        client = await task
        assert client.is_complete
        assert task.cancelling() == 0

    asyncio.run(main())


@pytest.mark.item(35)
def test_receive_that_resists_cancellation_under_a_failure() -> None:
    """The same under a failure: it is answered as what it is."""

    async def main() -> None:
        go = asyncio.Event()

        async def receive() -> Message:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def fail(_: UpstreamRequest) -> Answer:
            await go.wait()
            raise errors.ConnectError("no")

        forwarding, client = Forwarding(FakeTransport(fail)), Client()
        client.receive = receive  # type: ignore[method-assign]
        task = own_task(forwarding(http_scope(), client))
        await turns()
        go.set()
        assert await task == 0
        assert client.status == 502

    asyncio.run(main())


@pytest.mark.item(32)
def test_transport_that_tells_of_its_wait_twice() -> None:
    """However often a transport says that it takes a while, one task watches the client."""

    async def answer(request: UpstreamRequest) -> Answer:
        for _ in range(3):
            assert request.on_wait is not None
            request.on_wait()
        await turns()
        return Answer.text("late")

    async def main() -> None:
        client = await Forwarding(FakeTransport(answer)).answer(http_scope())
        assert (client.body, client.receives) == (b"late", 2)

    asyncio.run(main())


def test_quick_answers_watch_nobody(run: Run) -> None:
    """An answer that is there at once does not call `receive` at all."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            forwarding = Forwarding(upstream.transport())
            await forwarding.answer(http_scope())
            for _ in range(3):
                assert (await forwarding.answer(http_scope())).receives == 0

    run(main())
