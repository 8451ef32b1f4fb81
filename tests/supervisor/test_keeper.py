"""Keeping one sidecar running: crashes, hangs, storms, swaps; with real Go processes."""

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import pytest

from forst_asgi.errors import SidecarError
from forst_asgi.events import (
    Event,
    SidecarDelayed,
    SidecarExited,
    SidecarFailed,
    SidecarHung,
    SidecarRecovered,
    SidecarReplaced,
    SidecarStarted,
    SidecarStopped,
    SidecarUnready,
)
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import Care, Offer, Place, Rules, Sidecar, SidecarSpec, Standing, State
from forst_asgi.supervisor.asking import ask
from forst_asgi.supervisor.keeper import Keeper
from forst_asgi.supervisor.life import Life
from forst_asgi.supervisor.policy import Signal
from forst_asgi.supervisor.seats import Seat, Seats
from tests.children import children

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
E = TypeVar("E", bound=Event)

QUICK = Care(interval_s=0.02, timeout_s=0.1, rules=Rules(stable_s=0.0, first_pause_s=0.01, most_failures=3))
HEALTH = replace(QUICK, ready_path="/health")
UNSTABLE = replace(QUICK, rules=Rules(stable_s=1000.0, first_pause_s=0.01, most_failures=3))


class Ears:
    """An audience that keeps what it is told, and lets a test wait for a state."""

    def __init__(self) -> None:
        self.told: list[Standing] = []
        self.was_asked: list[int] = []
        self.is_deaf = False
        self._changed = asyncio.Event()

    def tell(self, standing: Standing) -> None:
        if self.is_deaf:
            raise RuntimeError("nobody has foreseen this")
        self.told.append(standing)
        self._changed.set()

    async def heard(self, generation: int) -> None:
        self.was_asked.append(generation)

    async def until(self, state: State, generation: int = 0) -> Standing:
        """Return what was told last, as soon as it is that state, of that generation or a later one."""
        async with asyncio.timeout(20):
            while not self.told or self.told[-1].state is not state or self.told[-1].generation < generation:
                self._changed.clear()
                await self._changed.wait()
        return self.told[-1]


class Kept:
    """A keeper with everything that it needs."""

    def __init__(self, spec: SidecarSpec, care: Care, seats: Seats, observer: Observer) -> None:
        self.ears = Ears()
        self.seats = seats
        self.keeper = Keeper(spec, care, seats, observer, self.ears)

    @property
    def pid(self) -> int:
        """The process that runs."""
        pid = self.keeper.standing.pid
        assert pid is not None
        return pid

    async def answer(self) -> int:
        """Return the status of an answer at the public address."""
        async with asyncio.timeout(20):
            return (await ask(self.seats.public, "/pid")).status


Keep: TypeAlias = "Callable[..., Any]"


@pytest.fixture
def keep(go_spec: SidecarSpec, folder: Path, observer: Observer) -> Keep:
    """Keep the Go program running, at a private socket unless said otherwise."""

    @asynccontextmanager
    async def keeping(
        care: Care = QUICK, offer: Offer = Offer.BOTH, place: Place | None = None, **changes: Any
    ) -> Any:
        spec = replace(go_spec, env={**go_spec.env, **changes})
        kept = Kept(spec, care, Seats(place or Place(str(folder / "s.sock")), folder, offer), observer)
        await kept.keeper.start()
        try:
            yield kept
        finally:
            await kept.keeper.aclose()
            assert kept.keeper.standing.state is State.STOPPED

    return keeping


def of(events: list[Event], kind: type[E]) -> list[E]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def test_a_crash_costs_a_moment(run: Run, keep: Keep, events: list[Event]) -> None:
    """A killed process is followed by another at once; a request that comes in between waits for it."""

    async def main() -> None:
        async with keep() as kept:
            before = kept.pid
            assert kept.keeper.standing.takes_requests
            os.kill(before, signal.SIGKILL)
            assert await kept.answer() == 200  # nobody accepts at this moment
            standing = await kept.ears.until(State.READY, 2)
            assert standing.pid != before
            assert standing.problem is None
            assert standing.secret == b"s" * 32
            assert "<Keeper 'quotes' ready" in repr(kept.keeper)
            refused = [told for told in kept.ears.told if told.generation and not told.takes_requests]
            assert [told.state for told in refused] == []

    run(main())
    assert len(of(events, SidecarStarted)) == 2
    assert of(events, SidecarDelayed) == []


def test_a_process_that_is_suspended_is_replaced(run: Run, keep: Keep, events: list[Event]) -> None:
    """SIGSTOP: killed as soon as that is seen, and followed by another; who comes meanwhile waits."""

    async def main() -> None:
        async with keep(replace(QUICK, timeout_s=1000.0)) as kept:
            os.kill(kept.pid, signal.SIGSTOP)
            standing = await kept.ears.until(State.READY, 2)
            assert await kept.answer() == 200
            assert standing.starts == 2
            assert [told for told in kept.ears.told if told.generation and not told.takes_requests] == []

    run(main())
    assert [event.problem for event in of(events, SidecarHung)] == ["is suspended, by SIGSTOP or the like"]
    assert of(events, SidecarUnready) == []


class Blinking:
    """A sidecar that is suspended at the first look only."""

    pid = 1

    def __init__(self) -> None:
        self._looks = iter([True, False])
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def is_suspended(self) -> bool:
        return next(self._looks)


def test_a_process_that_is_suspended_for_a_moment_is_asked(go_spec: SidecarSpec, observer: Observer) -> None:
    """Who was continued before the second look is not taken for hung."""

    async def main() -> None:
        nowhere = Place("/nowhere/s.sock")
        life = Life(go_spec, QUICK, Seat(nowhere, None, (nowhere,)), observer)
        life.sidecar = cast("Sidecar", Blinking())
        found = await life.check(nowhere)
        assert found == (Signal.SILENT, "cannot be asked: No such file or directory")

    asyncio.run(main())


def test_a_process_that_hangs_is_replaced(run: Run, keep: Keep, events: list[Event], folder: Path) -> None:
    """Deaf: unready after the second silence, killed after the third, and followed by another."""

    async def main() -> None:
        async with keep(HEALTH) as kept:
            (folder / "deaf").touch()
            await kept.ears.until(State.UNREADY)
            (folder / "deaf").unlink()
            assert not kept.keeper.standing.takes_requests
            await kept.ears.until(State.READY, 2)
            assert await kept.answer() == 200

    run(main())
    assert len(of(events, SidecarUnready)) == 1
    assert of(events, SidecarHung)[0].problem == "no answer within 0.1 s"
    assert [event.exit_status for event in of(events, SidecarExited)] == [-signal.SIGKILL]


def test_an_end_during_a_question_is_noticed_at_once(
    run: Run, keep: Keep, events: list[Event], folder: Path
) -> None:
    """Nobody waits for the answer of a process that has ended: the next one is started meanwhile."""

    async def main() -> None:
        async with keep(replace(HEALTH, timeout_s=1000.0)) as kept:
            (folder / "deaf").touch()
            while not (folder / "asked").exists():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.005)
            (folder / "deaf").unlink()
            os.kill(kept.pid, signal.SIGKILL)
            await kept.ears.until(State.READY, 2)

    run(main())
    assert of(events, SidecarHung) == []


def test_one_that_says_no_is_left_alone(run: Run, keep: Keep, events: list[Event], folder: Path) -> None:
    """A sidecar whose `ready_path` answers 503 gets no requests, is not killed, and comes back by itself."""

    async def main() -> None:
        async with keep(HEALTH) as kept:
            before = kept.pid
            (folder / "unready").touch()
            await kept.ears.until(State.UNREADY)
            (folder / "unready").unlink()
            await kept.ears.until(State.READY)
            assert kept.pid == before

    run(main())
    assert of(events, SidecarUnready)[0].problem == "answers as not ready"
    assert len(of(events, SidecarRecovered)) == 1


def test_a_storm_ends_in_failed_and_a_person_ends_that(
    run: Run, keep: Keep, events: list[Event], folder: Path
) -> None:
    """Ends in a row are followed by longer pauses, then by none; a restart begins from nothing."""

    async def main() -> None:
        async with keep(UNSTABLE) as kept:
            (folder / "broken").touch()
            os.kill(kept.pid, signal.SIGKILL)
            standing = await kept.ears.until(State.FAILED)
            assert "in a broken mood" in standing.problem
            with pytest.raises(ConnectionRefusedError):
                await kept.answer()
            with pytest.raises(SidecarError, match="exit status 4"):
                await kept.keeper.restart()
            await kept.ears.until(State.FAILED)
            (folder / "broken").unlink()
            await kept.keeper.restart()
            assert await kept.answer() == 200

    run(main())
    assert [event.failures for event in of(events, SidecarDelayed)] == [2, 2]
    assert "ended 3 times in a row; the next start is in " in of(events, SidecarFailed)[0].problem


def test_a_storm_blows_over(run: Run, keep: Keep, events: list[Event], folder: Path) -> None:
    """After FAILED it is tried now and then; nobody waits for that, and once it works all is as before."""

    async def main() -> None:
        async with keep(replace(UNSTABLE, rules=replace(UNSTABLE.rules, retry_s=0.01))) as kept:
            (folder / "broken").touch()
            os.kill(kept.pid, signal.SIGKILL)
            await kept.ears.until(State.FAILED)
            await kept.ears.until(State.STARTING)
            assert not kept.keeper.standing.takes_requests
            await kept.ears.until(State.FAILED)
            (folder / "broken").unlink()
            await kept.ears.until(State.READY, 2)
            assert await kept.answer() == 200

    run(main())
    assert len(of(events, SidecarFailed)) >= 2


def test_a_swap_leads_to_the_new_one_and_lets_the_old_one_finish(
    run: Run, keep: Keep, events: list[Event], folder: Path
) -> None:
    """A request that runs on the old process is answered by it; new ones go to the new one."""

    async def main() -> None:
        async with keep() as kept:
            before = kept.pid
            reader, writer = await asyncio.open_unix_connection(str(folder / "s.sock"))
            writer.write(b"GET /slow?for=300ms HTTP/1.0\r\nhost: x\r\n\r\n")
            await asyncio.gather(kept.keeper.restart(), kept.keeper.restart())
            assert kept.pid != before
            assert (await reader.read()).endswith(f"\r\n\r\n{before}".encode())
            writer.close()
            assert kept.ears.was_asked == [2]

    run(main())
    [replaced] = of(events, SidecarReplaced)
    stopped = {event.pid: event.exit_status for event in of(events, SidecarStopped)}
    assert stopped == {replaced.old_pid: 0, replaced.pid: 0}


def test_a_swap_that_fails_changes_nothing(run: Run, keep: Keep, events: list[Event], folder: Path) -> None:
    """When the new process does not become ready, the error has its last words and the old one goes on."""

    async def main() -> None:
        async with keep() as kept:
            before = kept.pid
            (folder / "broken").touch()
            with pytest.raises(SidecarError, match="in a broken mood"):
                await kept.keeper.restart()
            assert (kept.pid, kept.keeper.standing.state) == (before, State.READY)
            assert "in a broken mood" in kept.keeper.standing.problem
            assert await kept.answer() == 200

    run(main())


def test_a_plain_program_is_swapped_without_a_gap(run: Run, keep: Keep, folder: Path) -> None:
    """One that listens by itself gets a path of its own each time; the public address leads to it."""

    async def main() -> None:
        async with keep(PLAIN="1") as kept:
            before = kept.pid
            assert not kept.keeper.standing.holds
            await kept.keeper.restart()
            assert kept.pid != before
            assert await kept.answer() == 200
            os.kill(kept.pid, signal.SIGKILL)
            await kept.ears.until(State.STARTING)
            assert not kept.keeper.standing.takes_requests
            await kept.ears.until(State.READY, 3)

    run(main())


@pytest.mark.parametrize("offer", [Offer.OWN, Offer.PASS])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_fixed_address(
    run: Run, keep: Keep, folder: Path, free_tcp_port: int, offer: Offer, kind: str
) -> None:
    """At an address of the user's the program listens itself, one after the other, or gets our listener."""
    place = Place(str(folder / "mine.sock")) if kind == "unix" else Place("", "127.0.0.1", free_tcp_port)

    async def main() -> None:
        async with keep(offer=offer, place=place) as kept:
            before = kept.pid
            await kept.keeper.restart()
            assert kept.pid != before
            assert await kept.answer() == 200
            states = {told.state for told in kept.ears.told}
            assert (State.DRAINING in states) == (offer is Offer.OWN)

    run(main())


def test_an_address_that_is_taken_is_refused(run: Run, keep: Keep, folder: Path, free_tcp_port: int) -> None:
    """Whoever squats on the address is not taken for the sidecar, and the error says where."""

    async def refused(offer: Offer, place: Place) -> str:
        with pytest.raises(SidecarError) as caught:
            async with keep(offer=offer, place=place):
                raise AssertionError("unreachable: it does not start")
        return str(caught.value)

    async def main() -> None:
        path = str(folder / "mine.sock")
        squatter = await asyncio.start_unix_server(lambda *_: None, path)
        on_tcp = await asyncio.start_server(lambda *_: None, "127.0.0.1", free_tcp_port)
        async with squatter, on_tcp:
            for place in (Place(path), Place("", "127.0.0.1", free_tcp_port)):
                for offer in (Offer.OWN, Offer.PASS):
                    assert f"somebody else listens on {place} already" in await refused(offer, place)
        (folder / "file").touch()
        assert "is not a socket" in await refused(Offer.OWN, Place(str(folder / "file")))
        nowhere = Place("", "192.0.2.1", free_tcp_port)  # TEST-NET-1 (RFC 5737)
        assert f"cannot listen on {nowhere}" in await refused(Offer.PASS, nowhere)

    run(main())


def test_a_squatter_that_comes_later_gets_no_requests(
    run: Run, keep: Keep, events: list[Event], folder: Path
) -> None:
    """Who puts a socket of theirs in the place of ours is found out by the missing nonce."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nwelcome")
        writer.close()

    async def main() -> None:
        async with keep() as kept:
            async with await asyncio.start_unix_server(answer, str(folder / "theirs")):
                (folder / "theirs").rename(folder / "s.sock")
                await kept.ears.until(State.UNREADY)
            assert kept.keeper.standing.state is State.UNREADY

    run(main())
    assert f"process {os.getpid()} answers there that is not the one" in of(events, SidecarUnready)[0].problem


def test_a_close_ends_every_state(run: Run, keep: Keep, folder: Path) -> None:
    """Asked to stop while it pauses, or while a swap starts, nothing is left; who waits for it is told."""

    async def main() -> None:
        slow = Care(rules=Rules(stable_s=1000.0, first_pause_s=1000.0))
        async with keep(slow) as kept:
            (folder / "broken").touch()
            os.kill(kept.pid, signal.SIGKILL)
            await kept.ears.until(State.BACKING_OFF)
            (folder / "broken").unlink()
            await kept.keeper.restart()
            assert await kept.answer() == 200
            wish = asyncio.create_task(kept.keeper.restart())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await kept.keeper.aclose()
            with pytest.raises(SidecarError, match="is being stopped"):
                await wish

    run(main())


def test_what_nobody_has_foreseen_is_no_end(
    run: Run, keep: Keep, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails in looking after it is told once and tried again; a restart is answered with it."""
    monkeypatch.setattr("forst_asgi.supervisor.keeper.STUMBLE_S", 0.01)

    async def main() -> None:
        async with keep() as kept:
            before = kept.pid
            kept.ears.is_deaf = True
            os.kill(before, signal.SIGKILL)
            for _ in range(2):
                with pytest.raises(SidecarError, match="goes on: RuntimeError: nobody has foreseen this"):
                    await kept.keeper.restart()
            kept.ears.is_deaf = False
            await kept.keeper.restart()
            assert await kept.answer() == 200
            assert kept.pid != before
            kept.ears.is_deaf = True
            with pytest.raises(SidecarError, match="nobody has foreseen this"):
                await kept.keeper.restart()
            kept.ears.is_deaf = False
            assert await kept.answer() == 200

    before = children()
    run(main())
    assert children() <= before
    assert len({event.problem for event in of(events, SidecarFailed)}) == 1
    assert len(of(events, SidecarFailed)) <= 4


def test_one_that_cannot_be_led_to_is_not_kept(run: Run, keep: Keep, folder: Path) -> None:
    """When its socket cannot be put at the address, the restart says why, and the old one goes on."""

    async def main() -> None:
        async with keep(Care(interval_s=0)) as kept:
            before = kept.pid
            (folder / "s.sock").rename(folder / "away")
            (folder / "s.sock").mkdir()
            with pytest.raises(SidecarError, match=r"cannot be led to unix:.*/s\.sock: .*Is a directory"):
                await kept.keeper.restart()
            (folder / "s.sock").rmdir()
            (folder / "away").rename(folder / "s.sock")
            assert kept.pid == before
            assert await kept.answer() == 200

    before = children()
    run(main())
    assert children() <= before


def test_a_restart_of_what_is_stopped_is_refused(run: Run, keep: Keep) -> None:
    """Nobody is left to answer it, so it does not wait."""

    async def main() -> None:
        async with keep() as kept:
            pass
        with pytest.raises(SidecarError, match="is stopped"):
            await kept.keeper.restart()

    run(main())


def test_a_close_between_two_processes(run: Run, keep: Keep, folder: Path) -> None:
    """Asked to stop while a restart has stopped the old process and not started the new one: it stops."""

    async def main() -> None:
        async with keep(offer=Offer.OWN, place=Place(str(folder / "mine.sock"))) as kept:
            os.kill(kept.pid, signal.SIGSTOP)
            wish = asyncio.create_task(kept.keeper.restart())
            await kept.ears.until(State.DRAINING)
            await kept.keeper.aclose()
            with pytest.raises(SidecarError, match="is being stopped"):
                await wish

    run(main())


def test_one_that_cannot_be_killed_is_given_up(
    run: Run, keep: Keep, events: list[Event], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs in the kernel, so that not even SIGKILL ends it, does not hold up the next one."""
    monkeypatch.setattr("forst_asgi.supervisor.keeper.KILL_TIMEOUT_S", 0.01)

    async def main() -> None:
        async with keep(HEALTH) as kept:
            with monkeypatch.context() as patch:
                patch.setattr(Sidecar, "kill", lambda _: None)
                (folder / "deaf").touch()
                await kept.ears.until(State.UNREADY)
                await kept.ears.until(State.STARTING)
                (folder / "deaf").unlink()
            await kept.ears.until(State.READY, 2)
            assert await kept.answer() == 200

    before = children()
    run(main())
    assert children() <= before
    assert len(of(events, SidecarHung)) == 1


def test_what_we_lack_is_not_held_against_it(run: Run, go_spec: SidecarSpec, observer: Observer) -> None:
    """When we have no descriptor left to ask with, nothing is known of the sidecar."""

    async def main() -> None:
        nowhere = Place("/nowhere/s.sock")
        life = Life(go_spec, QUICK, Seat(nowhere, None, (nowhere,)), observer)
        life.sidecar = cast("Sidecar", Blinking())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert await life.check(nowhere) is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    run(main())


def test_a_cancelled_close_kills(run: Run, keep: Keep, events: list[Event]) -> None:
    """Whoever cannot wait for the drain leaves no process behind."""

    async def main() -> None:
        async with keep() as kept:
            os.kill(kept.pid, signal.SIGSTOP)
            kept.keeper._care = Care(interval_s=0)
            closing = asyncio.create_task(kept.keeper.aclose())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert kept.keeper.standing.pid is None

    before = children()
    run(main())
    assert children() <= before


@pytest.mark.slow
def test_a_hundred_crashes_leave_nothing(
    keep: Keep, events: list[Event], count_fds: Callable[[], int]
) -> None:
    """After each of a hundred crashes there are as many descriptors as before, and in the end no zombie."""

    async def main() -> None:
        async with keep(Care(rules=Rules(stable_s=0.0))) as kept:
            counts = set()
            for number in range(100):
                os.kill(kept.pid, signal.SIGKILL)
                await kept.ears.until(State.READY, number + 2)
                while kept.keeper._lives._leaving:  # the ends of the pipes of the last one
                    await kept.keeper._lives.gone()
                counts.add(count_fds())
            assert len(counts) == 1
            assert len(children() - before) == 1

    before = children()
    asyncio.run(main())
    assert children() <= before
    assert len(of(events, SidecarStarted)) == 101


@pytest.fixture
def free_tcp_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
