"""One operating-system process and its group, from fork to reaping; it decides nothing.

Why `subprocess.Popen` and not `loop.subprocess_exec`: uvloop's (0.23) ignores `close_fds`, so the sidecar
would inherit every inheritable descriptor, uvicorn's listening socket among them; it runs a file that the
kernel refuses (exec format error) through /bin/sh; it hands out sockets where a program expects pipes; and
it refuses to start two processes from two loops at once. asyncio's reaps the process before anybody can
signal its group. Popen behaves alike under every loop, and returns or raises in one piece, so no
cancellation can fall between the fork and the moment when somebody owns the process.

Why a thread waits for the end: it works in the loop of any thread, on Linux and macOS alike, and costs a
stack per sidecar. It only waits; the reaping is done in the loop, after the group was dealt with, because
until then the number of the group cannot be given to somebody else.
"""

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor.handed import Handed, handed_over, number_3_taken
from forst_asgi.supervisor.lifeline import Lifeline
from forst_asgi.supervisor.limits import limit_memory
from forst_asgi.supervisor.output import Output
from forst_asgi.supervisor.program import find_program, launch_refused
from forst_asgi.supervisor.spec import SidecarSpec

_waitid: Callable[..., object] | None = getattr(os, "waitid", None)

GROUP_PAUSE_S = 0.01
KILL_TIMEOUT_S = 5.0
ORPHANS_TIMEOUT_S = 0.5  # killed orphans stay in the group until process 1 reaps them; it may be slow at it


class Listener(Protocol):
    """Who is told what a process does; both are called in the event loop."""

    def note_line(self, pid: int, line: str) -> None:
        """Take note of a line of output."""
        ...

    def note_exit(self, pid: int, status: int) -> None:
        """Take note, once, that the process has ended, with its exit status as in `Child.exited`."""
        ...


def launch(spec: SidecarSpec, environ: Mapping[str, str], listener: Listener) -> "Child":
    """Start the program in its own session, with both output streams drained and nothing else inherited.

    Args:
        spec: `command`, `cwd`, and what is handed over by descriptor are looked at.
        environ: the whole environment, but for the numbers of the descriptors that are handed over.
        listener: told of each line, and of the end, in the running loop.

    Raises:
        SidecarError: the program cannot be run; nothing is left behind.
    """
    path = find_program(spec, environ)
    with number_3_taken(), contextlib.ExitStack() as undo:
        lifeline = Lifeline()
        undo.callback(lifeline.cut)
        try:
            with handed_over(spec, lifeline.read_fd) as handed:
                popen = _popen(spec, path, environ, handed)
            undo.callback(_abandon, popen)
            limit_memory(popen.pid, spec.memory_limit)
            child = Child(popen, lifeline, listener)
        except (
            OSError,
            ValueError,
            OverflowError,
            RuntimeError,
        ) as error:  # RuntimeError: no thread to be had
            raise launch_refused(spec, path, error) from error
        undo.pop_all()
    lifeline.hand_over()
    return child


class Child:
    """A started process; its process group has the same number as itself.

    Attributes:
        pid: the process number; it may belong to somebody else once `exited` is done.
        output: its standard output and error, drained; to be closed by the owner.
        exited: becomes the exit status, negative for the number of a signal, when the process was reaped.
    """

    # Not on macOS before Python 3.13. There the process is reaped a moment before its group is dealt with.
    can_wait_unreaped: ClassVar[bool] = _waitid is not None

    def __init__(self, popen: subprocess.Popen[bytes], lifeline: Lifeline, listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self._popen = popen
        self._lifeline = lifeline
        self._listener = listener
        self._is_stopping = False
        self._is_group_gone = False
        self.pid = popen.pid
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._wait_beside()
        streams = [stream for stream in (popen.stdout, popen.stderr) if stream is not None]
        self.output = Output(streams, functools.partial(listener.note_line, self.pid))

    def __repr__(self) -> str:
        state = f"exited {self.exited.result()}" if self.exited.done() else "alive"
        return f"<Child pid {self.pid} {state}>"

    @property
    def is_suspended(self) -> bool:
        """Whether a signal has stopped it and nobody has continued it (SIGSTOP, SIGCONT).

        A debugger's stops are not meant, and False is all that can be said where there is no waitid(2).
        """
        if self.exited.done() or _waitid is None or not self.can_wait_unreaped:
            return False
        with contextlib.suppress(ChildProcessError):
            return _waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
        return False

    def kill(self) -> None:
        """Send SIGKILL to what is left of the group; idempotent."""
        self._signal(signal.SIGKILL)

    def cut(self) -> None:
        """Close our end of the lifeline; for a forked process, whose copy would keep the child alive."""
        self._lifeline.cut()

    def move(self) -> None:
        """Go on in the running loop: the one before is closed."""
        self._loop = asyncio.get_running_loop()
        before, self.exited = self.exited, self._loop.create_future()
        if before.done():
            self.exited.set_result(before.result())
        else:
            self._wait_beside()  # once more: the thread before may have found nobody to tell
        self.output.move()

    async def stop(self, grace_s: float, kill_timeout_s: float = KILL_TIMEOUT_S) -> None:
        """Send SIGTERM to the group, SIGKILL to what is left after `grace_s`, and wait until it is reaped.

        A cancellation shortens the grace to nothing; the rest is done before it goes on.

        Raises:
            SidecarError: the process did not even end by SIGKILL.
        """
        self._is_stopping = True
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a suspended process could not act on the SIGTERM
        try:
            await self._ended_within(grace_s)
        finally:
            self.kill()
            await outlast(self.exited, kill_timeout_s)
        await self._ended_within(ORPHANS_TIMEOUT_S)
        if not self.exited.done():
            raise SidecarError(
                f"process {self.pid} did not end within {kill_timeout_s:g} s after SIGKILL; "
                "it hangs in the kernel or runs as another user"
            )

    async def _ended_within(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.wait({self.exited})
                while self._has_group():  # noqa: ASYNC110 - the system tells nobody of a group's end
                    await asyncio.sleep(GROUP_PAUSE_S)

    def _has_group(self) -> bool:
        # As process 1 of a container we inherit the orphans; unreaped, they would keep the group in being.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                continue
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        """Return whether somebody was there; once nobody was, the number may belong to a stranger."""
        if self._is_group_gone:
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # macOS says EPERM for a group of zombies only, so that is no proof of the group's end.
            self._is_group_gone = self.exited.done()
            return False
        return True

    def _wait_beside(self) -> None:
        self._thread = threading.Thread(target=self._wait, name=f"forst-wait-{self.pid}", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        """Wait for the end in a thread; without reaping, where the platform can."""
        if _waitid is not None and self.can_wait_unreaped:
            with contextlib.suppress(ChildProcessError):
                _waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._popen.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed already: nobody is interested any more
            self._loop.call_soon_threadsafe(self._reap)

    def _reap(self) -> None:
        if self.exited.done():
            return
        if not self._is_stopping:
            # Nobody asked for the end, so nobody will wait for the rest of the group either.
            self.kill()
        status = self._popen.wait()
        self._is_group_gone = not self._is_stopping
        self._lifeline.cut()
        self.exited.set_result(status)
        self._listener.note_exit(self.pid, status)


async def outlast(future: asyncio.Future[Any], timeout_s: float) -> None:
    """Wait until `future` is done, at most `timeout_s`; a cancellation has to wait until then too.

    There is no task in it, so the end of the loop, which cancels every task, cannot cut it short.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    cancelled: asyncio.CancelledError | None = None
    while not future.done() and loop.time() < deadline:
        try:
            await asyncio.wait({future}, timeout=deadline - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _popen(
    spec: SidecarSpec, path: Path, environ: Mapping[str, str], handed: Handed
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - to run what the configuration names is the purpose
        (path, *spec.command[1:]),
        cwd=spec.cwd,
        env={**environ, **handed.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,  # Ctrl-C in the terminal goes to us alone; we drain, then stop it
        pass_fds=handed.fds,
        preexec_fn=handed.place,  # noqa: PLW1509 - one system call without a line of Python, see `handed`
    )


def _abandon(popen: subprocess.Popen[bytes]) -> None:
    with popen, contextlib.suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
