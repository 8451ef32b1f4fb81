"""One WebSocket while it lasts: messages both ways at once, until somebody ends it.

Each direction is a task, because neither may wait for the other: a client that sends without end must not
keep the upstream's messages from it. Both are children of the server's own task for this WebSocket, which
waits for the first of them to end, takes the others back, and tells both sides.

    task         from         to           ends when
    upward       client       upstream     the client closes, or goes away
    downward     upstream     client       the upstream declines, closes, breaks off or breaks the protocol
    idle         -            -            nothing came from either side for the route's `idle_timeout`
    lifetime     -            -            it was open for the route's `max_lifetime`
    keep-alive   -            upstream     a ping went unanswered for the route's `ping_interval`
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from forst_asgi.errors import BodyTooLarge, ClientDisconnected, IdleTimeout, UpstreamError
from forst_asgi.types import RawHeaders
from forst_asgi.websocket.client import Client
from forst_asgi.websocket.ending import ABNORMAL, GOING_AWAY, INTERNAL_ERROR, RESTART, TOO_BIG, Ending
from forst_asgi.websocket.frames import Message
from forst_asgi.websocket.link import Link
from forst_asgi.websocket.opening import end_to_end

Open: TypeAlias = Callable[[], Awaitable[tuple[Link, RawHeaders]]]
Pump: TypeAlias = Callable[[], Coroutine[Any, Any, Ending]]


@dataclass(frozen=True, slots=True)
class Times:
    """The time limits of one open WebSocket, in seconds.

    Attributes:
        idle_timeout_s: how long nothing may come from either side.
        ping_interval_s: how often the upstream is pinged, None for never.
        max_lifetime_s: how long it may stay open, None for as long as it likes.
    """

    idle_timeout_s: float
    ping_interval_s: float | None
    max_lifetime_s: float | None


class Session:
    """One WebSocket between a client and an upstream.

    Args:
        client: the client's side.
        times: its time limits.
        on_accepted: called once both sides are open.

    Attributes:
        client_messages: how many messages came from the client.
        upstream_messages: how many messages came from the upstream.
    """

    def __init__(self, client: Client, times: Times, on_accepted: Callable[[], None]) -> None:
        self._client = client
        self._times = times
        self._on_accepted = on_accepted
        self._link: Link | None = None
        self._accepted = asyncio.Event()
        self._ahead: asyncio.Task[Message | Ending] | None = None
        self._client_at = 0.0
        self.client_messages = 0
        self.upstream_messages = 0

    def __repr__(self) -> str:
        return f"<Session {self._link} up={self.client_messages} down={self.upstream_messages}>"

    async def run(self, open_link: Open) -> Ending:
        """Open the upstream's side, then the client's, carry messages, and close both.

        Args:
            open_link: opens the upstream's side; called once.

        Raises:
            Declined, ResponseError: what `open_link` raised; the client has no answer yet.
        """
        pumps: list[Pump] = [self._upward, lambda: self._downward(open_link), self._watch_idle]
        if self._times.ping_interval_s is not None:
            pumps.append(self._keep_alive)
        if self._times.max_lifetime_s is not None:
            pumps.append(self._grow_old)
        tasks = [asyncio.create_task(pump()) for pump in pumps]
        try:
            return await self._until_the_end(tasks)
        finally:
            if self._link is not None:
                self._link.abort()

    async def _until_the_end(self, tasks: list[asyncio.Task[Ending]]) -> Ending:
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._stop(tasks)
            await self._close(Ending("middleware", RESTART, "the server stops"))
            raise
        await self._stop(tasks)
        # The client's word counts first: it was there before what its end may have led to.
        ending = next(task for task in tasks if not task.cancelled()).result()
        await self._close(ending)
        return ending

    async def _stop(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # takes note of it, so that nobody else complains

    async def _close(self, ending: Ending) -> None:
        """Tell both sides how it ended; whoever ended it knows."""
        if self._link is not None:
            self._link.say(ending)
        if ending.by != "client" and self._client.is_accepted:
            await self._client.close(ending)
        if self._link is not None:
            await self._link.aclose(ending)

    # -- the tasks ---------------------------------------------------------------------------------

    async def _upward(self) -> Ending:
        try:
            while not isinstance(message := await self._next(), Ending):
                await self._accepted.wait()
                self._client_at = _now()
                self.client_messages += 1
                self._live_link.send(message)
                if self._live_link.is_clogged and (end := await self._unclogged(self._live_link)):
                    return end
        except BodyTooLarge as error:
            return Ending("middleware", TOO_BIG, "message too big", error)
        except UpstreamError as error:
            return Ending("upstream", ABNORMAL, error=error)
        else:
            return message
        finally:
            if self._ahead is not None:
                await self._stop([self._ahead])

    async def _next(self) -> Message | Ending:
        ahead, self._ahead = self._ahead, None
        return await (ahead if ahead is not None else self._client.read())

    async def _unclogged(self, link: Link) -> Ending | None:
        """Wait until the upstream takes more; return the end of a client that vanishes meanwhile.

        A client that closes properly is none that vanished: what it sent before shall arrive.

        Raises:
            WriteTimeout: the upstream takes nothing.
        """
        self._ahead = ahead = asyncio.create_task(self._client.read())
        room = asyncio.create_task(link.room())
        try:
            await asyncio.wait({room, ahead}, return_when=asyncio.FIRST_COMPLETED)
            end = ahead.result() if ahead.done() else None
            if isinstance(end, Ending) and end.is_abnormal:
                return end
            await room
        finally:
            await self._stop([room])
        return None

    async def _downward(self, open_link: Open) -> Ending:
        link, headers = await open_link()
        self._link = link
        try:
            await self._client.accept(link.subprotocol, end_to_end(headers))
            self._on_accepted()
            self._accepted.set()
            while True:
                for message in await link.read():
                    await self._client.write(message)
                    self.upstream_messages += 1
                if link.ending is not None:
                    return link.ending
        except ClientDisconnected:
            return Ending("client", ABNORMAL)

    async def _watch_idle(self) -> Ending:
        await self._accepted.wait()
        # An event to set and clear would cost each message more than asking the clock once in a while.
        while (left := self._last_sign_at + self._times.idle_timeout_s - _now()) > 0:  # noqa: ASYNC110 - see above
            await asyncio.sleep(left)
        return Ending("middleware", GOING_AWAY, "idle", IdleTimeout("nothing came from either side"))

    async def _grow_old(self) -> Ending:
        await self._accepted.wait()
        await asyncio.sleep(self._times.max_lifetime_s or 0)
        return Ending("middleware", GOING_AWAY, "time is up")

    async def _keep_alive(self) -> Ending:
        await self._accepted.wait()
        link = self._live_link
        while True:
            # Behind what the upstream does not take a ping proves nothing; `write_timeout` is for that.
            asked_at = None if link.is_clogged else _now()
            if asked_at is not None:
                link.ping()
            await asyncio.sleep(self._times.ping_interval_s or 0)
            # While the client is slow, nobody reads what the upstream may have answered.
            if asked_at is not None and link.heard_at < asked_at and link.is_waiting:
                silent = IdleTimeout("the upstream answers no ping")
                return Ending("middleware", INTERNAL_ERROR, "the upstream answers no ping", silent)

    @property
    def _live_link(self) -> Link:
        if self._link is None:
            raise AssertionError("unreachable: accepted without an upstream")
        return self._link

    @property
    def _last_sign_at(self) -> float:
        return max(self._live_link.heard_at, self._client_at)


def _now() -> float:
    return asyncio.get_running_loop().time()
