"""A machine that does to a pool whatever hypothesis thinks of, with a real upstream on a real Unix socket.

Client and upstream share one event loop. A rule does one thing and then lets the loop turn a few times, or
not at all, so that the next rule finds everything in the middle of something. `settle` lets it turn until
nothing moves; only then what the pool counts must be what the upstream sees.

Time stands still unless a rule puts it forward: limits expire without anybody waiting.
"""

import asyncio
import gc
from typing import Any, ClassVar

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from forst_asgi.errors import ClientDisconnected
from tests.transport.conftest import count_fds
from tests.transport.pool_world import LARGE, LIMITS, Ask, Feed, StillLoop, Visit, World, chosen
from tests.transport.upstream import OK, Run, Upstream, answering, asking, fetch, turns

UNTIL_STILL = -1
ANSWERS = st.sampled_from(["length", "chunked", "close", "eof", "204", "304", "unasked"])
WHICH = st.integers(0, 63)
JUNK = [b"junk\r\n\r\n", b"HTTP/1.1 101 S\r\n\r\n", b"HTTP/1.1 200 OK\r\na\0b\r\n\r\n"]
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
TURNS = st.sampled_from([0, 0, 1, 2, 3, 5, 8, UNTIL_STILL, UNTIL_STILL])


class PoolMachine(RuleBasedStateMachine):
    """Requests, answers, deaths, cancellations and time, in any order."""

    factory: ClassVar[Any] = staticmethod(StillLoop)

    def __init__(self) -> None:
        super().__init__()
        self.fds = count_fds()
        self.world = World(self.factory())

    def _go_on(self, turns_left: int) -> None:
        """Let the loop turn so many times, or settle."""
        if turns_left == UNTIL_STILL:
            self.settle()
        else:
            self.world.run(turns(turns_left))

    # -- rules: the client -------------------------------------------------------------------------

    @rule(
        kinds=st.lists(st.sampled_from(["GET", "HEAD", "POST", "stream"]), min_size=1, max_size=4),
        reads=st.booleans(),
        after=TURNS,
    )
    def ask(self, kinds: list[str], after: int, *, reads: bool) -> None:
        for kind in kinds:
            self._ask(kind, reads=reads)
        self._go_on(after)

    def _ask(self, kind: str, *, reads: bool, delay: int = 0) -> None:
        world = self.world
        body = b"body" if kind == "POST" else Feed() if kind == "stream" else None
        ask = Ask(b"%d" % len(world.asks), b"POST" if kind == "stream" else kind.encode(), body)
        ask.may_fail = world.is_stale or world.refusals > 0 or len(world.unserved()) >= LIMITS.max_pending
        ask.delay = delay
        if reads:
            ask.gate.set()
        ask.task = world.loop.create_task(world.fetch(ask))
        world.asks.append(ask)

    @rule(
        kinds=st.lists(st.tuples(st.sampled_from(["GET", "HEAD", "POST"]), ANSWERS), min_size=1, max_size=3),
        after=TURNS,
    )
    def exchange(self, kinds: list[tuple[str, str]], after: int) -> None:
        """Ask and answer one after the other, which is what leaves idle connections behind."""
        for kind, answer in kinds:
            self._ask(kind, reads=True)
            self.world.run(self.world.settled())
            for visit in self.world.busy():
                if visit.id == self.world.asks[-1].id:
                    self.world.begin(visit, answer, 10)
                    self.world.go_on(visit)
            self.world.run(self.world.settled())
        self._go_on(after)

    @precondition(lambda self: self._feeds())
    @rule(which=WHICH, piece=st.sampled_from([b"x", b"x" * LARGE, b"", b"", None]), after=TURNS)
    def feed(self, which: int, piece: bytes | None, after: int) -> None:
        ask, feed = chosen(self._feeds(), which)
        if piece is None:
            self.world.excuse(ask)
        feed.put(ClientDisconnected("gone") if piece is None else piece)
        self._go_on(after)

    def _feeds(self) -> list[tuple[Ask, Feed]]:
        return [
            (ask, ask.body)
            for ask in self.world.running()
            if isinstance(ask.body, Feed) and not ask.body.is_over
        ]

    @precondition(lambda self: self.world.running())
    @rule(which=WHICH, after=TURNS)
    def cancel(self, which: int, after: int) -> None:
        self.world.run(self.world.cancel(chosen(self.world.running(), which), 0))
        self._go_on(after)

    @precondition(lambda self: self._unbegun())
    @rule(which=WHICH, whom=WHICH, turn=st.integers(0, 4), delay=st.integers(0, 5), after=TURNS)
    def answer_and_cancel(self, which: int, whom: int, turn: int, delay: int, after: int) -> None:
        """Answer one request, cancel one just then or just before, and have another sent at that time."""
        visit = chosen(self._unbegun(), which)
        self._ask("GET", reads=True, delay=delay)
        self.world.begin(visit, "length", 10)
        self.world.go_on(visit)
        if running := self.world.running():
            self.world.run(self.world.cancel(chosen(running, whom), turn))
        self._go_on(after)

    @precondition(lambda self: any(not ask.gate.is_set() for ask in self.world.running()))
    @rule(which=WHICH, after=TURNS)
    def read(self, which: int, after: int) -> None:
        chosen([ask for ask in self.world.running() if not ask.gate.is_set()], which).gate.set()
        self._go_on(after)

    # -- rules: the upstream -----------------------------------------------------------------------

    @precondition(lambda self: self.world.busy())
    @rule(
        which=WHICH,
        kind=ANSWERS,
        size=st.sampled_from([0, 10, LARGE]),
        interim=st.booleans(),
        pieces=st.integers(1, 4),
        after=TURNS,
    )
    def answer(self, which: int, kind: str, size: int, pieces: int, after: int, *, interim: bool) -> None:
        visit = chosen(self.world.busy(), which)
        if visit.rest is None:
            if interim:
                self.world.write(visit.peer, INTERIM)
            self.world.begin(visit, kind, size)
        for left in range(pieces - 1, 0, -1):
            self.world.go_on(visit, len(visit.rest or b"") // (left + 1))
            self.world.run(turns(2))
        self.world.go_on(visit)
        self._go_on(after)

    @precondition(lambda self: self._unbegun())
    @rule(which=WHICH, size=st.sampled_from([10, LARGE]), cut=st.integers(1, 60), after=TURNS)
    def begin_answer(self, which: int, size: int, cut: int, after: int) -> None:
        visit = chosen(self._unbegun(), which)
        self.world.begin(visit, "length", size)
        self.world.go_on(visit, cut)
        self._go_on(after)

    def _unbegun(self) -> list[Visit]:
        return [visit for visit in self.world.busy() if visit.rest is None]

    @precondition(lambda self: self.world.busy())
    @rule(which=WHICH, how=st.sampled_from(["close", "close", "reset", *JUNK]), after=TURNS)
    def spoil(self, which: int, how: str | bytes, after: int) -> None:
        visit = chosen(self.world.busy(), which)
        self.world.expected.pop(visit.id, None)
        self.world.excuse_visit(visit)
        visit.is_answered = True
        if isinstance(how, bytes) and visit.rest is None:
            self.world.write(visit.peer, how)
        else:  # in the middle of a body, junk would be a part of it
            self.world.hang_up(visit.peer, "close" if isinstance(how, bytes) else how)
        self._go_on(after)

    @precondition(lambda self: self.world.idle())
    @rule(which=WHICH, what=st.sampled_from(["close", "reset", OK, b"H", b"\r\n"]), after=TURNS)
    def disturb_idle(self, which: int, what: str | bytes, after: int) -> None:
        peer = chosen(self.world.idle(), which)
        if what is OK and self.world.unserved():
            return  # one of these requests may be on its way over this very connection
        self.world.excuse(*self.world.unserved())
        self.world.is_stale = True
        if isinstance(what, str):
            self.world.hang_up(peer, what)
        else:
            self.world.write(peer, what)
        self._go_on(after)

    # -- rules: everything else --------------------------------------------------------------------

    @rule(what=st.sampled_from(["purge", "refuse", 3.0, 5.0, 7.0, 11.0]), after=TURNS)
    def interfere(self, what: str | float, after: int) -> None:
        """Purge the pool, refuse its next connection, or put time forward by so many seconds."""
        if what == "purge":
            self.world.pool.purge()
        elif what == "refuse":
            self.world.refusals = 1
            self.world.excuse(*self.world.unserved())
        elif isinstance(what, float) and isinstance(self.world.loop, StillLoop):
            self.world.excuse(*self.world.running())
            self.world.is_stale = True
            self.world.loop.now_s += what
            after = after or 2
        self._go_on(after)

    @rule()
    def settle(self) -> None:
        self.world.run(self.world.settled())
        self.world.is_stale = False
        self.world.refusals = 0
        for ask in self.world.asks:
            self.world.check_outcome(ask)
        self.world.check_counts()

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.world.violations == []
        assert self.world.complaints == []
        assert self.world.pool.slots <= LIMITS.max_connections
        assert self.world.pool.idle <= len(self.world.pool._open)
        assert len(self.world.pool._waiting) <= LIMITS.max_pending

    def teardown(self) -> None:
        try:
            self.world.run(self.world.close())
            assert self.world.pool.slots == len(self.world.pool._waiting) == self.world.pool.idle == 0
            for ask in self.world.asks:
                self.world.excuse(ask)
                assert not ask.is_running
                self.world.check_outcome(ask)
            assert asyncio.all_tasks(self.world.loop) == set()
        finally:
            self.world.loop.close()
        self.nothing_is_wrong()
        del self.world.pool, self.world.transport, self.world.upstream
        self.world.visits.clear()
        self.world.asks.clear()
        if count_fds() != self.fds:  # pragma: no cover - what a reference cycle holds is no leak
            gc.collect()
        assert count_fds() == self.fds


class UvloopMachine(PoolMachine):
    """The same over uvloop, whose clock cannot be put forward."""

    factory = staticmethod(uvloop.new_event_loop)


@pytest.mark.slow
@pytest.mark.item(18, 25, 27, 35, 38, 39)
@pytest.mark.parametrize("machine", [PoolMachine, UvloopMachine])
def test_whatever_happens_to_the_pool(machine: type[PoolMachine], warm: None) -> None:
    """No connection serves two requests, every answer is its request's, counts are true, nothing is left."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=50,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.item(35)
def test_who_is_cancelled_as_the_answer_comes_leaves_the_connection_to_the_next(run: Run) -> None:
    """A connection that was released and taken by another is not closed by the one who had it before."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            transport = upstream.transport()
            first = asyncio.create_task(fetch(transport))
            while transport.pool().idle == 0:
                await turns(1)
            first.cancel()  # the answer is there, and nobody told the task yet
            async with asyncio.timeout(2):
                second = await transport.send(asking())
            assert second.status == 200
            await asyncio.wait([first])
            assert upstream.connections == 1

    run(main())
