"""Who ends a forwarded request early: the client that went away, or its deadline.

Most requests are answered within a few milliseconds, and for those a task that waits for
`http.disconnect` would cost more than the forwarding itself. So a request is only noted, in one
`TimeoutQueue` for all of them; the few that live longer than `PATIENCE_S` get their watcher then. A
client that went away earlier is found by that watcher's first `receive()`.

Both ends work by cancelling the request's task, which is the one thing that reaches it wherever it
waits: for a connection, for the response, or for the client to take more. `Exchange` turns that one
cancellation back into what it means, and leaves every other cancellation alone (as asyncio.timeout does).
"""

import asyncio
from typing import Final

from forst_asgi.errors import ClientDisconnected, DeadlineExceeded, ForstError
from forst_asgi.forward.body import IncomingBody
from forst_asgi.timers import TimeoutQueue
from forst_asgi.types import Receive

PATIENCE_S: Final = 0.02
"""How long a request runs before somebody watches whether its client is still there."""


class Exchange:
    """One request being forwarded, from its task's point of view.

    Args:
        task: the task that forwards it.
        receive: the ASGI callable, which is the watcher's once `stream` is finished.
        stream: the body if it is read while it is sent, else None.
    """

    __slots__ = ("_cancelling", "_deadline", "_ended_by", "_receive", "_stream", "_task", "_watcher")

    def __init__(self, task: "asyncio.Task[None]", receive: Receive, stream: IncomingBody | None) -> None:
        self._task = task
        self._receive = receive
        self._stream = stream
        self._cancelling = 0
        self._deadline: TimeoutQueue[Exchange] | None = None
        self._ended_by: ForstError | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def is_streaming(self) -> bool:
        """Whether the request's body is read while it is sent."""
        return self._stream is not None

    @property
    def may_receive(self) -> bool:
        """Whether nobody else calls `receive()`."""
        return self._stream is None or self._stream.is_finished

    @property
    def is_watched(self) -> bool:
        """Whether a task waits for the client's disconnect."""
        return self._watcher is not None

    @property
    def has_deadline(self) -> bool:
        """Whether the whole call may take only so long."""
        return self._deadline is not None

    def set_deadline(self, deadline: "TimeoutQueue[Exchange]") -> None:
        """Let the whole call take only as long as that queue says."""
        self._deadline = deadline
        deadline.add(self)

    def drop_deadline(self) -> None:
        """Let the call take as long as it likes."""
        if self._deadline is not None:
            self._deadline.discard(self)
            self._deadline = None

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to wait for the client's disconnect."""
        self._watcher = loop.create_task(self._wait_for_disconnect())

    async def stop_watching(self) -> None:
        """Take the watcher back."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None and not watcher.done():
            watcher.cancel()
            await asyncio.wait([watcher])

    def end(self, reason: ForstError) -> None:
        """Interrupt the request's task; `translate_cancellation` tells it why."""
        if self._ended_by is None:
            self._ended_by = reason
            self._cancelling = self._task.cancelling()
            self._task.cancel()

    def translate_cancellation(self) -> None:
        """On a CancelledError: raise the reason, if it was `end` and nobody else that cancelled.

        Raises:
            ClientDisconnected, DeadlineExceeded: what the cancellation meant.
        """
        if self._ended_by is not None and self._task.uncancel() <= self._cancelling:
            raise self._ended_by from None

    async def _wait_for_disconnect(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except Exception as error:  # noqa: BLE001 - a connection that cannot be read from has no client
            gone = ClientDisconnected("the client's connection broke")
            gone.__cause__ = error
            self.end(gone)
        else:
            self.end(ClientDisconnected("the client went away before it had the whole answer"))


class Watch:
    """The requests of one event loop that nobody watches yet, and the deadlines of all.

    Args:
        loop: the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._young: TimeoutQueue[Exchange] = TimeoutQueue(loop, PATIENCE_S, self._grown)
        self._deadlines: dict[float, TimeoutQueue[Exchange]] = {}

    def begin(self, exchange: Exchange, timeout_s: float | None) -> None:
        """Take note of a request, and of the seconds that it may take, if there is a limit."""
        self._young.add(exchange)
        if timeout_s is not None:
            queue = self._deadlines.get(timeout_s)
            if queue is None:
                queue = self._deadlines[timeout_s] = TimeoutQueue(self._loop, timeout_s, _expire)
            exchange.set_deadline(queue)

    def end(self, exchange: Exchange) -> None:
        """Forget a request."""
        self._young.discard(exchange)
        exchange.drop_deadline()

    def _grown(self, exchange: Exchange) -> None:
        if exchange.may_receive:
            exchange.watch(self._loop)
        else:
            self._young.add(exchange)


def _expire(exchange: Exchange) -> None:
    exchange.end(DeadlineExceeded("the whole call took longer than the route's timeout"))
