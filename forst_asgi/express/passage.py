"""One request on the lane, from its head to its answer.

To uvicorn's protocol it is a cycle like any other: it says whether the answer is complete, so that requests
behind it in a pipeline wait, and it is told of a disconnect and of the server's end. Its states are few:

    gathering    the body is not whole yet; nothing was sent
    under way    it was sent, the answer is awaited
    over         answered, abandoned, or a real cycle took its place
"""

import time
from typing import TYPE_CHECKING, Any

from forst_asgi.errors import ResponseError
from forst_asgi.events import milliseconds
from forst_asgi.interfaces import Exchange
from forst_asgi.request_id import RequestId
from forst_asgi.routing import RouteMatch
from forst_asgi.types import Scope

if TYPE_CHECKING:
    import asyncio

    from forst_asgi.express.lane import Admission
    from forst_asgi.express.protocol import Protocol


class _Unheard:
    """Stands for the event that an app would wait for."""

    def set(self) -> None:
        """Tell nobody."""


class Passage:
    """One request; see `forward.early.Early` for what a forwarder wants to know of it.

    Args:
        protocol: the connection it came on.
        scope: the scope that the middleware would have got.
        admitted: by which route it takes the lane.

    Attributes:
        scope: the same, with what the middleware adds.
        forwarder: the route's.
        body: as much of it as is here.
        keep_alive: whether another request may follow on the connection.
        is_gathering, is_over: where it stands.
        exchange: what was sent.
        began: when it arrived, by `time.perf_counter`.
        status: what the client got, None as long as it got nothing.
        disconnected, more_body, message_event, response_complete: what uvicorn looks for in a cycle.
    """

    is_gathering = True
    is_over = False
    exchange: Exchange | None = None
    body = b""
    status: int | None = None
    disconnected = False
    more_body = True
    message_event = _Unheard()
    response_complete = False

    def __init__(
        self,
        protocol: "Protocol",
        scope: Scope,
        admitted: "Admission",
        *,
        keep_alive: bool,
    ) -> None:
        self._protocol = protocol
        self.scope = scope
        match, self.forwarder, decision = admitted
        self._match: RouteMatch[Any] = match
        self.keep_alive = keep_alive
        self.began = time.perf_counter()
        scope["forst.match"] = match
        scope["forst.decision"] = decision
        scope["forst.request_id"] = RequestId.of(scope)

    def __repr__(self) -> str:
        state = "over" if self.is_over else "gathering" if self.is_gathering else "under way"
        return f"<Passage {self.scope['method']} {self.scope['path']} {state}>"

    @property
    def duration_ms(self) -> float:
        """Time since it arrived."""
        return milliseconds(time.perf_counter() - self.began)

    def begin(self) -> bool:
        """Send it; return False when nothing was sent, and another way has to be taken."""
        try:
            exchange = self.forwarder.begin(self, self._match)
        except ResponseError:
            return False  # the usual way comes to the same, and has an answer for it
        if exchange is None:
            return False
        self.is_gathering = False
        self.exchange = exchange
        exchange.answer.add_done_callback(self._answered)
        return True

    def _answered(self, answer: "asyncio.Future[Any]") -> None:
        """Write the answer if all of it is here, else let a cycle wait for the rest, or tell why."""
        if answer.cancelled() or answer.exception() is not None or self.is_over:
            self.watch()
            return
        response = answer.result()
        if not response.is_complete or self._protocol.flow.write_paused:
            self.watch()
            return
        self.is_over = True
        self.exchange = None  # which knows us: neither would go without the garbage collector
        self.status = response.status
        self._protocol.answer(self, response, self.forwarder.finish(self, response, self._match.prefix))

    def watch(self) -> None:
        """The answer takes longer: let a cycle wait for it."""
        if not self.is_over:
            self.is_over = True
            self._protocol.carry_on(self)

    def abandon(self) -> None:
        """The client went away."""
        if self.exchange is not None and not self.is_over:
            self.is_over = True
            self.exchange.abandon()
            self.forwarder.abandon(self)
