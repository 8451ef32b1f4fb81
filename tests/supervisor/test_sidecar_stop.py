"""Stopping a sidecar, and noticing that it stopped by itself: nobody survives, nothing is left."""

import asyncio
import ctypes
import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from forst_asgi.errors import SidecarError
from forst_asgi.events import Event, SidecarExited, SidecarReady, SidecarStarted, SidecarStopped
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import Sidecar, SidecarSpec
from forst_asgi.supervisor.child import Child, launch
from tests.children import children

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Program: TypeAlias = Callable[[str], SidecarSpec]
Probe: TypeAlias = Callable[[], Awaitable[bool]]
WaitGone: TypeAlias = Callable[[], None]

DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
WAITS = "ready(); time.sleep(600)"


async def yes() -> bool:
    """Say that the sidecar is ready."""
    return True


def assert_reaped(pid: int) -> None:
    """Fail if `pid` is still a child of ours, be it a zombie."""
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


async def until_exit(events: list[Event]) -> SidecarExited:
    """Wait for the event that tells of an unexpected end, and return it."""
    while True:
        for event in events:
            if isinstance(event, SidecarExited):
                return event
        await asyncio.sleep(0.001)


def start_and_stop(run: Run, spec: SidecarSpec, probe: Probe, observer: Observer) -> int | None:
    """Return the exit status of a sidecar that was started and stopped."""

    async def main() -> None:
        await sidecar.start()
        await sidecar.aclose()

    sidecar = Sidecar(spec, probe, observer)
    run(main())
    return sidecar.exit_status


def test_sigterm_lets_it_finish(
    run: Run, program: Program, marked: Probe, observer: Observer, events: list[Event]
) -> None:
    """A sidecar that ends in its own way within the grace keeps its exit status."""
    status = start_and_stop(run, program("on_term(lambda: os._exit(7))\n" + WAITS), marked, observer)
    assert status == 7
    assert [type(event) for event in events] == [SidecarStarted, SidecarReady, SidecarStopped]
    stopped = events[-1]
    assert isinstance(stopped, SidecarStopped)
    assert (stopped.upstream, stopped.exit_status) == ("quotes", 7)
    assert stopped.duration_ms >= 0
    assert_reaped(stopped.pid)


def test_sigkill_follows_the_grace(
    run: Run, program: Program, marked: Probe, observer: Observer, wait_gone: WaitGone
) -> None:
    """A sidecar and a child of it that both ignore SIGTERM are killed when the grace is over."""
    spec = replace(program(DEAF + "os.fork()\n" + WAITS), stop_timeout_s=0.1)
    assert start_and_stop(run, spec, marked, observer) == -signal.SIGKILL
    wait_gone()


def test_grandchildren_get_the_grace_too(
    run: Run, program: Program, marked: Probe, observer: Observer, wait_gone: WaitGone, mark: Path
) -> None:
    """When a wrapper script ends at SIGTERM, the server it started may still finish its work."""
    source = (
        "def finish():\n"
        "    mark = os.environ['FORST_TEST_MARK']\n"
        "    time.sleep(0.2); os.rename(mark, mark + '.done')\n"
        "    os._exit(0)\n"
        "if os.fork() == 0:\n"
        "    on_term(finish); ready()\n"
        "time.sleep(600)"
    )
    assert start_and_stop(run, program(source), marked, observer) == -signal.SIGTERM
    wait_gone()
    assert Path(f"{mark}.done").exists()


def test_suspended_sidecar_is_woken_to_stop(
    run: Run, program: Program, marked: Probe, observer: Observer
) -> None:
    """A sidecar under SIGSTOP gets to act on the SIGTERM and is not killed."""

    async def main() -> None:
        await sidecar.start()
        assert sidecar.pid is not None
        os.kill(sidecar.pid, signal.SIGSTOP)
        await sidecar.aclose()
        assert sidecar.exit_status == 7

    sidecar = Sidecar(program("on_term(lambda: os._exit(7))\n" + WAITS), marked, observer)
    run(main())


def test_who_is_suspended_is_known(run: Run, program: Program, marked: Probe, observer: Observer) -> None:
    """It is suspended between SIGSTOP and SIGCONT; not before the start, and not after the end."""

    async def main() -> None:
        sidecar = Sidecar(program(WAITS), marked, observer)
        assert not sidecar.is_suspended
        await sidecar.start()
        assert not sidecar.is_suspended
        assert sidecar.pid is not None
        os.kill(sidecar.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, sidecar.pid, os.WSTOPPED | os.WNOWAIT)  # noqa: ASYNC222 - it is a moment
        assert sidecar.is_suspended
        os.kill(sidecar.pid, signal.SIGCONT)
        assert not sidecar.is_suspended
        await sidecar.aclose()
        assert not sidecar.is_suspended

    run(main())


def test_unexpected_end_is_noticed(
    run: Run, program: Program, marked: Probe, observer: Observer, events: list[Event], wait_gone: WaitGone
) -> None:
    """A sidecar that dies is not ready any more, its children are killed, and `aclose` adds no event."""

    async def main() -> None:
        await sidecar.start()
        assert sidecar.pid is not None
        os.kill(sidecar.pid, signal.SIGKILL)
        exited = await until_exit(events)
        assert not sidecar.is_ready
        assert sidecar.exit_status == exited.exit_status == -signal.SIGKILL
        assert_reaped(exited.pid)
        wait_gone()
        await sidecar.aclose()

    sidecar = Sidecar(program(DEAF + "os.fork()\n" + WAITS), marked, observer)
    run(main())
    assert [type(event) for event in events] == [SidecarStarted, SidecarReady, SidecarExited]


def test_close_of_nothing(run: Run, observer: Observer, events: list[Event]) -> None:
    """`aclose`, `kill` and `cut` of a sidecar that was never started do nothing; it has no end either."""
    sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
    sidecar.kill()
    sidecar.cut()
    with pytest.raises(SidecarError, match="was not started"):
        _ = sidecar.exited
    run(sidecar.aclose())
    assert sidecar.exit_status is None
    assert events == []


def test_close_twice_and_at_once(run: Run, observer: Observer, events: list[Event]) -> None:
    """Several calls of `aclose`, at once and afterwards, are one stop."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
        await sidecar.start()
        await asyncio.gather(sidecar.aclose(), sidecar.aclose())
        await sidecar.aclose()

    run(main())
    assert sum(isinstance(event, SidecarStopped) for event in events) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_cancelled_close_kills_at_once(
    run: Run, program: Program, marked: Probe, observer: Observer, wait_gone: WaitGone, times: int
) -> None:
    """A cancellation, or two, of `aclose` does not wait for the grace, but for the end of the process."""

    async def main() -> None:
        await sidecar.start()
        closing = asyncio.create_task(sidecar.aclose())
        await asyncio.sleep(0)
        for _ in range(times):
            closing.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert sidecar.exit_status == -signal.SIGKILL
        wait_gone()

    sidecar = Sidecar(replace(program(DEAF + "os.fork()\n" + WAITS), stop_timeout_s=600), marked, observer)
    run(main())


def test_cancelled_second_caller_kills_too(
    run: Run, program: Program, marked: Probe, observer: Observer, wait_gone: WaitGone
) -> None:
    """Whoever waits in `aclose` and is cancelled ends the grace, and sees the end of the process first."""

    async def main() -> None:
        await sidecar.start()
        first = asyncio.create_task(sidecar.aclose())
        second = asyncio.create_task(sidecar.aclose())
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert first.done()
        assert sidecar.exit_status == -signal.SIGKILL
        await first

    sidecar = Sidecar(replace(program(DEAF + WAITS), stop_timeout_s=600), marked, observer)
    run(main())
    wait_gone()


def test_end_of_the_loop_leaves_nobody(
    run: Run, program: Program, marked: Probe, observer: Observer, wait_gone: WaitGone, events: list[Event]
) -> None:
    """When the loop is shut down in the middle of a stop, the process is killed and reaped by then."""

    async def main() -> None:
        await sidecar.start()
        closing.append(asyncio.create_task(sidecar.aclose()))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # what asyncio.run does at its end
        await asyncio.wait(closing)

    closing: list[asyncio.Task[None]] = []
    sidecar = Sidecar(replace(program(DEAF + WAITS), stop_timeout_s=600), marked, observer)
    run(main())
    wait_gone()
    assert sidecar.exit_status == -signal.SIGKILL
    assert isinstance(events[-1], SidecarStopped)


def test_fifty_lives_leave_nothing(
    run: Run, observer: Observer, events: list[Event], count_fds: Callable[[], int]
) -> None:
    """After fifty starts and stops there are as many descriptors as before, and no zombie."""

    async def main() -> None:
        counts = []
        for _ in range(50):
            sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
            await sidecar.start()
            await sidecar.aclose()
            counts.append(count_fds())
        assert len(set(counts)) == 1

    run(main())
    pids = [event.pid for event in events if isinstance(event, SidecarStarted)]
    assert len(pids) == 50
    for pid in pids:
        assert_reaped(pid)


def test_crashes_leave_nothing_even_if_nobody_closes(
    run: Run, observer: Observer, events: list[Event], count_fds: Callable[[], int]
) -> None:
    """A sidecar that ended by itself holds no descriptor, although `aclose` was not called."""

    async def crash() -> None:
        events.clear()
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
        await sidecar.start()
        assert sidecar.pid is not None
        os.kill(sidecar.pid, signal.SIGKILL)
        await until_exit(events)
        assert sidecar._child is not None
        await sidecar._child.output.wait_ended(10)  # its end may come after the end of the process

    async def main() -> None:
        await crash()
        before = count_fds()
        for _ in range(5):
            await crash()
        assert count_fds() == before

    run(main())


def test_stray_daemon_does_not_hold_the_close(
    run: Run,
    program: Program,
    marked: Probe,
    observer: Observer,
    mark: Path,
    count_fds: Callable[[], int],
) -> None:
    """A grandchild that left the group and holds our output pipe open does not keep `aclose` from its end."""
    source = (
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open(os.environ['FORST_TEST_MARK'] + '.pid', 'w').write(str(os.getpid()))\n"
        "    ready()\n"
        "time.sleep(600)"
    )
    before = count_fds()
    assert start_and_stop(run, program(source), marked, observer) == -signal.SIGTERM
    assert count_fds() == before
    os.kill(int(Path(f"{mark}.pid").read_text()), signal.SIGKILL)


class Deaf:
    """Is told of a process and does nothing about it."""

    def note_line(self, pid: int, line: str) -> None:
        """Ignore it."""

    def note_exit(self, pid: int, status: int) -> None:
        """Ignore it."""


def test_process_that_cannot_be_killed_is_reported(run: Run) -> None:
    """A process that SIGKILL does not end (it hangs in the kernel, say) is an error, not an endless wait."""

    async def main() -> None:
        child = launch(SidecarSpec("quotes", ("sleep", "60"), ""), os.environ, Deaf())
        child._is_group_gone = True  # so that it gets no signal, as if it could take none
        assert repr(child) == f"<Child pid {child.pid} alive>"
        with pytest.raises(SidecarError, match=r"did not end within 0\.05 s after SIGKILL"):
            await child.stop(0.01, 0.05)
        os.kill(child.pid, signal.SIGKILL)
        await child.exited
        child.output.close()
        assert repr(child) == f"<Child pid {child.pid} exited -9>"

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_orphans_are_reaped_when_we_are_their_init(
    run: Run, program: Program, marked: Probe, observer: Observer
) -> None:
    """As the first process of a container we reap the sidecar's orphans and do not wait for them."""
    before = children()
    spec = replace(program("os.fork() or ready(); time.sleep(600)"), stop_timeout_s=600)
    set_subreaper = functools.partial(
        ctypes.CDLL(None).prctl, 36
    )  # PR_SET_CHILD_SUBREAPER: orphans become ours
    assert set_subreaper(1) == 0
    try:
        assert start_and_stop(run, spec, marked, observer) == -signal.SIGTERM
    finally:
        set_subreaper(0)
    assert children() <= before


def test_platform_without_waitid(
    run: Run, observer: Observer, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a process cannot be waited for without reaping it, starts, stops and crashes work the same."""
    monkeypatch.setattr(Child, "can_wait_unreaped", False)

    async def main() -> None:
        spec = SidecarSpec("quotes", ("sleep", "60"), "")
        sidecar = Sidecar(spec, yes, observer)
        await sidecar.start()
        await sidecar.aclose()
        crashing = Sidecar(spec, yes, observer)
        await crashing.start()
        assert crashing.pid is not None
        assert not crashing.is_suspended
        os.kill(crashing.pid, signal.SIGKILL)
        await until_exit(events)
        await crashing.aclose()
        assert (sidecar.exit_status, crashing.exit_status) == (-signal.SIGTERM, -signal.SIGKILL)

    run(main())


def test_process_that_somebody_else_reaped(run: Run, observer: Observer, events: list[Event]) -> None:
    """Code of the app that waits for any child (`os.wait`) cannot hang or crash the supervision."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
        await sidecar.start()
        assert sidecar.pid is not None
        os.kill(sidecar.pid, signal.SIGKILL)
        os.waitpid(sidecar.pid, 0)  # noqa: ASYNC222 - the loop must not run, or it would reap first
        assert not sidecar.is_suspended
        await until_exit(events)
        await sidecar.aclose()

    run(main())


def test_loop_that_is_gone_before_the_process(observer: Observer, events: list[Event]) -> None:
    """A loop that is closed while the sidecar lives costs a warning about it, not a crash of the thread."""
    loop = asyncio.new_event_loop()
    sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
    loop.run_until_complete(sidecar.start())
    running = sidecar._child
    assert running is not None
    running.output.close()
    loop.close()
    os.kill(running.pid, signal.SIGKILL)
    running._thread.join()
    running._popen.wait()
    running._lifeline.cut()
