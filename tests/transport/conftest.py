"""Both event loops, several kinds of socket, and the proof that nothing is left behind."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.transport.upstream import Place, Run

GENEROUS_S = 30.0
"""A test that takes this long hangs."""

FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


async def bounded(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; it must neither hang nor leave a task behind."""
    async with asyncio.timeout(GENEROUS_S):
        await main
    assert asyncio.all_tasks() == {asyncio.current_task()}


def count_fds() -> int:
    """Count our open descriptors; the one for counting is among them each time."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture(scope="session")
def warm() -> None:
    """Let libuv open what it keeps open for the life of the process, before anybody counts."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))


@pytest.fixture(params=list(FACTORIES))
def run(request: pytest.FixtureRequest, warm: None) -> Iterator[Run]:
    """Run a coroutine to its end, on both loops; no task, descriptor or complaint may remain."""
    complaints: list[dict[str, Any]] = []
    before = count_fds()
    with asyncio.Runner(loop_factory=FACTORIES[request.param]) as runner:
        runner.get_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        yield lambda main: runner.run(bounded(main))
    assert complaints == []
    if count_fds() > before:  # pragma: no cover - what a test holds in a reference cycle is no leak of ours
        gc.collect()
    assert count_fds() <= before  # what an earlier test left behind may go meanwhile


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest) -> Place:
    """Over what the upstream is reached."""
    where: Place = request.param
    return where
