"""Real processes to supervise: small Python programs, and what a test needs to see of them."""

import asyncio
import os
import select
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from forst_asgi.events import Event
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import SidecarSpec

PRELUDE = """
import os, signal, sys, time
holds_open = open(os.environ["FORST_TEST_HELD"], "w")
def ready():
    open(os.environ["FORST_TEST_MARK"], "w").close()
def on_term(do):
    signal.signal(signal.SIGTERM, lambda number, frame: do())
"""


class Recorder:
    """An observer that keeps what it was told."""

    wants_requests = False

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def observe(self, event: Event) -> None:
        self._events.append(event)


@pytest.fixture
def events() -> list[Event]:
    """What the observer was told, in order."""
    return []


@pytest.fixture
def observer(events: list[Event]) -> Observer:
    """An observer that fills `events`."""
    return Recorder(events)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Run a coroutine to its end, on both loops; nothing may end up in the loop's exception handler."""
    complaints: list[dict[str, Any]] = []
    factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[request.param]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        yield runner.run
    assert complaints == []


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that a program makes by calling `ready()`."""
    return tmp_path / "mark"


@pytest.fixture
def marked(mark: Path) -> Callable[[], Awaitable[bool]]:
    """A probe that says yes once the program has called `ready()`."""

    async def probe() -> bool:
        return os.access(mark, os.F_OK)

    return probe


@pytest.fixture
def count_fds() -> Callable[[], int]:
    """Count our open descriptors; the one for counting is among them each time."""
    return lambda: len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    """The read end of a fifo that every program and its forks hold open as long as they live."""
    path = tmp_path / "held"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield fd
    os.close(fd)


@pytest.fixture
def wait_gone(held: int) -> Callable[[], None]:
    """Wait until every program that held the fifo open has ended, whoever has to reap it."""

    def wait() -> None:
        assert select.select([held], [], [], 30)[0], "a program is still alive"
        assert os.read(held, 1) == b""

    return wait


@pytest.fixture
def program(tmp_path: Path, mark: Path, held: int) -> Callable[[str], SidecarSpec]:
    """Turn Python source into a sidecar to run; the source may use what PRELUDE defines."""

    def make(source: str) -> SidecarSpec:
        path = tmp_path / "program.py"
        path.write_text(PRELUDE + source)
        env = {"FORST_TEST_MARK": str(mark), "FORST_TEST_HELD": str(tmp_path / "held")}
        return SidecarSpec("quotes", (sys.executable, "-I", str(path)), "unix:/nowhere", env=env)

    return make


@pytest.fixture(scope="session")
def counter(go_build: Callable[[Path], Path]) -> Path:
    """The Go program in counter/, built once."""
    return go_build(Path(__file__).parent / "counter")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="fs-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def go_spec(counter: Path, folder: Path) -> SidecarSpec:
    """What runs the Go program; its mood and ledger are in `folder`."""
    env = {"MOOD": str(folder), "LEDGER": str(folder / "ledger")}
    return SidecarSpec("quotes", (str(counter),), "", env=env, secret=b"s" * 32, stop_timeout_s=5)
