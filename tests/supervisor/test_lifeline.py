"""The pipe that ends with us."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TypeAlias

import pytest

from forst_asgi.supervisor import SidecarSpec
from forst_asgi.supervisor.lifeline import Lifeline

Program: TypeAlias = Callable[[str], SidecarSpec]

WORKER = """
import asyncio, os, subprocess, sys
from forst_asgi.supervisor import Sidecar, SidecarSpec

class Silent:
    wants_requests = False
    def observe(self, event): pass

async def probe():
    return os.path.exists(os.environ["FORST_TEST_MARK"])

async def main():
    passed = ("FORST_TEST_MARK", "FORST_TEST_HELD")
    sidecar = Sidecar(SidecarSpec("quotes", tuple(sys.argv[2:]), "", env_pass=passed), probe, Silent())
    await sidecar.start()
    other = subprocess.Popen(["sleep", "600"], close_fds=False, stdout=subprocess.DEVNULL)
    print(other.pid, flush=True)
    await asyncio.Event().wait()

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""

# Wants nothing from the kernel at the death of the parent (PR_SET_PDEATHSIG), as it is on macOS.
ALONE = "import ctypes\nctypes.CDLL(None).prctl(1, 0)\n" if sys.platform == "linux" else ""
PROGRAMS = {
    # What a sidecar does that honours the lifeline: it ends when reading from it ends.
    "honours it": ALONE + "ready(); os.read(int(os.environ['FORST_LIFELINE']), 1)",
    "knows no lifeline": "ready(); signal.pause()",
}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("source", PROGRAMS)
def test_sidecar_ends_with_a_killed_worker(
    program: Program, wait_gone: Callable[[], None], loop: str, source: str
) -> None:
    """After `kill -9` of the worker its sidecar ends, although another child of the worker lives on."""
    if source == "knows no lifeline" and sys.platform != "linux":
        pytest.skip("only Linux kills a program whose parent has died")
    spec = program(PROGRAMS[source])
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, loop, *spec.command],
        env={**os.environ, **spec.env},
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        other = int(worker.stdout.readline())
        worker.kill()
    try:
        wait_gone()
    finally:
        os.kill(other, signal.SIGKILL)


def test_cut_is_idempotent_and_ends_the_pipe() -> None:
    """The other side sees the end of file once the pipe is cut; cutting again is harmless."""
    lifeline = Lifeline()
    reader = os.dup(lifeline.read_fd)
    lifeline.hand_over()
    assert select.select([reader], [], [], 0)[0] == []
    lifeline.cut()
    lifeline.cut()
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_neither_end_is_inherited_by_chance() -> None:
    """Both ends are close-on-exec, so that only the sidecar gets one, by name."""
    lifeline = Lifeline()
    assert not os.get_inheritable(lifeline.read_fd)
    assert not os.get_inheritable(lifeline._write_fd)
    lifeline.cut()
