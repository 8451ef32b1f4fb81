"""One of something per event loop, whichever thread it runs in."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from forst_asgi.loops import PerLoop


def in_a_thread(work: Callable[[], None]) -> None:
    """Run something in a thread of its own, to its end."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_one_value_per_loop() -> None:
    """A loop gets the same value each time, another loop another one."""
    made: list[asyncio.AbstractEventLoop] = []

    def make(loop: asyncio.AbstractEventLoop) -> int:
        made.append(loop)
        return len(made)

    values = PerLoop(make)

    async def get() -> int:
        assert values.get() == values.get()
        return values.get()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert [runner.run(get()) for runner in (first, second, first, second)] == [1, 2, 1, 2]
        assert made == [first.get_loop(), second.get_loop()]
        assert values.values() == [1, 2]


def test_values_of_closed_loops_are_forgotten() -> None:
    """When a loop asks for the first time, values of loops that were closed are let go."""
    values = PerLoop(lambda loop: loop)

    async def get() -> None:
        assert values.get() is asyncio.get_running_loop()

    for _ in range(5):
        asyncio.run(get())
    assert len(values.values()) == 1


def test_taking_out() -> None:
    """A value that was taken out is made anew; a loop without one has nothing to take."""
    values = PerLoop(lambda _: object())

    async def main() -> None:
        assert values.pop() is None
        first = values.get()
        assert values.pop() is first
        assert values.get() is not first

    asyncio.run(main())


def test_without_a_loop() -> None:
    """Outside of an event loop there is no value."""
    values = PerLoop(lambda _: object())
    with pytest.raises(RuntimeError, match="no running event loop"):
        values.get()

    async def main() -> None:
        values.get()

    asyncio.run(main())
    with pytest.raises(RuntimeError, match="no running event loop"):
        values.get()


def test_loops_in_several_threads_at_once() -> None:
    """Loops that run at the same time in several threads never see each other's values."""
    values = PerLoop(lambda loop: loop)
    start = threading.Barrier(4)

    async def main() -> None:
        start.wait()
        for _ in range(2000):
            assert values.get() is asyncio.get_running_loop()
        await asyncio.sleep(0)

    with ThreadPoolExecutor(4) as threads:
        for outcome in [threads.submit(lambda: asyncio.run(main())) for _ in range(4)]:
            outcome.result()


class Meddling(asyncio.SelectorEventLoop):
    """A loop that lets another thread's loop ask, whenever somebody asks whether it is closed."""

    meddle: Callable[[], None] | None = None

    def is_closed(self) -> bool:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            in_a_thread(meddle)
        return super().is_closed()


def test_first_calls_of_two_loops_at_once() -> None:
    """A loop may ask for the first time while another one, in another thread, looks for closed loops."""
    values = PerLoop(lambda loop: loop)

    async def get() -> None:
        assert values.get() is asyncio.get_running_loop()

    with asyncio.Runner(loop_factory=Meddling) as runner, asyncio.Runner() as another:
        runner.run(get())
        loop = runner.get_loop()
        assert isinstance(loop, Meddling)
        loop.meddle = lambda: asyncio.run(get())
        another.run(get())
