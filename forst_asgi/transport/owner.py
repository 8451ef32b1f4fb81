"""What a connection needs of the pool that it belongs to."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from forst_asgi.timers import TimeoutQueue
from forst_asgi.transport.origin import Limits
from forst_asgi.transport.rounds import Rounds

if TYPE_CHECKING:
    from forst_asgi.transport.connection import Connection


class Owner(Protocol):
    """Keeps a connection while it is idle, and its timers while it is not.

    Attributes:
        loop: the event loop that both belong to.
        limits: within which limits the connection works.
        special: names of response fields, lower case, that are not simply passed on.
        requests: how many requests were sent until now.
        watch: looks now and then whether a response is not there at once.
        first_byte: exchanges that wait for their response head.
        writing: connections that wait until the upstream takes more.
    """

    loop: asyncio.AbstractEventLoop
    limits: Limits
    special: frozenset[bytes]
    requests: int
    watch: Rounds
    first_byte: "TimeoutQueue[Connection]"
    writing: "TimeoutQueue[Connection]"

    def idle_body_queue(self, duration_s: float | None) -> "TimeoutQueue[Connection]":
        """Return the queue for response bodies that may stand still for `duration_s` seconds."""
        ...

    def release(self, connection: "Connection") -> None:
        """Take back a connection that may be used again."""
        ...

    def discard(self, connection: "Connection") -> None:
        """Let go of a connection that was closed."""
        ...
