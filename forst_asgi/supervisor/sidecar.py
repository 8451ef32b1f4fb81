"""The life of one sidecar process: started, ready, stopped. Whether to start another is decided elsewhere."""

import asyncio
import enum
import os
import signal

from forst_asgi.errors import SidecarError
from forst_asgi.events import (
    SidecarExited,
    SidecarLogged,
    SidecarReady,
    SidecarStarted,
    SidecarStopped,
    SidecarWrote,
    milliseconds,
)
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.child import KILL_TIMEOUT_S, Child, launch, outlast
from forst_asgi.supervisor.environ import sidecar_environ
from forst_asgi.supervisor.probing import Probe, Prober
from forst_asgi.supervisor.records import parse_record
from forst_asgi.supervisor.spec import SidecarSpec

OUTPUT_TIMEOUT_S = 1.0


class State(enum.Enum):
    """Where a sidecar is in its life; it never goes back."""

    NEW = "new"
    STARTING = "starting"
    READY = "ready"
    EXITED = "exited"  # although nobody asked it to
    STOPPING = "stopping"
    CLOSED = "closed"


class Sidecar:
    """One process that is started once and stopped once; for another life make another object.

    NEW -> STARTING -> READY -> STOPPING -> CLOSED; from STARTING and READY also -> EXITED -> CLOSED.
    All methods belong to the one event loop that `start` ran in, in whatever thread; see `move`.
    """

    def __init__(self, spec: SidecarSpec, probe: Probe, observer: Observer) -> None:
        """Take note of what to run; nothing is started yet.

        Args:
            spec: the program and its limits.
            probe: returns whether the sidecar answers; asked again and again while it starts. It may raise,
                which counts as no.
            observer: told of the start, readiness, each line of output, and the end.
        """
        self._spec = spec
        self._probe = probe
        self._observer = observer
        self._state = State.NEW
        self._child: Child | None = None
        self._closed: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return (
            f"<Sidecar {self._spec.name!r} {self._state.value} pid={self.pid} exit_status={self.exit_status}>"
        )

    @property
    def is_ready(self) -> bool:
        """Whether the probe said yes once and the process has neither ended nor been asked to."""
        return self._state is State.READY

    @property
    def pid(self) -> int | None:
        """The process number, as long as there is a process."""
        return self._child.pid if self._child and not self._child.exited.done() else None

    @property
    def exit_status(self) -> int | None:
        """How the process ended: its exit status, or minus the number of a signal; None before that."""
        return self._child.exited.result() if self._child and self._child.exited.done() else None

    @property
    def exited(self) -> asyncio.Future[int]:
        """Done, with the exit status, when the process was reaped; only after `start`."""
        if self._child is None:
            raise SidecarError(f"{self._title}: was not started")
        return self._child.exited

    @property
    def is_suspended(self) -> bool:
        """Whether a signal has stopped the process, so that it cannot answer; see `Child.is_suspended`."""
        return self._child is not None and self._child.is_suspended

    def kill(self) -> None:
        """Send SIGKILL to the process and its group, as if it had died by itself; idempotent."""
        if self._child is not None:
            self._child.kill()

    def cut(self) -> None:
        """Close our end of the lifeline, in a forked process that must not keep the sidecar alive."""
        if self._child is not None:
            self._child.cut()

    def move(self) -> None:
        """Go on in the running loop, at least to be closed in it: the one that `start` ran in is closed."""
        if self._child is not None and self._state is not State.CLOSED:
            self._closed = None
            self._child.move()

    async def start(self) -> None:
        """Start the process and return when it is alive and the probe says yes.

        Raises:
            SidecarError: it cannot be run, ended before it was ready, or was not ready within
                `ready_timeout_s`; the text tells why, with its last lines of output. Also if this was started
                or closed before. Whatever is raised, a cancellation included, no process is left.
        """
        if self._state is not State.NEW:
            raise SidecarError(f"{self._title}: is {self._state.value}; a Sidecar can be started only once")
        began = asyncio.get_running_loop().time()
        try:
            child = self._launch()
            problem = await self._until_ready(child, began)
        except BaseException:
            await self.aclose()
            raise
        if problem is not None:
            await self.aclose()
            raise SidecarError(f"{self._title}: {problem}; {child.output.report()}")

    async def aclose(self) -> None:
        """Stop the process if it lives: SIGTERM to its group, SIGKILL after `stop_timeout_s`; and reap it.

        Idempotent, also while another call is under way. A cancellation does not leave the process behind: it
        is killed at once, and the cancellation goes on when that is done.

        Raises:
            SidecarError: the process did not even end by SIGKILL.
        """
        if self._child is None:
            self._state = State.CLOSED
            return
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
            await self._close(self._child, self._closed)
            return
        try:
            await asyncio.wait({self._closed})
        except asyncio.CancelledError:
            self._child.kill()
            await outlast(self._closed, KILL_TIMEOUT_S)
            raise

    def note_line(self, pid: int, line: str) -> None:
        """Tell the observer of a line of output; called by the process's owner only (`child.Listener`)."""
        record = parse_record(line)
        if record is None:
            self._observer.observe(SidecarWrote(self._spec.name, pid, line))
        else:
            self._observer.observe(
                SidecarLogged(self._spec.name, pid, record.severity, record.message, record.fields)
            )

    def note_exit(self, pid: int, status: int) -> None:
        """Tell the observer of an end that nobody asked for; called likewise."""
        if self._state is not State.STOPPING:
            self._state = State.EXITED
            self._observer.observe(SidecarExited(self._spec.name, pid, status))

    @property
    def _title(self) -> str:
        return f"sidecar {self._spec.name!r}"

    def _launch(self) -> Child:
        child = launch(self._spec, sidecar_environ(self._spec, os.environ), self)
        self._child = child
        self._state = State.STARTING
        self._observer.observe(SidecarStarted(self._spec.name, child.pid, self._spec.shown))
        return child

    async def _until_ready(self, child: Child, began: float) -> str | None:
        """Return what went wrong, or None when it is ready."""
        prober = Prober(self._probe, child.exited)
        try:
            async with asyncio.timeout(self._spec.ready_timeout_s):
                await prober.run()
        except TimeoutError:
            return f"was not ready within {self._spec.ready_timeout_s:g} s: {prober.seen}"
        if self._state is State.STARTING:
            self._state = State.READY
            self._observer.observe(SidecarReady(self._spec.name, child.pid, _ms_since(began)))
            return None
        if self._state is State.EXITED:
            return f"ended before it was ready, with {describe_exit(child.exited.result())}"
        return "was stopped while it was starting"

    async def _close(self, child: Child, closed: asyncio.Future[None]) -> None:
        began = asyncio.get_running_loop().time()
        if self._state is not State.EXITED:
            self._state = State.STOPPING
        try:
            if self._state is State.STOPPING:
                await child.stop(self._spec.stop_timeout_s)
            await child.output.wait_ended(OUTPUT_TIMEOUT_S)
        finally:
            closed.set_result(None)  # heard after `_end`, whatever becomes of that
            self._end(child, began)

    def _end(self, child: Child, began: float) -> None:
        child.output.close()
        was_stopped = self._state is State.STOPPING and child.exited.done()
        self._state = State.CLOSED
        if was_stopped:
            status = child.exited.result()
            self._observer.observe(SidecarStopped(self._spec.name, child.pid, status, _ms_since(began)))


def _ms_since(began: float) -> float:
    return milliseconds(asyncio.get_running_loop().time() - began)


def describe_exit(status: int) -> str:
    """Return an exit status in words, the signal's name where there was one."""
    names = {number.value: number.name for number in signal.Signals}
    return f"exit status {status}" if status >= 0 else names.get(-status, f"signal {-status}")
