"""One transport on many event loops: one after the other, and at once in several threads."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from forst_asgi.transport import Http1Transport
from tests.transport.conftest import count_fds
from tests.transport.upstream import OK, Upstream, answering, asking, fetch

BOTH = [asyncio.new_event_loop, uvloop.new_event_loop]


class Background:
    """An upstream with an event loop and a thread of its own."""

    def __enter__(self) -> Upstream:
        self._ready, self._upstream = threading.Event(), Upstream(answering(OK), "tcp")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.wait()
        return self._upstream

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._upstream:
            self._ready.set()
            await self._stop.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.mark.item(40)
def test_one_loop_after_the_other() -> None:
    """A transport that was used on a loop that is closed serves the next loop with new connections."""
    with Background() as upstream:
        transport = Http1Transport(upstream.origin)
        before = count_fds()

        async def main() -> None:
            for _ in range(2):
                assert (await fetch(transport)).body == b"ok"
            assert transport.pool().slots == 1
            await transport.aclose()

        for factory in BOTH * 2:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(main())
        assert upstream.connections == 4
        assert count_fds() <= before + 4  # the upstream may not have closed its ends yet


@pytest.mark.item(40)
@pytest.mark.parametrize("factory", BOTH, ids=["asyncio", "uvloop"])
def test_many_loops_at_once(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Threads with loops of their own use one transport at once, each with its own pool."""
    with Background() as upstream:
        transport = Http1Transport(upstream.origin)
        start = threading.Barrier(6)

        async def main() -> None:
            start.wait()
            for _ in range(20):
                answers = await asyncio.gather(*(fetch(transport, asking()) for _ in range(5)))
                assert [answer.body for answer in answers] == [b"ok"] * 5
            assert 1 <= transport.pool().slots <= 5
            await transport.aclose()

        def work() -> None:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(main())

        with ThreadPoolExecutor(6) as threads:
            for outcome in [threads.submit(work) for _ in range(6)]:
                outcome.result()
