"""Workers of one host that share a sidecar: who leads, who follows, what happens when one goes."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest

from forst_asgi.errors import SidecarError, SidecarNotReady
from forst_asgi.events import (
    Event,
    FolderRestored,
    SidecarFailed,
    SidecarHung,
    SidecarJoined,
    SidecarStarted,
    SidecarStopped,
)
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import (
    Care,
    HomeKey,
    Offer,
    Place,
    Rules,
    SidecarSpec,
    Standing,
    State,
    Supervisor,
    SupervisorSpec,
    inquire,
)
from forst_asgi.supervisor.asking import ask
from forst_asgi.supervisor.channel import knock
from forst_asgi.supervisor.home import Home, find_homes, move_in
from forst_asgi.supervisor.leader import CONTROL
from forst_asgi.supervisor.upkeep import Upkeep
from tests.children import children

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Hire: TypeAlias = "Callable[..., Worker]"
E = TypeVar("E", bound=Event)

QUICK = Care(interval_s=0.05, timeout_s=0.5, rules=Rules(stable_s=0.0, most_failures=3))


@pytest.fixture
def run() -> Run:
    """Run a coroutine to its end, on the plain loop: what differs between loops is tested below this."""
    return asyncio.run


class Worker:
    """One worker's supervisor, and what it was told."""

    def __init__(self, spec: SupervisorSpec, observer: Observer) -> None:
        self.told: list[Standing] = []
        self.supervisor = Supervisor(spec, observer, self.told.append)

    @property
    def pid(self) -> int:
        """The process, as far as this worker knows."""
        assert self.supervisor.standing.pid is not None
        return self.supervisor.standing.pid

    @property
    def home(self) -> Path:
        """Where the workers meet."""
        assert self.supervisor._home is not None
        return self.supervisor._home.path

    async def answer(self) -> int:
        """Return the status that the sidecar answers with."""
        return (await ask(self.supervisor.where(), "/pid")).status

    async def until(self, fits: Callable[[Supervisor], bool]) -> None:
        """Wait for something to become true; the next message brings it."""
        async with asyncio.timeout(20):
            while not fits(self.supervisor):  # noqa: ASYNC110 - the supervisor tells of most of it, not of all
                await asyncio.sleep(0.005)


@pytest.fixture
def hire(go_spec: SidecarSpec, folder: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch) -> "Hire":
    """Make one more worker of the same server; its home is in `folder`."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

    def hiring(
        care: Care = QUICK, address: Place | None = None, offer: Offer = Offer.BOTH, **changes: Any
    ) -> Worker:
        spec = SupervisorSpec(
            replace(go_spec, **changes), care, HomeKey("/forst.toml", "quotes"), address, offer
        )
        return Worker(spec, observer)

    return hiring


def of(events: list[Event], kind: type[E]) -> list[E]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def test_three_workers_have_one_sidecar(run: Run, hire: Hire, events: list[Event], folder: Path) -> None:
    """The first starts it, the others use it, all share address and secret; the last takes all with it."""

    async def main() -> None:
        one, two, three = hire(), hire(secret=b"other"), hire()
        with pytest.raises(SidecarNotReady, match="is stopped"):
            one.supervisor.where()
        await asyncio.gather(*(each.supervisor.start() for each in (one, two, three)))
        assert one.pid == two.pid == three.pid
        assert one.supervisor.where() == two.supervisor.where() == three.supervisor.where()
        assert one.supervisor.secret == two.supervisor.secret == b"s" * 32
        assert [each.supervisor.is_leader for each in (one, two, three)] == [True, False, False]
        assert "leads" in repr(one.supervisor)
        assert "follows" in repr(two.supervisor)
        assert await two.answer() == 200
        with pytest.raises(SidecarError, match="another worker leads"):
            await two.supervisor.restart()
        for each in (three, two, one):
            await each.supervisor.aclose()
        assert "is apart" in repr(one.supervisor)

    run(main())
    assert len(of(events, SidecarStarted)) == 1
    assert len(of(events, SidecarJoined)) == 2
    assert list(folder.glob("forst-*")) == []


def test_a_restart_reaches_everybody(run: Run, hire: Hire) -> None:
    """All workers hear of the new process before the old one is asked to go."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        before = two.pid
        await one.supervisor.restart()
        await two.until(lambda it: it.standing.generation == 2)
        assert two.pid == one.pid != before
        assert await two.answer() == 200
        await two.supervisor.aclose()
        await one.supervisor.aclose()

    run(main())


def test_the_next_leader_has_a_process_before_the_last_one_goes(run: Run, hire: Hire) -> None:
    """When the leader leaves, requests are answered at every moment until the follower has its own."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        before = two.pid
        leaving = asyncio.create_task(one.supervisor.aclose())
        while not leaving.done():
            assert await two.answer() == 200
        await leaving
        assert two.supervisor.is_leader
        assert two.supervisor.standing.generation == 2
        assert two.pid != before
        assert two.supervisor.secret == b"s" * 32
        await two.supervisor.aclose()

    run(main())


def test_a_leader_that_goes_with_all_others_does_not_wait(run: Run, hire: Hire, events: list[Event]) -> None:
    """When a whole server ends nobody starts another process."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        await asyncio.gather(one.supervisor.aclose(), two.supervisor.aclose())

    run(main())
    assert len(of(events, SidecarStarted)) == 1


LEADS = """
import asyncio, os, sys, time
from forst_asgi.supervisor import *
class Deaf:
    wants_requests = False
    def observe(self, event): pass
async def main():
    env = {"MOOD": sys.argv[2], "LEDGER": sys.argv[2] + "/ledger"}
    spec = SidecarSpec("quotes", (sys.argv[1],), "", env=env, secret=b"l" * 32)
    key = HomeKey("/forst.toml", "quotes")
    supervisor = Supervisor(SupervisorSpec(spec, Care(), key), Deaf(), lambda standing: None)
    await supervisor.start()
    follower = Supervisor(SupervisorSpec(spec, Care(), key), Deaf(), lambda standing: None)
    await follower.start()
    forked = os.fork() if len(sys.argv) > 3 else 1
    if not forked:
        time.sleep(600)
    print(supervisor.standing.pid, forked, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def led_elsewhere(counter: Path, folder: Path, *more: str) -> tuple["subprocess.Popen[str]", int, int]:
    """Return a worker in a process of its own that leads, the number of the sidecar, and what it forked."""
    command = [sys.executable, "-W", "ignore", "-c", LEADS, str(counter), str(folder), *more]
    leader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert leader.stdout is not None
    pid, forked = map(int, leader.stdout.readline().split())
    return leader, pid, forked


@pytest.mark.parametrize("kind", ["alive", "stopped"])
def test_a_killed_leader_is_followed(run: Run, hire: Hire, counter: Path, folder: Path, kind: str) -> None:
    """After SIGKILL a follower takes over with a process of its own; the old one goes even if it hangs."""

    async def main() -> None:
        leader, pid, _ = led_elsewhere(counter, folder)
        with leader:
            pidfd = os.pidfd_open(pid)
            worker = hire()
            await worker.supervisor.start()
            assert worker.pid == pid
            assert worker.supervisor.secret == b"l" * 32
            if kind == "stopped":
                os.kill(pid, signal.SIGSTOP)
            leader.kill()
            await worker.until(lambda it: it.is_leader and it.standing.state is State.READY)
            assert worker.pid != pid
            assert worker.supervisor.standing.generation == 2
            assert worker.supervisor.secret == b"l" * 32
            assert await worker.answer() == 200
            await until_ended(pidfd)
            await worker.supervisor.aclose()

    run(main())


async def until_ended(pidfd: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(pidfd, ended.set)
    async with asyncio.timeout(20):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


def test_requests_wait_while_there_is_no_leader(run: Run, hire: Hire) -> None:
    """Between a leader's death and its successor's first process a connection waits in the backlog."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        channel = two.supervisor._channel
        assert channel is not None
        channel.close()  # what a death looks like from here, but for the lock
        await two.until(lambda _: any(told.state is State.STARTING for told in two.told))
        assert all(told.takes_requests for told in two.told if told.generation)
        assert await two.answer() == 200
        await two.until(lambda it: it.standing.state is State.READY)
        await two.supervisor.aclose()
        await one.supervisor.aclose()

    run(main())


def test_a_forked_copy_lets_go_of_everything(run: Run, hire: Hire, folder: Path) -> None:
    """What a forked process closes: locks, doors, and the lifeline, which ends the Go process here."""

    async def main() -> None:
        one, two = hire(Care(interval_s=0)), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        leader = one.supervisor._leader
        assert leader is not None
        two.supervisor.abandon()
        one.supervisor.abandon()
        assert leader.keeper._life is not None
        status = await leader.keeper._life.sidecar.exited
        assert status == 0
        await leader.keeper.aclose()
        hire().supervisor.abandon()

    run(main())


def test_a_cancelled_close_of_a_leader_kills(run: Run, hire: Hire) -> None:
    """Whoever cannot wait for the drain, or for a successor, leaves no process behind."""

    async def main() -> None:
        for seconds in (0.0, 0.05):
            one, two = hire(), hire()
            await one.supervisor.start()
            await two.supervisor.start()
            pidfd = os.pidfd_open(one.pid)
            os.kill(one.pid, signal.SIGSTOP)
            closing = asyncio.create_task(one.supervisor.aclose())
            await asyncio.sleep(seconds)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            await until_ended(pidfd)
            await two.supervisor.aclose()
            await one.supervisor.aclose()

    run(main())


def test_a_start_that_fails_leaves_nothing(run: Run, hire: Hire, folder: Path) -> None:
    """A program that ends at its start fails the start of each worker with its last words."""

    async def main() -> None:
        (folder / "broken").touch()
        worker = hire()
        with pytest.raises(SidecarError, match="in a broken mood"):
            await worker.supervisor.start()
        assert worker.supervisor.standing.state is State.STOPPED
        (folder / "broken").unlink()
        await worker.supervisor.start()
        await worker.supervisor.aclose()
        await worker.supervisor.aclose()

    run(main())
    assert list(folder.glob("forst-*")) == []


def test_whatever_keeps_it_from_starting_is_an_error_of_ours(run: Run, hire: Hire, folder: Path) -> None:
    """What the operating system refuses fails the start with what it said and where; a later one may work."""

    async def main() -> None:
        with pytest.raises(SidecarError, match=r"cannot run .*: .*(too big|too large|out of range)"):
            await hire(memory_limit=2**64).supervisor.start()
        worker = hire()
        door = folder / worker.supervisor._spec.key.directory_name / CONTROL
        door.mkdir(parents=True, mode=0o700)
        door.parent.chmod(0o700)
        with pytest.raises(
            SidecarError, match=r"'quotes': cannot be started: IsADirectoryError: .*/control'"
        ):
            await worker.supervisor.start()
        await worker.supervisor.start()
        await worker.supervisor.aclose()

    run(main())
    assert list(folder.glob("forst-*")) == []


def test_a_follower_that_hears_nonsense_goes_on(
    run: Run, hire: Hire, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not understand is told once, and it follows anew; fields it does not know are left out."""
    monkeypatch.setattr("forst_asgi.supervisor.supervisor.STUMBLE_S", 0.01)

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        leader = one.supervisor._leader
        assert leader is not None
        for _ in range(2):
            [follower] = leader._followers
            follower.send({"standing": {"state": "in the clouds"}})
            await one.until(lambda _: follower not in leader._followers and bool(leader._followers))  # noqa: B023
        [follower] = leader._followers
        follower.send(
            {"standing": {**leader.keeper.standing.to_json(with_secrets=True), "new": 1, "starts": 7}}
        )
        await two.until(lambda it: it.standing.starts == 7)
        assert two.supervisor.standing.is_ready
        await one.supervisor.aclose()
        await two.until(lambda it: it.is_leader and it.standing.is_ready)
        await two.supervisor.aclose()

    run(main())
    [failed] = of(events, SidecarFailed)
    assert "'quotes': this worker's part in running it failed, and goes on: ValueError" in failed.problem


def test_an_observer_that_fails_does_no_harm(run: Run, hire: Hire, go_spec: SidecarSpec) -> None:
    """Whatever an observer raises goes to the loop's handler; the sidecar starts, is replaced, and stops."""

    class Failing:
        wants_requests = False

        def observe(self, event: Event) -> None:
            raise RuntimeError(event.name)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["message"]))
        worker = Worker(hire().supervisor._spec, Failing())
        await worker.supervisor.start()
        before = worker.pid
        os.kill(before, signal.SIGKILL)
        await worker.until(lambda it: it.standing.generation == 2)
        await worker.supervisor.restart()
        await worker.supervisor.aclose()

    seen: list[str] = []
    run(main())
    assert {"forst: an observer failed at forst.sidecar." + each for each in ("started", "exited")} <= {*seen}


def test_a_follower_of_a_failed_sidecar_does_not_start(run: Run, hire: Hire, folder: Path) -> None:
    """A worker that comes when the sidecar was given up is told why."""

    async def main() -> None:
        unstable = replace(QUICK, rules=Rules(stable_s=1000.0, first_pause_s=0.01, most_failures=2))
        one = hire(unstable)
        await one.supervisor.start()
        (folder / "broken").touch()
        os.kill(one.pid, signal.SIGKILL)
        await one.until(lambda it: it.standing.state is State.FAILED)
        with pytest.raises(SidecarError, match="in a broken mood"):
            await hire().supervisor.start()
        await one.supervisor.aclose()

    run(main())


def test_a_follower_does_not_wait_for_ever(run: Run, hire: Hire, folder: Path) -> None:
    """A sidecar that says that it is not ready for too long fails the start of a follower."""

    async def main() -> None:
        one = hire(replace(QUICK, ready_path="/health"))
        await one.supervisor.start()
        (folder / "unready").touch()
        await one.until(lambda it: it.standing.state is State.UNREADY)
        with pytest.raises(SidecarError, match=r"was not ready within 0\.2 s under process"):
            await hire(ready_timeout_s=0.05, stop_timeout_s=0.1).supervisor.start()
        await one.supervisor.aclose()

    run(main())


def test_an_address_of_the_users_is_left_as_it_was(run: Run, hire: Hire, folder: Path) -> None:
    """A socket that we made at an address of the user's is gone when the last worker is."""

    async def main() -> None:
        worker = hire(address=Place(str(folder / "mine.sock")), offer=Offer.PASS)
        await worker.supervisor.start()
        assert worker.supervisor.where() == Place(str(folder / "mine.sock"))
        assert await worker.answer() == 200
        await worker.supervisor.aclose()

    run(main())
    assert not [path for path in folder.iterdir() if path.is_socket()]


def test_a_fixed_address_is_taken_over_when_it_is_free(run: Run, hire: Hire, folder: Path) -> None:
    """Where two cannot run at a time, the leader's process ends before the follower's begins."""
    place = Place(str(folder / "mine.sock"))

    async def main() -> None:
        one, two = (hire(address=place, offer=Offer.OWN) for _ in range(2))
        await one.supervisor.start()
        await two.supervisor.start()
        before = two.pid
        await one.supervisor.aclose()
        await two.until(lambda it: it.is_leader and it.standing.state is State.READY)
        assert two.pid != before
        await two.supervisor.aclose()

    run(main())


def test_others_can_ask(run: Run, hire: Hire) -> None:
    """The control socket tells where the sidecar stands, without the secrets, and restarts it."""

    async def main() -> None:
        worker = hire()
        await worker.supervisor.start()
        home, before = worker.home, worker.pid
        status = await inquire(home, {"do": "status"})
        assert status is not None
        assert (status["standing"]["state"], status["standing"]["pid"]) == ("ready", before)
        assert not {"secret", "nonce"} & set(status["standing"])
        done = await inquire(home, {"do": "restart"})
        assert done is not None
        assert done["standing"]["pid"] == worker.pid != before
        assert await inquire(home, {"do": "dance"}) == {"error": "not understood: {'do': 'dance'}"}
        (Path(worker.supervisor._spec.sidecar.env["MOOD"]) / "broken").touch()
        failed = await inquire(home, {"do": "restart"})
        assert failed is not None
        assert "in a broken mood" in failed["error"]
        assert (home / CONTROL).stat().st_mode & 0o777 == 0o600
        await worker.supervisor.aclose()
        assert await inquire(home, {"do": "status"}) is None

    run(main())


def test_a_leader_that_does_not_answer_is_not_waited_for(run: Run, folder: Path) -> None:
    """An inquiry ends in time."""

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(folder / CONTROL))
            mute.listen()
            assert await inquire(folder, {"do": "status"}, 0.02) is None

    run(main())


def test_a_follower_that_does_not_hear_is_left_out(
    run: Run, hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that hangs cannot hold up a restart for more than a moment."""
    monkeypatch.setattr("forst_asgi.supervisor.leader.HEARD_TIMEOUT_S", 0.05)

    async def main() -> None:
        worker = hire()
        await worker.supervisor.start()
        before = worker.pid
        channel = knock(worker.home / CONTROL)
        assert channel is not None
        channel.send({"do": "follow"})
        assert await channel.receive() is not None
        await worker.supervisor.restart()
        assert worker.pid != before
        async with asyncio.timeout(20):
            leader = worker.supervisor._leader
            assert leader is not None
            await leader.keeper._lives.gone()
        channel.close()
        await worker.supervisor.aclose()

    run(main())


def test_a_home_that_was_cleaned_away_is_made_anew(run: Run, hire: Hire) -> None:
    """A follower whose directory somebody removed leads in another one."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        home = one.home
        home.rename(home.with_name("gone"))
        channel = two.supervisor._channel
        assert channel is not None
        channel.close()
        await two.until(lambda it: it.is_leader and it.standing.state is State.READY)
        assert two.home == home
        assert await two.answer() == 200
        await two.supervisor.aclose()
        await one.supervisor.aclose()

    run(main())


@pytest.mark.parametrize("missing", ["members", "leader", "control", "quotes.sock"])
def test_what_a_cleaner_removes_comes_back(run: Run, hire: Hire, events: list[Event], missing: str) -> None:
    """The folder or a file in it: all is there again in a moment, told once; no process counts as hung."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        before, home = one.pid, one.home
        shutil.rmtree(home) if missing == "members" else (home / missing).unlink()
        await one.until(lambda _: bool(of(events, FolderRestored)))
        assert of(events, FolderRestored) == [FolderRestored("quotes", str(home / missing))]
        assert (one.pid == before) == (missing in {"leader", "control"})
        assert await one.answer() == 200
        await two.until(lambda it: it.standing.pid == one.pid)
        assert await two.answer() == 200
        three = hire()
        await three.supervisor.start()
        assert three.pid == one.pid
        assert [it.supervisor.is_leader for it in (one, two, three)] == [True, False, False]
        assert all(await asyncio.gather(*(inquire(it.home, {"do": "status"}) for it in (one, two, three))))
        await one.supervisor.aclose()
        await two.until(lambda it: it.standing.is_ready and it.standing.leader == os.getpid())
        for each in (two, three):
            await each.supervisor.aclose()
        assert not home.exists()

    run(main())
    assert of(events, SidecarHung) == []
    assert of(events, SidecarFailed) == []
    assert {event.exit_status for event in of(events, SidecarStopped)} == {0}


def test_a_base_that_goes_is_replaced_by_another(
    run: Run, hire: Hire, events: list[Event], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the user's runtime directory goes with the last login, all meet elsewhere and go on."""
    (folder / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        shutil.rmtree(folder / "run")
        await one.until(lambda _: bool(of(events, FolderRestored)))
        await two.until(lambda it: it.standing.pid == one.pid)
        assert one.home == two.home
        assert one.home.parent != folder / "run"
        assert one.supervisor.where() == two.supervisor.where()
        assert await two.answer() == 200
        await two.supervisor.aclose()
        await one.supervisor.aclose()

    run(main())
    assert of(events, SidecarHung) == []
    assert not find_homes(HomeKey("/forst.toml", "quotes"))


def test_who_comes_first_after_a_cleaner_leads(run: Run, hire: Hire, folder: Path) -> None:
    """A worker that starts in the moment without a folder makes it and leads; the others follow it."""

    async def main() -> None:
        one, two = hire(), hire()
        await one.supervisor.start()
        await two.supervisor.start()
        shutil.rmtree(one.home)
        three = hire()
        await three.supervisor.start()
        assert three.supervisor.is_leader
        await one.until(lambda it: it.standing.pid == three.pid)
        await two.until(lambda it: it.standing.pid == three.pid)
        assert [it.supervisor.is_leader for it in (one, two, three)] == [False, False, True]
        assert await one.answer() == await two.answer() == 200
        for each in (one, two, three):
            await each.supervisor.aclose()

    run(main())
    assert list(folder.glob("forst-*")) == []


def test_a_crash_without_a_folder_is_no_end(run: Run, hire: Hire) -> None:
    """A process that ends while its folder is away is followed by one in the new folder."""

    async def main() -> None:
        one = hire()
        await one.supervisor.start()
        shutil.rmtree(one.home)
        os.kill(one.pid, signal.SIGKILL)
        await one.until(lambda it: it.standing.generation > 1 and it.standing.is_ready)
        assert await one.answer() == 200
        await one.supervisor.aclose()

    run(main())


class Unwell:
    """A leader whose folder cannot be restored twice, nor in a third way."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._errors: Iterator[Exception | None] = iter(
            [*[SidecarError("no place")] * 2, OSError("no room"), None]
        )

    def missing(self) -> Path | None:
        return self.home.members

    async def restore(self, home: Home) -> bool:
        assert home is self.home
        if (error := next(self._errors)) is not None:
            raise error
        return False


def test_what_cannot_be_restored_is_told_once(
    run: Run, folder: Path, observer: Observer, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, with longer and longer pauses, and each problem is told when it is new."""
    monkeypatch.setattr("forst_asgi.supervisor.upkeep.LOOK_S", 0.001)
    home = move_in(HomeKey("/forst.toml", "quotes"), [str(folder)])
    run(Upkeep("quotes", Unwell(home), lambda: home, observer).run())
    home.leave()
    problems = [event.problem.rpartition(": ")[2] for event in of(events, SidecarFailed)]
    assert problems == ["no place", "no room"]


@pytest.mark.parametrize("then", ["start", "close", "die"])
def test_a_closed_loop_leaves_nothing_behind(
    hire: Hire, folder: Path, events: list[Event], count_fds: Callable[[], int], then: str
) -> None:
    """What was started in a loop that is closed can be closed or started anew in another; nothing is left."""
    worker, other = hire(), hire()

    async def first() -> None:
        await worker.supervisor.start()
        await other.supervisor.start()
        await worker.supervisor.restart()
        before.append(worker.pid)

    async def second() -> None:
        for each in (worker, other):
            assert each.supervisor.is_stranded
            if then == "start":
                await each.supervisor.start()
                assert each.pid not in before
                assert await each.answer() == 200
                assert not each.supervisor.is_stranded
        for each in (worker, other):
            await each.supervisor.aclose()
            assert not each.supervisor.is_stranded

    before: list[int] = []
    fds, ours = count_fds(), children()
    asyncio.run(first())
    if then == "die":
        os.kill(before[0], signal.SIGKILL)
    asyncio.run(second())
    assert children() <= ours
    assert list(folder.glob("forst-*")) == []
    assert count_fds() == fds
    statuses = [event.exit_status for event in of(events, SidecarStopped)]
    assert {*statuses} <= ({0, -signal.SIGKILL} if then == "die" else {0})


class Well(Unwell):
    """A leader with nothing missing, until another one leads."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._missing = iter([None, None, home.members])
        self._errors = iter([None])

    def missing(self) -> Path | None:
        return next(self._missing)


def test_time_stamps_are_renewed(
    run: Run, folder: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all is well the files are made to look young now and then."""
    monkeypatch.setattr("forst_asgi.supervisor.upkeep.LOOK_S", 0.001)
    monkeypatch.setattr("forst_asgi.supervisor.upkeep.FRESH_S", 0.0)
    home = move_in(HomeKey("/forst.toml", "quotes"), [str(folder)])
    os.utime(home.members, (0, 0))
    run(Upkeep("quotes", Well(home), lambda: home, observer).run())
    assert home.members.stat().st_mtime > 0
    home.leave()


def test_forked_processes_keep_nothing_alive(run: Run, hire: Hire, counter: Path, folder: Path) -> None:
    """A process that the app forks from a worker, and that outlives it, holds neither sidecar nor lock."""

    async def main() -> None:
        leader, pid, forked = led_elsewhere(counter, folder, "and fork")
        with leader:
            pidfd = os.pidfd_open(pid)
            leader.kill()
        await until_ended(pidfd)
        worker = hire()
        await worker.supervisor.start()
        assert worker.supervisor.is_leader
        await worker.supervisor.aclose()
        os.kill(forked, signal.SIGKILL)

    run(main())
