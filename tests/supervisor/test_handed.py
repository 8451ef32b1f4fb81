"""What a sidecar is handed by file descriptor."""

import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import Sidecar, SidecarSpec
from forst_asgi.supervisor.limits import limit_memory

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Program: TypeAlias = Callable[[str], SidecarSpec]
Probe: TypeAlias = Callable[[], Awaitable[bool]]

WRITES = "open(os.environ['FORST_TEST_MARK'] + '.out', 'w').write(%s)\nready(); signal.pause()"


def start_and_stop(run: Run, spec: SidecarSpec, probe: Probe, observer: Observer) -> None:
    """Run the sidecar until it is ready."""

    async def main() -> None:
        sidecar = Sidecar(spec, probe, observer)
        await sidecar.start()
        await sidecar.aclose()

    run(main())


def test_the_secret_comes_by_descriptor_only(
    run: Run, program: Program, marked: Probe, observer: Observer, mark: Path, count_fds: Callable[[], int]
) -> None:
    """It can be read once from the descriptor, is in no variable and no argument, and costs us nothing."""
    source = (
        "secret = os.read(int(os.environ['FORST_SECRET_FD']), 100)\n"
        "rest = os.read(int(os.environ['FORST_SECRET_FD']), 100)\n"
        "spread = [name for name, value in os.environb.items() if secret in value]\n"
        + WRITES
        % "repr((secret, rest, spread))"
    )
    before = count_fds()
    start_and_stop(run, replace(program(source), secret=b"s" * 32), marked, observer)
    assert Path(f"{mark}.out").read_text() == repr((b"s" * 32, b"", []))
    assert count_fds() == before


def test_the_listener_is_number_three(
    run: Run, program: Program, marked: Probe, observer: Observer, mark: Path
) -> None:
    """LISTEN_FDS is 1, and what comes in on our socket arrives at descriptor 3."""
    source = (
        "import socket\n"
        "fds = os.environ['LISTEN_FDS'], 'LISTEN_PID' in os.environ\n"
        "name = socket.socket(fileno=3).getsockname()\n" + WRITES % "repr((*fds, name))"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        start_and_stop(run, replace(program(source), listener_fd=server.fileno()), marked, observer)
        assert Path(f"{mark}.out").read_text() == repr(("1", False, server.getsockname()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit another process")
def test_memory_is_limited(run: Run, program: Program, marked: Probe, observer: Observer, mark: Path) -> None:
    """The process sees its limit; one that is gone already is no error."""
    source = "import resource\n" + WRITES % "repr(resource.getrlimit(resource.RLIMIT_DATA))"
    # The limit is set a moment after the start, so the program waits for it.
    source = source.replace("open(", "while resource.getrlimit(resource.RLIMIT_DATA)[0] < 0: pass\nopen(", 1)
    start_and_stop(run, replace(program(source), memory_limit=1 << 30), marked, observer)
    assert Path(f"{mark}.out").read_text() == repr((1 << 30, 1 << 30))
    limit_memory(2**22 + 1, 5)
