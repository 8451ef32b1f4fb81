"""Time limits that cost a dictionary entry instead of a timer.

Every limit of one kind has the same length, so entries expire in the order in which they began. One
insertion-ordered dictionary and at most one pending `call_at` serve any number of them: beginning and
ending a wait never touches the event loop's heap, and an idle queue has no timer at all.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")


class TimeoutQueue(Generic[K]):
    """Calls `expire(key)` once for each key that stayed for `duration_s` seconds.

    Args:
        loop: the event loop whose clock counts; all calls happen in its thread.
        duration_s: how long a key may stay, in seconds.
        expire: called with a key that stayed too long, after it was removed.
    """

    __slots__ = ("_began", "_duration_s", "_expire", "_loop", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, duration_s: float, expire: Callable[[K], None]
    ) -> None:
        self._loop = loop
        self._duration_s = duration_s
        self._expire = expire
        self._began: dict[K, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._began)

    def __contains__(self, key: K) -> bool:
        return key in self._began

    def __repr__(self) -> str:
        return f"<TimeoutQueue {self._duration_s}s waiting={len(self._began)}>"

    def add(self, key: K) -> None:
        """Begin to count for a key that is not in the queue."""
        self._began[key] = now = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._duration_s, self._sweep)

    def discard(self, key: K) -> None:
        """Stop counting for a key; nothing happens when it is not in the queue."""
        self._began.pop(key, None)

    def clear(self) -> list[K]:
        """Take out and return all keys, and let go of the timer."""
        keys = list(self._began)
        self._began.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return keys

    def _sweep(self) -> None:
        """Expire what is due, then sleep until the oldest of the rest will be."""
        self._timer = None
        now = self._loop.time()
        due = []
        for key, began in self._began.items():
            if began + self._duration_s > now:
                break
            due.append(key)
        for key in due:
            del self._began[key]
        self._rearm()
        for key in due:
            self._expire(key)

    def _rearm(self) -> None:
        oldest = next(iter(self._began.values()), None)
        if oldest is not None:
            self._timer = self._loop.call_at(oldest + self._duration_s, self._sweep)
