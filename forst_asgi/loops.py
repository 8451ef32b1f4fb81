"""One of something per event loop.

Connections and timers belong to the loop that made them. Servers run one loop per process, tests run
many, one after the other or in several threads; this makes each see its own.

`asyncio.get_running_loop` costs a system call before CPython 3.12 (it asks for the process id, to notice
a fork). A thread runs one loop at a time, so the loop that this thread used last, if it still runs, is the
running one; that much can be asked for free.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


_all: "weakref.WeakSet[PerLoop[Any]]" = weakref.WeakSet()


def _begin_anew() -> None:
    for each in list(_all):
        each.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)


class PerLoop(Generic[T]):
    """Keeps one value for each event loop, made when that loop first asks.

    Args:
        make: called with the running loop, once for each.
    """

    __slots__ = ("__weakref__", "_by_loop", "_inherited", "_latest", "_make")

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], T]) -> None:
        self._make = make
        self._by_loop: dict[asyncio.AbstractEventLoop, T] = {}
        # One tuple, replaced as a whole, so that two threads never see one's loop with the other's value.
        self._latest: tuple[int, asyncio.AbstractEventLoop, T] | None = None
        self._inherited: list[dict[asyncio.AbstractEventLoop, T]] = []
        _all.add(self)

    def begin_anew(self) -> None:
        """Forget what belongs to the parent, in a forked child.

        Its loop may be running here, too, by its own account. Nothing is freed: closing the connections would
        take them out of an epoll instance that is the parent's as well.
        """
        self._inherited.append(self._by_loop)
        self._by_loop = {}
        self._latest = None

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
