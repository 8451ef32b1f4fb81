"""A sidecar's output is drained whatever it writes, and each line becomes an event."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from forst_asgi.events import Event, SidecarWrote
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import Sidecar, SidecarSpec
from forst_asgi.supervisor.lines import CUT_MARK, LINE_LIMIT
from forst_asgi.supervisor.output import CHUNK_BYTES

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Program: TypeAlias = Callable[[str], SidecarSpec]
Probe: TypeAlias = Callable[[], Awaitable[bool]]

WAITS = "\nready(); time.sleep(600)"


class Counter:
    """An observer that counts lines and keeps none."""

    wants_requests = False

    def __init__(self) -> None:
        self.lines = 0
        self.longest = 0

    def observe(self, event: Event) -> None:
        if isinstance(event, SidecarWrote):
            self.lines += 1
            self.longest = max(self.longest, len(event.line))


def live(run: Run, spec: SidecarSpec, probe: Probe, observer: Observer) -> None:
    """Start a sidecar, which is ready when it has written everything, and stop it."""

    async def main() -> None:
        sidecar = Sidecar(spec, probe, observer)
        await sidecar.start()
        await sidecar.aclose()

    run(main())


def test_both_streams_become_events(
    run: Run, program: Program, marked: Probe, observer: Observer, events: list[Event]
) -> None:
    """Lines of standard output and error are told with the upstream's name and the pid."""
    source = "print('out', flush=True); print('err', file=sys.stderr); os.write(1, b'no end')" + WAITS
    live(run, program(source), marked, observer)
    wrote = [event for event in events if isinstance(event, SidecarWrote)]
    assert {event.line for event in wrote} == {"out", "err", "no end"}
    assert {event.upstream for event in wrote} == {"quotes"}


def test_ten_megabytes_without_line_end(run: Run, program: Program, marked: Probe) -> None:
    """A line of 10 MB neither blocks the sidecar nor is kept: its head is told, with a mark."""
    counter = Counter()
    live(run, program("os.write(1, b'x' * 100); sys.stdout.write('x' * 10_000_000)" + WAITS), marked, counter)
    assert counter.lines == 1
    assert counter.longest == LINE_LIMIT + len(CUT_MARK)


@pytest.mark.slow
def test_hundred_megabytes_of_log(run: Run, program: Program, marked: Probe) -> None:
    """A sidecar that writes 100 MB of lines is never blocked, and every line is told."""
    counter = Counter()
    source = "line = 'x' * 999 + '\\n'\nfor _ in range(100_000): sys.stderr.write(line)" + WAITS
    live(run, replace(program(source), ready_timeout_s=60), marked, counter)
    assert counter.lines == 100_000


def test_other_tasks_go_on_while_it_floods(run: Run, program: Program, marked: Probe) -> None:
    """A sidecar that writes without pause does not keep the loop from other work."""

    async def main() -> None:
        sidecar = Sidecar(program("ready()\nwhile True: os.write(1, b'flood\\n' * 10_000)"), marked, counter)
        await sidecar.start()
        while len(told) < 20:
            told.append(counter.lines)
            await asyncio.sleep(0)
        await sidecar.aclose()

    counter = Counter()
    told: list[int] = []
    run(main())
    # One read per turn of the loop and stream, and each line has six bytes.
    assert max(after - before for before, after in pairwise(told)) <= 2 * CHUNK_BYTES / 6
