"""One request being forwarded, and who may end it early: the client that went away, or its deadline.

Most requests are answered within a few milliseconds, and for those a task that waits for
`http.disconnect` would cost more than the forwarding itself. So nobody watches at first. The transport
says when the answer is not there at once (`UpstreamRequest.on_wait`), and only then a watcher begins to
wait; a client that went away before is found by its first `receive()`.

Watcher and deadline both work by cancelling the request's task, which is the one thing that reaches it
wherever it waits: for a connection, for the response, or for the client to take more. `translate`
turns that one cancellation back into what it means, and leaves every other one alone, as asyncio.timeout
does.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from forst_asgi.errors import ClientDisconnected, ClientTimeout, DeadlineExceeded, ForstError
from forst_asgi.events import milliseconds
from forst_asgi.forward.body import IncomingBody
from forst_asgi.messages import UpstreamRequest, UpstreamResponse
from forst_asgi.timers import TimeoutQueue
from forst_asgi.types import Receive, Scope


class Deadline(Protocol):
    """What expires calls; a `TimeoutQueue` of them is one."""

    def add(self, call: "Call", /) -> None:
        """Begin to count for a call."""
        ...

    def discard(self, call: "Call", /) -> None:
        """Stop counting for a call."""
        ...


# The one that ends an empty body, and then some. A server or middleware that answers `receive()` without
# end and without waiting would otherwise keep the watcher, and the event loop, busy for ever.
_MESSAGES_BEFORE_DISCONNECT = 8


class Call:
    """One request from its arrival to the last byte of its answer.

    Args:
        scope: the request's scope.
        receive: the ASGI callable; the watcher's, once `stream` is finished.
        loop: the running event loop.

    Attributes:
        status: the status that the client got; None until a response head was sent.
        stream: the request's body, when it is read while it is sent.
        request: what goes upstream, until its response's head came.
        response: the upstream's response, once its head came.
        has_received: whether something of the body, if only its end, was taken from `receive`, or may have
            been: with some servers a message is lost when the `receive()` for it is cancelled.
        holds_something: whether `let_go` has something to do, which after most calls it has not.
    """

    # Defaults on the class instead of slots: most calls never need most of them.
    status: int | None = None
    stream: IncomingBody | None = None
    request: UpstreamRequest | None = None
    response: UpstreamResponse | None = None
    holds_something = False
    has_received = False
    _cancelling = 0
    _deadline: Deadline | None = None
    _is_over = False
    _ended_by: ForstError | None = None
    _watcher: "asyncio.Task[None] | None" = None
    _aside: "asyncio.Task[None] | None" = None

    def __init__(self, scope: Scope, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self.scope = scope
        self._receive = receive
        self._began = time.perf_counter()
        self._loop = loop
        self._task = asyncio.current_task(loop)

    def __repr__(self) -> str:
        watched = " watched" if self._watcher is not None else ""
        return f"<Call {self.scope['method']} {self.scope['path']} status={self.status}{watched}>"

    @property
    def duration_ms(self) -> float:
        """Time since it arrived."""
        return milliseconds(time.perf_counter() - self._began)

    # -- who ends it early -------------------------------------------------------------------------

    def begin_deadline(self, deadline: Deadline) -> None:
        """Let the whole call take only as long as that queue says."""
        self._deadline = deadline
        self.holds_something = True
        deadline.add(self)

    def end_deadline(self) -> None:
        """Let the call take as long as it likes."""
        if self._deadline is not None:
            self._deadline.discard(self)
            self._deadline = None

    def expire(self) -> None:
        """End the call: its deadline passed."""
        self.end(DeadlineExceeded("the whole call took longer than the route's timeout"))

    def begin_stream(self, body: IncomingBody, patience: TimeoutQueue[IncomingBody]) -> None:
        """Send a body on as it comes; a client that stops sending holds a connection to the upstream."""
        self.stream = body
        self.holds_something = True
        body.patience = patience
        body.on_stall = self._stall_upload

    def _stall_upload(self) -> None:
        self.end(ClientTimeout("the client sent no more of its body"))

    def stall(self) -> None:
        """End the call: the client takes no more of the answer."""
        self.end(ClientTimeout("the client took no more of the answer"))

    def watch(self) -> None:
        """Begin to wait for the client's disconnect, as soon as nobody else calls `receive()`."""
        if self._watcher is not None:
            return
        self.holds_something = True
        if self.stream is not None and not self.stream.is_finished:
            self.stream.on_finished = self.watch
            return
        self._watcher = self._loop.create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        try:
            self.has_received = True
            for _ in range(_MESSAGES_BEFORE_DISCONNECT):
                if (await self._receive())["type"] == "http.disconnect":
                    break
            else:
                return
        except Exception as error:  # noqa: BLE001 - a connection that cannot be read from has no client
            gone = ClientDisconnected("the client's connection broke")
            gone.__cause__ = error
            self.end(gone)
        else:
            self.end(ClientDisconnected("the client went away before it had the whole answer"))

    def end(self, reason: ForstError) -> None:
        """Interrupt the task; `translate` tells it why."""
        if self._ended_by is None and self._task is not None and not self._is_over:
            self._ended_by = reason
            self._cancelling = self._task.cancelling()
            self._task.cancel()

    def translate(self, error: BaseException) -> BaseException:
        """Return the reason when `end`, and nobody else, caused this CancelledError; else the error."""
        if self._ended_by is None or self._task is None or not isinstance(error, asyncio.CancelledError):
            return error
        return self._ended_by if self._task.uncancel() <= self._cancelling else error

    # -- what goes on beside it --------------------------------------------------------------------

    def begin_aside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let something be done beside the call, unless it is being done, or has failed."""
        if self._aside is None or (self._aside.done() and self._aside.exception() is None):
            self.holds_something = True
            self._aside = self._loop.create_task(work())

    async def end_aside(self) -> None:
        """Wait until that is done; raise what it raised."""
        if self._aside is not None:
            await self._aside
            self._aside = None

    # -- its end -----------------------------------------------------------------------------------

    async def let_go(self) -> None:
        """Take the watcher back and let the connection go."""
        # A `receive()` that resists its cancellation may still bring a disconnect; it comes too late.
        self._is_over = True
        self.end_deadline()
        if self.stream is not None:
            self.stream.on_finished = self.stream.on_stall = None
        tasks = [task for task in (self._watcher, self._aside) if task is not None]
        self._watcher = self._aside = None
        for task in tasks:
            task.cancel()
        # Before anything is waited for: a second cancellation, which anyio sends at every await, must not
        # come between us and the connection.
        if self.response is not None:
            await self.response.aclose()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
