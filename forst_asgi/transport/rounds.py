"""Time limits for what is nearly always over long before they count.

A timer for each exchange, or an entry in a queue, would be one of the dearer things that happen to it, and
hardly any lasts long enough to need one. So nothing is noted down. As long as something goes on, somebody
walks by at intervals and looks: what was there the last time, and still is, has lasted one interval.
"""

import asyncio
from collections.abc import Callable


class Rounds:
    """Calls `look` every `interval_s` seconds, until it says that there is nothing to look at any more.

    Args:
        loop: the event loop whose clock counts; all calls happen in its thread.
        interval_s: the time between two looks, in seconds.
        look: returns whether to come again.

    Attributes:
        is_walking: whether there will be another look.
    """

    __slots__ = ("_interval_s", "_look", "_loop", "_timer", "is_walking")

    def __init__(self, loop: asyncio.AbstractEventLoop, interval_s: float, look: Callable[[], bool]) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._look = look
        self._timer: asyncio.TimerHandle | None = None
        self.is_walking = False

    def __repr__(self) -> str:
        return f"<Rounds every {self._interval_s}s{' walking' if self.is_walking else ''}>"

    def begin(self) -> None:
        """Come by from now on; to be called when `is_walking` is false."""
        self.is_walking = True
        self._timer = self._loop.call_later(self._interval_s, self._walk)

    def stop(self) -> None:
        """Do not come again."""
        self.is_walking = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _walk(self) -> None:
        self._timer = None
        self.is_walking = False
        if self._look() and not self.is_walking:
            self.begin()
