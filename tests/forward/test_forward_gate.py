"""The breaker of an upstream, as its routes use it (item 41)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from forst_asgi import errors
from forst_asgi.events import BreakerClosed, BreakerOpened, RequestFellBack
from forst_asgi.forward import Gate
from forst_asgi.messages import UpstreamRequest
from forst_asgi.resilience import Breaker, BreakerPolicy
from forst_asgi.testing import Answer, FakeTransport, RecordingObserver
from tests.forward.calls import Client, Forwarding, http_scope, piece
from tests.forward.falling import CHUNKED, Fallible, whole
from tests.transport.upstream import OK, Peer, Run, Upstream, answering, turns

SHUT = BreakerPolicy(threshold=3, pause_s=1000.0)
"""Opens after three failures, and does not let a probe through for the length of a test."""

EAGER = BreakerPolicy(threshold=1, pause_s=0.0)
"""Opens after one failure, and lets a probe through at once."""

TRIPPING = [
    errors.ConnectError("no"),
    errors.ConnectTimeout("no"),
    errors.WriteError("no"),
    errors.HeadError("no"),
    errors.ProtocolError("no"),
]
TELLING_NOTHING = [
    errors.FirstByteTimeout("no"),
    errors.WriteTimeout("no"),
    errors.PoolFull("no"),
    errors.PoolTimeout("no"),
    errors.SidecarNotReady("no"),
    errors.TransportClosed("no"),
    errors.DeadlineExceeded("no"),
    errors.BodyTooLarge("no"),
]


class Guarded(Forwarding):
    """A forwarder whose breaker has a policy of its own.

    Attributes:
        gate: its gate.
    """

    def __init__(self, transport: Any, breaker: BreakerPolicy, **policy: Any) -> None:
        self.gate = Gate("sidecar", RecordingObserver(), Breaker(breaker))
        super().__init__(transport, gate=self.gate, **policy)

    @property
    def state(self) -> str:
        """Whether requests pass."""
        return self.gate.breaker.state.value

    async def statuses(self, count: int, **scope: Any) -> list[int]:
        """Forward requests one after the other; return what each was answered."""
        return [(await self.answer(http_scope(**scope))).status for _ in range(count)]


def half_open(transport: Any, **policy: Any) -> Guarded:
    """Return a forwarder whose next request is the probe."""
    guarded = Guarded(transport, EAGER, **policy)
    guarded.gate.fail(errors.ConnectError("no"))
    assert guarded.state == "open"
    return guarded


# -- open -------------------------------------------------------------------------------------------------


@pytest.mark.item(41)
@pytest.mark.parametrize("error", TRIPPING, ids=repr)
def test_an_upstream_that_cannot_be_reached_is_not_asked(error: Exception) -> None:
    """After some failures in a row requests get a 503 that says when to come again; nothing is sent."""

    async def main() -> None:
        transport = FakeTransport(lambda _: error)
        guarded = Guarded(transport, SHUT)
        # On a connection that was made, a failure counts a tenth.
        count = 3 if isinstance(error, errors.ConnectError | errors.ConnectTimeout) else 30
        failed = await guarded.statuses(count)
        assert 503 not in failed
        client = await guarded.answer(http_scope())
        assert client.status == 503
        assert dict(client.headers)[b"retry-after"] == b"1"
        assert b'"breaker-open"' in client.body
        assert await guarded.statuses(5) == [503] * 5
        assert len(transport.requests) == count
        assert guarded.observer.names == ["forst.request.failed"] * (count + 6)

    asyncio.run(main())


@pytest.mark.item(41)
@pytest.mark.parametrize("error", TELLING_NOTHING, ids=repr)
def test_an_upstream_that_is_slow_or_busy_is_asked_all_the_same(error: Exception) -> None:
    """Only what says that it cannot be reached counts."""

    async def main() -> None:
        transport = FakeTransport(lambda _: error)
        guarded = Guarded(transport, SHUT)
        await guarded.statuses(9)
        assert len(transport.requests) == 9
        assert guarded.state == "closed"

    asyncio.run(main())


@pytest.mark.item(41)
@pytest.mark.parametrize("status", [200, 404, 500, 502, 503, 504])
def test_whatever_it_answers_is_an_answer(status: int) -> None:
    """The upstream's own failures do not count; each answer begins the count anew."""

    async def main() -> None:
        outcomes: list[Answer | Exception] = [
            errors.ConnectError("no"),
            errors.HeadError("no"),
            Answer(status),
        ]
        guarded = Guarded(FakeTransport(outcomes * 5), SHUT)
        assert await guarded.statuses(15) == [502, 502, status] * 5
        assert guarded.state == "closed"

    asyncio.run(main())


def test_clients_that_leave_tell_nothing(run: Run) -> None:
    """Whoever gives up says nothing of the upstream."""

    async def main() -> None:
        async with Upstream(Peer.end) as upstream:
            guarded = Guarded(upstream.transport(), BreakerPolicy(threshold=1))
            for _ in range(3):
                client = Client()
                client.gone.set()
                await guarded(http_scope(), client)
            assert guarded.state == "closed"

    run(main())


def test_it_is_told_once_when_it_opens_and_when_it_closes() -> None:
    """The log has one line for each, with the failure that was the last straw."""
    observer = RecordingObserver()
    gate = Gate("sidecar", observer, Breaker(SHUT))
    for _ in range(5):
        gate.fail(errors.ConnectError("refused"))
    (opened,) = observer.events
    assert opened == BreakerOpened("sidecar", "ConnectError: refused")
    assert repr(gate) == "<Gate of 'sidecar' <Breaker open failures=5>>"
    gate.reset()
    assert observer.events[1:] == [BreakerClosed("sidecar")]
    assert gate.breaker.is_closed


def test_another_process_has_a_clean_slate_without_a_word() -> None:
    """A breaker that was not open is reset, and nobody is told; failures before do not count."""
    observer = RecordingObserver()
    gate = Gate("sidecar", observer, Breaker(BreakerPolicy(threshold=2)))
    for _ in range(3):
        gate.fail(errors.ConnectError("refused"))
        gate.reset()
    assert observer.events == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", [[], [CHUNKED]])
def test_the_app_answers_while_it_is_open(method: str, headers: list[Any]) -> None:
    """Nothing is sent, so any request may fall back, with its body untouched."""

    async def main() -> None:
        gate = Gate("sidecar", RecordingObserver(), Breaker(SHUT))
        for _ in range(3):
            gate.fail(errors.ConnectError("no"))
        fallible = Fallible(gate=gate)
        messages = [piece(b"a", more=True), piece(b"b")] if headers else [piece(b"")]
        client = Client(*messages)
        receive = await fallible.receive_of(http_scope(*headers, method=method), client)
        assert await whole(receive, client) == messages
        assert fallible.fake.requests == []

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 1000])
def test_being_refused_is_no_failure_of_the_upstreams(count: int) -> None:
    """However many ask while it is open, the pause does not grow by that."""
    gate = Gate("sidecar", RecordingObserver(), Breaker(BreakerPolicy(threshold=1, pause_s=1000.0)))
    gate.fail(errors.ConnectError("no"))
    before = repr(gate)
    for _ in range(count):
        with pytest.raises(errors.BreakerOpen) as refused:
            gate.admit()
        gate.fail(refused.value)
    assert repr(gate) == before


# -- half open --------------------------------------------------------------------------------------------


@pytest.mark.item(41)
def test_one_request_finds_out_and_the_others_do_not_wait(run: Run) -> None:
    """While the probe is on its way the others get their 503 at once; its answer lets everybody pass."""

    async def main() -> None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            asked.set()
            await go.wait()
            await peer.send(OK)
            await answering(OK)(peer)

        async with Upstream(script) as upstream:
            guarded = half_open(upstream.transport())
            probe = asyncio.create_task(guarded.answer(http_scope()))
            await asked.wait()
            assert guarded.state == "half_open"
            assert await guarded.statuses(3) == [503] * 3
            go.set()
            assert (await probe).status == 200
            assert guarded.state == "closed"
            assert await guarded.statuses(3) == [200] * 3
            assert len(upstream.requests) == 4

    run(main())


@pytest.mark.item(41)
def test_a_probe_that_fails_opens_it_again() -> None:
    """The next one comes after another pause."""

    async def main() -> None:
        transport = FakeTransport([errors.ConnectError("no"), Answer.text("back")])
        guarded = half_open(transport)
        assert await guarded.statuses(1) == [502]
        assert guarded.state == "open"
        assert await guarded.statuses(1) == [200]
        assert guarded.state == "closed"

    asyncio.run(main())


async def leave(client: Client, task: "asyncio.Task[None]") -> None:
    """Let the client go away."""
    client.gone.set()
    await task


async def cancel(_: Client, task: "asyncio.Task[None]") -> None:
    """Let the server cancel the call."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def wait(_: Client, task: "asyncio.Task[None]") -> None:
    """Let the deadline pass."""
    await task


@pytest.mark.item(41)
@pytest.mark.parametrize(("end", "timeout_s"), [(leave, None), (cancel, None), (wait, 0.05)])
def test_a_probe_that_was_given_up_lets_the_next_request_be_one(
    run: Run, end: Callable[..., Any], timeout_s: float | None
) -> None:
    """A client that leaves, a server that cancels and a deadline do not keep it shut."""

    async def main() -> None:
        asked = asyncio.Event()

        async def script(peer: Peer) -> None:
            if upstream.connections > 1:
                await answering(OK)(peer)
            await peer.request()
            asked.set()
            await peer.end()

        async with Upstream(script) as upstream:
            guarded = half_open(upstream.transport(), timeout_s=timeout_s)
            client = Client()
            task = asyncio.create_task(guarded(http_scope(), client))
            await asked.wait()
            await end(client, task)
            assert guarded.state == "half_open"
            assert await guarded.statuses(1) == [200]
            assert guarded.state == "closed"

    run(main())


@pytest.mark.parametrize(
    "given",
    [
        {"host": False},
        {"method": "TRACE"},
        {"method": "PUT", "headers": [(b"host", b"h"), (b"content-length", b"9")]},
    ],
)
def test_a_request_that_is_refused_is_no_probe(given: dict[str, Any]) -> None:
    """A probe is a request that may be sent, so the turn is not lost on one that may not."""

    async def main() -> None:
        transport = FakeTransport(lambda _: Answer.text("back"))
        guarded = half_open(transport)
        assert (await guarded.answer(http_scope(**given))).status in (400, 405)
        assert guarded.state == "open"
        assert transport.requests == []

    asyncio.run(main())


def test_a_client_that_is_slow_to_send_does_not_hold_the_probe() -> None:
    """A small body is waited for before its request asks to be let through."""

    async def main() -> None:
        begins = asyncio.Event()
        client = Client(begins, piece(b"abc"))
        guarded = half_open(FakeTransport(lambda _: Answer.text("back")))
        scope = http_scope((b"content-length", b"3"), method="POST")
        task = asyncio.create_task(guarded(scope, client))
        await turns()
        assert guarded.state == "open"
        assert await guarded.statuses(1) == [200]
        begins.set()
        await task
        assert client.status == 200

    asyncio.run(main())


def test_an_answer_to_what_was_asked_before_is_old_news() -> None:
    """A late answer does not close a breaker that has opened meanwhile."""

    async def main() -> None:
        go = asyncio.Event()

        async def answer(_: UpstreamRequest) -> Answer:
            await go.wait()
            return Answer.text("late")

        guarded = Guarded(FakeTransport(answer), SHUT)
        task = asyncio.create_task(guarded.answer(http_scope()))
        await turns()
        for _ in range(3):
            guarded.gate.fail(errors.ConnectError("no"))
        go.set()
        assert (await task).status == 200
        assert guarded.state == "open"

    asyncio.run(main())


def test_nobody_waits_for_a_process_that_starts_where_the_app_can_answer() -> None:
    """With `on_failure = "app"` the app answers at once; without, the request may wait for the process."""

    async def main() -> None:
        gate = Gate("sidecar", RecordingObserver())
        gate.absence = "the sidecar 'sidecar' is starting"
        falling, waiting = Fallible(gate=gate), Forwarding(gate=gate)
        post = http_scope((b"content-length", b"2"), method="POST")
        receive = await falling.receive_of(post, client := Client(piece(b"ab")))
        assert [message["body"] for message in await whole(receive, client)] == [b"ab"]
        assert falling.fake.requests == []
        [told] = falling.observer.events
        assert isinstance(told, RequestFellBack)
        assert told.error == "sidecar-not-ready: the sidecar 'sidecar' is starting"
        assert (await waiting.answer(http_scope())).status == 200
        gate.absence = None
        assert (await falling.answer(http_scope())).status == 200

    asyncio.run(main())
