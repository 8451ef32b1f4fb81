"""The connections to one origin on one event loop.

A slot is held from the moment a connection is being made until it is closed; the number of slots in use
is `max_connections` at most. Requests that find neither an idle connection nor a free slot wait in
line, first come, first served. What is handed to a waiter is either an idle connection or a slot
(`None`), and whoever was handed something and cannot use it any more gives it back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from forst_asgi.errors import (
    ConnectError,
    PoolFull,
    PoolTimeout,
    TransportClosed,
)
from forst_asgi.headers import HOP_BY_HOP
from forst_asgi.timers import TimeoutQueue
from forst_asgi.transport.budget import RetryBudget
from forst_asgi.transport.connecting import connect, connect_failure
from forst_asgi.transport.connection import Connection
from forst_asgi.transport.origin import Limits, Origin
from forst_asgi.transport.rounds import Rounds

PATIENCE_S: Final = 0.02
"""How long a response may take, once or twice, before its exchange is prepared for a longer wait."""

_RESTS: Final = 4
"""How often an idle connection is looked at within its time; it goes at the last look."""


class Pool:
    """Keep-alive connections to one origin, for one event loop.

    Args:
        origin: returns where connections are made to; asked anew for each one, because a sidecar that is
            restarted may listen elsewhere.
        limits: how many, and for how long.
        loop: the event loop that all of them belong to.
        unwanted: names of response fields, lower case, that nobody wants to see.
    """

    def __init__(
        self,
        origin: Callable[[], Origin],
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        unwanted: frozenset[bytes] = frozenset(),
    ) -> None:
        self.special = HOP_BY_HOP | unwanted
        self.origin = origin
        self.limits = limits
        self.loop = loop
        self.requests = 0
        self.retries = RetryBudget()
        self._open: set[Connection] = set()
        self._connecting = 0
        self._is_closed = False
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._idle: list[Connection] = []  # newest last, and first out, so that the others can expire
        self._seen_requests = 0
        self.watch = Rounds(loop, PATIENCE_S, self._look_at_exchanges)
        self._rests = Rounds(loop, limits.keepalive_s / _RESTS, self._look_at_idle)
        self.first_byte: TimeoutQueue[Connection] = TimeoutQueue(
            loop, limits.first_byte_timeout_s, Connection.expire_first_byte
        )
        self.writing: TimeoutQueue[Connection] = TimeoutQueue(
            loop, limits.write_timeout_s, Connection.expire_writing
        )
        self._idle_bodies: dict[float, TimeoutQueue[Connection]] = {}
        self.idle_body = self.idle_body_queue(limits.idle_timeout_s)

    def __repr__(self) -> str:
        return (
            f"<Pool open={len(self._open)} idle={len(self._idle)} "
            f"connecting={self._connecting} waiting={len(self._waiting)}>"
        )

    @property
    def slots(self) -> int:
        """How many slots are in use."""
        return len(self._open) + self._connecting

    @property
    def idle(self) -> int:
        """How many connections wait to be used."""
        return len(self._idle)

    def idle_body_queue(self, duration_s: float | None) -> TimeoutQueue[Connection]:
        """Return the queue for response bodies that may stand still for `duration_s` seconds."""
        if duration_s is None:
            return self.idle_body
        queue = self._idle_bodies.get(duration_s)
        if queue is None:
            queue = TimeoutQueue(self.loop, duration_s, Connection.expire_idle)
            self._idle_bodies[duration_s] = queue
        return queue

    def take_idle(self, *, is_replayable: bool = False) -> Connection | None:
        """Return the idle connection that was used last, None when there is none.

        One that has ended without our knowing is no harm to a request that may be sent again. For others it
        is worth a look.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_usable and (is_replayable or not connection.has_news):
                return connection
            connection.close()
        return None

    async def acquire(self, *, is_replayable: bool = False) -> Connection:
        """Return a connection that nobody else uses: an idle one, a new one, or one waited for.

        Args:
            is_replayable: whether the request may be sent again.

        Raises:
            PoolFull, PoolTimeout, TransportClosed, ConnectError, ConnectTimeout
        """
        if self._is_closed:
            raise TransportClosed("the transport is closed")
        while True:
            connection = self.take_idle(is_replayable=is_replayable)
            if connection is not None:
                return connection
            if self.slots < self.limits.max_connections:
                self._connecting += 1
                return await self._connect()
            connection = await self._wait_in_line()
            if connection is None:
                return await self._connect()
            await self._let_it_speak(connection)
            if connection.is_usable and not connection.has_news:
                return connection
            connection.close()

    async def _connect(self) -> Connection:
        """Make a connection, for which the slot is held already."""
        try:
            origin = self.origin()
            timeout_s = self.limits.connect_timeout_s
            _, connection = await connect(origin, lambda: Connection(self), timeout_s)
        except BaseException as error:
            self._connecting -= 1
            self._hand_on_slot()
            failure = connect_failure(error)
            if failure is None:
                raise
            raise failure from error
        self._connecting -= 1
        if self._is_closed or not connection.is_usable:
            connection.close()
            self._hand_on_slot()
            if self._is_closed:
                raise TransportClosed("the transport was closed while connecting")
            raise ConnectError("the upstream spoke or hung up before it was asked")
        self._open.add(connection)
        return connection

    # -- waiting in line ---------------------------------------------------------------------------

    async def _wait_in_line(self) -> Connection | None:
        """Return a connection, or None for a slot that is held for the caller."""
        if len(self._waiting) >= self.limits.max_pending:
            raise PoolFull(f"{len(self._waiting)} requests wait for a connection already")
        turn: asyncio.Future[Connection | None] = self.loop.create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.limits.pool_timeout_s):
                return await turn
        except BaseException as error:
            self._give_back(turn)
            if isinstance(error, TimeoutError):
                raise PoolTimeout("no connection became free in time") from error
            raise

    async def _let_it_speak(self, connection: Connection) -> None:
        """Give a connection that was handed over a turn of the loop to break, or to say more than it should.

        An idle one had that turn. This one comes straight from another exchange.
        """
        try:
            await asyncio.sleep(0)
        except BaseException:
            if connection.is_usable:
                self.release(connection)
            raise

    def _give_back(self, turn: "asyncio.Future[Connection | None]") -> None:
        """Leave the line; what was handed over in the same moment goes to the next in it."""
        if not turn.done() or turn.cancelled():
            turn.cancel()
            if turn in self._waiting:
                self._waiting.remove(turn)
            return
        if turn.exception() is not None:
            return
        connection = turn.result()
        if connection is None:
            self._connecting -= 1
            self._hand_on_slot()
        else:
            self.release(connection)

    def _next_in_line(self) -> "asyncio.Future[Connection | None] | None":
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None

    def _hand_on_slot(self) -> None:
        """A slot became free: hold it for the next in line."""
        if self.slots < self.limits.max_connections and (turn := self._next_in_line()) is not None:
            self._connecting += 1
            turn.set_result(None)

    # -- what connections call ---------------------------------------------------------------------

    def release(self, connection: Connection) -> None:
        """Take back a connection that may be used again."""
        if self._is_closed:
            connection.close()
        elif self._waiting and (turn := self._next_in_line()) is not None:
            turn.set_result(connection)
        else:
            self._idle.append(connection)
            if not self._rests.is_walking:
                self._rests.begin()

    def discard(self, connection: Connection) -> None:
        """Let go of a connection that was closed."""
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._open:
            self._open.remove(connection)
            self._hand_on_slot()

    # -- what takes long ---------------------------------------------------------------------------

    def _look_at_exchanges(self) -> bool:
        """Find those whose response is not there at once."""
        goes_on = self._seen_requests != self.requests
        self._seen_requests = self.requests
        for connection in tuple(self._open):
            goes_on |= connection.look()
        return goes_on

    def _look_at_idle(self) -> bool:
        """Close the connections that nobody used for `keepalive_s`, or for little less."""
        for connection in tuple(self._idle):
            if connection.rest() == _RESTS:
                connection.close()
        return bool(self._idle)

    # -- the end -----------------------------------------------------------------------------------

    def purge(self) -> None:
        """Close the idle connections: what they lead to is not there any more."""
        for connection in tuple(self._idle):
            connection.close()

    async def aclose(self) -> None:
        """Close every connection and send everybody in line away. Exchanges that go on are cut off."""
        self._is_closed = True
        while (turn := self._next_in_line()) is not None:
            turn.set_exception(TransportClosed("the transport was closed"))
        for connection in list(self._open):
            connection.fail(TransportClosed("the transport was closed"))
            await connection.cancel()
        for queue in (self.first_byte, self.writing, *self._idle_bodies.values()):
            queue.clear()
        self.watch.stop()
        self._rests.stop()
