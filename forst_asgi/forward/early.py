"""What is known of a request that was sent before there was an ASGI cycle.

A server may begin a request without one: the body is here, a connection is idle. If the whole answer is here
as soon as its head, the server is done. In every other case somebody has to wait, and waiting is what the
forwarder is for: a copy of it carries on from there with all its limits and failures, as if it had sent the
request itself. What is in here makes that copy.
"""

import asyncio
from typing import Protocol

from forst_asgi.forward.call import Call
from forst_asgi.forward.outgoing import Caller
from forst_asgi.forward.report import Reported
from forst_asgi.resilience import Breaker


class Early(Caller, Reported, Protocol):
    """A request whose body is here.

    Attributes:
        body: the same.
    """

    @property
    def body(self) -> bytes:
        """The whole body."""
        ...


class Rest:
    """What is left of one call's deadline; see `call.Deadline`.

    Args:
        loop: the running event loop.
        left_s: how long it may take from now on, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, left_s: float) -> None:
        self._loop = loop
        self._due = loop.time() + left_s
        self._timer: asyncio.TimerHandle | None = None

    def get(self) -> "Rest":
        """Return itself: there is one call, on one loop."""
        return self

    def add(self, call: Call) -> None:
        """Begin to count."""
        self._timer = self._loop.call_at(self._due, call.expire)

    def discard(self, _: Call) -> None:
        """Stop counting."""
        if self._timer is not None:
            self._timer.cancel()


class Admitted:
    """A breaker as it is to a request that it has let through: closed."""

    is_closed = True

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    @property
    def is_tainted(self) -> bool:
        """See `Breaker.is_tainted`."""
        return self._breaker.is_tainted
