"""How many requests may be sent twice: 20 % of all, and 10 a second besides. Pure; `now` comes in.

One retry of one request is harmless. When an upstream goes down every request wants one at the same
time, and together they double the load on whatever is left of it.
"""

from typing import Final

RATIO: Final = 0.2
PER_SECOND: Final = 10.0
LARGEST: Final = 100.0
"""Unspent retries do not pile up beyond this."""


class RetryBudget:
    """A bucket that requests and time fill, and retries empty."""

    __slots__ = ("_left", "_now", "_requests")

    def __init__(self) -> None:
        self._left = PER_SECOND
        self._now: float | None = None
        self._requests = 0

    def __repr__(self) -> str:
        return f"<RetryBudget {self._left:.1f} left>"

    def spend(self, now: float, requests: int) -> bool:
        """Take one retry; return whether there was one left.

        Args:
            now: a clock that never goes back, in seconds.
            requests: how many requests were sent until now, in all.
        """
        elapsed = 0.0 if self._now is None else now - self._now
        earned = elapsed * PER_SECOND + (requests - self._requests) * RATIO
        self._left = min(LARGEST, self._left + earned)
        self._now, self._requests = now, requests
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
