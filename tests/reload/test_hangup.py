"""Whose SIGHUP is."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from forst_asgi.reload.hangup import Hangup, has_terminal


@pytest.fixture(autouse=True)
def default() -> Iterator[None]:
    """SIGHUP as a daemon has it, and afterwards as it was."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_daemon_hears_it() -> None:
    """Where nobody handles the signal and there is no terminal, each one is a wish; then it is left alone."""

    async def main() -> None:
        heard = asyncio.Event()
        hangup = Hangup(heard.set, lambda: False)
        assert hangup.install()
        assert "handled" in repr(hangup)
        os.kill(os.getpid(), signal.SIGHUP)
        await heard.wait()
        hangup.remove()
        hangup.remove()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        assert "left alone" in repr(hangup)

    asyncio.run(main())


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_who_has_use_for_it_keeps_it(handler: signal.Handlers) -> None:
    """A server that handles the signal, and nohup, which ignores it, keep it."""
    signal.signal(signal.SIGHUP, handler)

    async def main() -> None:
        assert not Hangup(lambda: None, lambda: False).install()

    asyncio.run(main())
    assert signal.getsignal(signal.SIGHUP) is handler


def test_a_terminal_that_hangs_up_ends_the_server() -> None:
    """With a controlling terminal the signal means what it always has."""

    async def main() -> None:
        assert not Hangup(lambda: None, lambda: True).install()

    asyncio.run(main())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_other_threads_leave_it_alone() -> None:
    """A server in a thread has no signals."""
    installed = []

    async def main() -> None:
        installed.append(Hangup(lambda: None, lambda: False).install())

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    assert installed == [False]


def test_a_terminal_is_found() -> None:
    """A process that begins a session has no terminal, until it opens one."""
    pid, terminal = os.forkpty()
    if pid == 0:  # pragma: no cover - a process of its own
        code = "import os; from forst_asgi.reload.hangup import has_terminal as t; print(t(), end='')"
        code += "; os.setsid() if os.getpgrp() != os.getpid() else None"
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    while b"True" not in said and b"False" not in said:
        said += os.read(terminal, 100)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"True" in said
    assert isinstance(has_terminal(), bool)
