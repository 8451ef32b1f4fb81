"""Keeps one sidecar running: the policy says what is next, this does it.

One task owns all of it, so nothing happens at the same time as anything else. The exceptions end by
themselves: processes that were replaced, and drain.

A swap (`restart`) moves traffic without a gap:

    start the new one  ->  it is ready  ->  its socket becomes the address  ->  every worker has let go of its
    connections to the old one  ->  a moment for what is on its way  ->  SIGTERM to the old one, which drains

If the new one does not become ready, the old one goes on as if nothing had been.
"""

import asyncio
import contextlib
import math
import os
import random
from dataclasses import replace
from typing import Any

from forst_asgi.errors import SidecarError
from forst_asgi.events import (
    SidecarDelayed,
    SidecarFailed,
    SidecarHung,
    SidecarRecovered,
    SidecarReplaced,
    SidecarUnready,
    milliseconds,
)
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.child import KILL_TIMEOUT_S, outlast
from forst_asgi.supervisor.life import RECHECK_S, Care, Life
from forst_asgi.supervisor.lives import Lives
from forst_asgi.supervisor.policy import Course, Signal, State, is_hung, step
from forst_asgi.supervisor.seats import Seats
from forst_asgi.supervisor.sidecar import describe_exit
from forst_asgi.supervisor.spec import SidecarSpec
from forst_asgi.supervisor.standing import Audience, Standing
from forst_asgi.supervisor.unforeseen import STUMBLE_S, told
from forst_asgi.supervisor.wish import Wish

LINGER_S = 0.1
"""How long the old process still serves after all workers have turned to the new one: a connection that was
made just before has to be accepted, and its request read."""


class Keeper:
    """Keeps one sidecar running.

    Args:
        spec: what to run.
        care: how it is looked after.
        seats: where processes listen.
        observer: told what happens.
        audience: told where it stands.

    Attributes:
        standing: where the sidecar stands.
    """

    def __init__(
        self, spec: SidecarSpec, care: Care, seats: Seats, observer: Observer, audience: Audience
    ) -> None:
        self._spec = spec
        self._care = care
        self._seats = seats
        self._observer = observer
        self._audience = audience
        self.standing = Standing(secret=spec.secret, leader=os.getpid())
        self._course = Course()
        self._earlier: set[str] = set()
        self._is_shared = False
        self._life: Life | None = None
        self._wish = Wish()
        self._lives = Lives(spec.name, observer)
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = None

    def __repr__(self) -> str:
        return f"<Keeper {self._spec.name!r} {self._course.state.value} {self._life!r}>"

    async def start(self) -> None:
        """Start the first process, return when it is ready, and keep it running from then on.

        Raises:
            SidecarError: it did not become ready; nothing is left of it.
        """
        self._step(Signal.START)
        self._install(await self._launch(is_swap=False))
        self._step(Signal.ANSWERED)
        self._task = asyncio.create_task(self._keep())

    def stand_by(self, problem: str) -> None:
        """Run nothing, because there is nothing to run or it did not start; `restart` tries again.

        Args:
            problem: why.
        """
        self._course = Course(State.FAILED, due_at=math.inf)
        self._tell(problem=problem)
        self._task = asyncio.create_task(self._keep())

    def take_over(self, last: Standing, *, is_alive: bool) -> None:
        """Keep a sidecar running that another leader has kept; the first start may fail like any other.

        Args:
            last: where it stood.
            is_alive: whether that leader's process goes on until ours is ready.
        """
        self.standing = replace(self.standing, generation=last.generation)
        self._earlier = {last.nonce}
        self._is_shared = is_alive
        self._step(Signal.START)
        self._task = asyncio.create_task(self._keep())

    async def restart(self) -> None:
        """Replace the process by a new one (see above); start one if there is none.

        Raises:
            SidecarError: the new one did not become ready, and the old one goes on, where the two could run
                at the same time; or nobody looks after it any more.
        """
        if self._task is None or self._task.done():
            raise self._error(f"is {self.standing.state_text}")
        await self._wish.make()

    def note_build(self, problem: str | None) -> None:
        """Keep why the last build of the program failed, None if it did not."""
        self._tell(build_problem=problem)

    async def aclose(self) -> None:
        """Stop the process and those that still drain, and let go of the address; idempotent.

        A cancellation leaves nobody behind: all are killed at once, and it goes on when that is done.
        """
        try:
            if self._task is not None and not self._task.done():
                self._task.cancel()
                await outlast(self._task, KILL_TIMEOUT_S + self._spec.stop_timeout_s)
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            await self._wind_up()

    def kill(self) -> None:
        """Kill the process and those that still drain; idempotent."""
        self._lives.kill()

    async def _wind_up(self) -> None:
        self._wish.take()
        self._wish.answer(self._error("is being stopped"))
        if self._course.state not in {State.STOPPED, State.DRAINING}:
            self._step(Signal.STOP)
        self._life = None
        self._lives.retire_all_but(None)
        try:
            await self._lives.gone()
        finally:
            if self._course.state is State.DRAINING:
                self._step(Signal.ENDED)
            self._seats.close()

    def move(self) -> None:
        """Go on in the running loop, only to be closed there: the one before is closed."""
        self._task = None
        self._wish = Wish()
        self._lives.move()

    def abandon(self) -> None:
        """Let go of the lifelines in a forked process, so that it does not keep the sidecar alive."""
        self._lives.cut()

    # -- what the task does, by state --------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception as error:  # noqa: BLE001 - nobody else would start the next process
                self._stumble(error)
                await asyncio.sleep(STUMBLE_S)
            else:
                self._trouble = None

    async def _turn(self) -> None:
        match self._course.state:
            case State.STARTING:
                await self._start_next()
            case State.BACKING_OFF | State.FAILED:
                await self._pause()
            case _:
                await self._watch()

    def _stumble(self, error: Exception) -> None:
        """Tell what was not foreseen, once, and make our notes fit what is there: a process, or none."""
        failure = self._error(f"looking after it failed, and goes on: {told(error)}")
        problem = str(failure)
        if problem != self._trouble:
            self._observer.observe(SidecarFailed(problem))
        self._trouble = problem
        self._wish.take()
        self._wish.answer(failure)
        self._lives.retire_all_but(self._life)
        self.standing = replace(self.standing, problem=problem)
        if self._life is None and self._course.state not in {State.BACKING_OFF, State.FAILED}:
            self._course = replace(self._course, state=State.STARTING)
            self._course = step(self._course, Signal.ENDED, self._now(), rules=self._care.rules)
        with contextlib.suppress(Exception):  # it may be the very thing that failed
            self._tell()

    async def _start_next(self) -> None:
        try:
            life = await self._launch(is_swap=self._is_shared)
            self._install(life)
        except SidecarError as error:
            self._wish.answer(error)
            self._ended(str(error))
            return
        self._step(Signal.ANSWERED)
        self._wish.answer()

    async def _pause(self) -> None:
        """Wait until the next start is due, if there is to be one, or somebody wishes for it."""
        pause_s = max(0.0, self._course.due_at - self._now())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s if math.isfinite(pause_s) else None):
                await self._wish.made()
        if self._wish.take():
            self._step(Signal.START)
        else:
            self._step(Signal.DUE)

    async def _watch(self) -> None:
        """Wait until the process ends, a new one is wished for, or it is time to ask; and see to that."""
        life = self._life
        if life is None:
            raise AssertionError("unreachable: there is no process to watch")
        await self._until_something(life)
        if life.sidecar.exited.done():
            self._lose(life, f"the process ended with {describe_exit(life.sidecar.exited.result())}")
        elif self._wish.take():
            await (self._swap(life) if self._seats.overlaps else self._stop_first(life))
        else:
            await self._check(life)

    async def _until_something(self, life: Life) -> None:
        interval_s = RECHECK_S if self._course.silences else self._care.interval_s
        wish: asyncio.Future[Any] = asyncio.ensure_future(self._wish.made())
        exited: asyncio.Future[Any] = life.sidecar.exited
        try:
            await asyncio.wait(
                {exited, wish},
                timeout=interval_s or None,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            wish.cancel()

    async def _swap(self, old: Life) -> None:
        began = self._now()
        was = old.sidecar.pid or 0
        try:
            life = await self._launch(is_swap=True)
            self._install(life)
        except SidecarError as error:
            self._tell(problem=str(error))
            self._wish.answer(error)
            return
        self._lives.retire(old, self._let_go)
        self._course = Course()
        self._step(Signal.START, Signal.ANSWERED)
        self._observer.observe(
            SidecarReplaced(self._spec.name, life.sidecar.pid or 0, was, milliseconds(self._now() - began))
        )
        self._wish.answer()

    async def _stop_first(self, life: Life) -> None:
        """Stop the process so that another can have its address; the next turn starts that."""
        self._step(Signal.STOP)
        self._life = None
        await life.sidecar.aclose()
        self._lives.discard(life)
        self._step(Signal.ENDED, Signal.START)

    async def _check(self, life: Life) -> None:
        seen = await life.check(self._seats.public)
        if seen is None or life.sidecar.exited.done():
            return
        signal, problem = seen
        if signal is Signal.SILENT and self._seats.is_lost:
            return  # it may be well, but nobody can reach it; see `upkeep`
        before = self._course.state
        self._step(signal)
        self._report(before, life.sidecar.pid or 0, problem)
        if is_hung(self._course, self._care.rules):
            self._observer.observe(SidecarHung(self._spec.name, life.sidecar.pid or 0, problem))
            life.sidecar.kill()
            await asyncio.wait({life.sidecar.exited}, timeout=KILL_TIMEOUT_S)
            if not life.sidecar.exited.done():
                self._lose(life, f"process {life.sidecar.pid} hangs, and does not end even by SIGKILL")

    # -- parts of it -------------------------------------------------------------------------------

    async def _launch(self, *, is_swap: bool) -> Life:
        """Return a process that is ready, not yet at the public address."""
        try:
            seat = self._seats.take(is_swap=is_swap)
        except OSError as error:
            raise self._error(f"cannot listen on {self._seats.public}: {error}") from error
        life = Life(self._spec, self._care, seat, self._observer, frozenset(self._earlier))
        self._lives.add(life)
        try:
            self._tell(starts=self.standing.starts + 1)
            await life.sidecar.start()
        except BaseException:
            self._lives.discard(life)
            self._seats.give_up(seat)
            raise
        return life

    def _install(self, life: Life) -> None:
        """Lead requests to a process that is ready; the caller tells of it.

        Raises:
            SidecarError: they cannot be; it is stopped then.
        """
        try:
            self._seats.publish(life.seat, life.place or life.seat.places[-1])
        except OSError as error:
            self._lives.retire(life)
            self._seats.give_up(life.seat)
            raise self._error(f"cannot be led to {self._seats.public}: {error}") from error
        self._life = life
        self._is_shared = False
        self._earlier = {life.nonce}  # of the next one
        self.standing = replace(
            self.standing,
            generation=self.standing.generation + 1,
            build=life.build,
            nonce=life.nonce,
            inode=self._seats.inode,
            problem=None,
        )

    def _lose(self, life: Life, problem: str) -> None:
        self._life = None
        self._lives.retire(life)
        self._ended(problem)

    def _ended(self, problem: str) -> None:
        self.standing = replace(self.standing, problem=problem)
        now = self._now()
        self._course = step(self._course, Signal.ENDED, now, random.random(), self._care.rules)  # noqa: S311
        pause_s = self._course.due_at - now
        if self._course.state is State.FAILED:
            self._seats.close()  # who waits there would wait in vain
            times = f"ended {self._course.failures} times in a row; the next start is in {pause_s:.0f} s"
            self._observer.observe(SidecarFailed(f"{problem}; {times}"))
        elif pause_s > 0:
            event = SidecarDelayed(self._spec.name, self._course.failures, milliseconds(pause_s), problem)
            self._observer.observe(event)
        else:
            self._step(Signal.DUE)
            return
        self._tell()

    def _report(self, before: State, pid: int, problem: str) -> None:
        after = self._course.state
        if before is State.READY and after is State.UNREADY:
            self._observer.observe(SidecarUnready(self._spec.name, pid, problem))
        elif before is State.UNREADY and after is State.READY:
            self._observer.observe(SidecarRecovered(self._spec.name, pid))

    async def _let_go(self) -> None:
        """Return when nobody sends anything to earlier processes any more."""
        await self._audience.heard(self.standing.generation)
        await asyncio.sleep(LINGER_S)

    def _step(self, *signals: Signal) -> None:
        for signal in signals:
            self._course = step(self._course, signal, self._now(), rules=self._care.rules)
        self._tell()

    def _tell(self, **changes: Any) -> None:
        pid = None if self._life is None else self._life.sidecar.pid
        holds = self._seats.listener is not None
        standing = replace(self.standing, state=self._course.state, pid=pid, holds=holds, **changes)
        if standing != self.standing:
            self.standing = standing
            self._audience.tell(standing)

    def _error(self, problem: str) -> SidecarError:
        return SidecarError(f"sidecar {self._spec.name!r}: {problem}")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
