"""One of something per event loop.

Connections and timers belong to the loop that made them. Servers run one loop per process, tests run
many, one after the other or in several threads; this makes each see its own.

`asyncio.get_running_loop` costs a system call before CPython 3.12 (it asks for the process id, to notice
a fork). A thread runs one loop at a time, so the loop that this thread used last, if it still runs, is the
running one; that much can be asked for free.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Keeps one value for each event loop, made when that loop first asks.

    Args:
        make: called with the running loop, once for each.
    """

    __slots__ = ("_by_loop", "_latest", "_make")

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], T]) -> None:
        self._make = make
        self._by_loop: dict[asyncio.AbstractEventLoop, T] = {}
        # One tuple, replaced as a whole, so that two threads never see one's loop with the other's value.
        self._latest: tuple[int, asyncio.AbstractEventLoop, T] | None = None

    def get(self) -> T:
        """Return the running loop's value.

        Raises:
            RuntimeError: no event loop is running.
        """
        latest = self._latest
        if latest is not None and latest[0] == threading.get_ident() and latest[1].is_running():
            return latest[2]
        return self._find(asyncio.get_running_loop())

    def _find(self, loop: asyncio.AbstractEventLoop) -> T:
        value = self._by_loop.get(loop)
        if value is None:
            # A copy, because a loop in another thread may be adding its own value.
            for other in [each for each in list(self._by_loop) if each.is_closed()]:
                self._by_loop.pop(other, None)
            value = self._by_loop[loop] = self._make(loop)
        self._latest = (threading.get_ident(), loop, value)
        return value

    def pop(self) -> T | None:
        """Take out and return the running loop's value, None when it has none."""
        self._latest = None
        return self._by_loop.pop(asyncio.get_running_loop(), None)

    def values(self) -> list[T]:
        """Return the values of all loops."""
        return list(self._by_loop.values())
