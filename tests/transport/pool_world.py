"""Both sides of a pool that a machine plays with: clients, and an upstream that does as it is told."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from forst_asgi.errors import ConnectError, ForstError
from forst_asgi.messages import RequestBody
from forst_asgi.transport import Http1Transport, Limits, Origin
from forst_asgi.types import RawHeaders
from tests.transport.upstream import OK, Peer, Upstream, asking, turns

T = TypeVar("T")

LIMITS = Limits(
    max_connections=2,
    max_pending=6,
    connect_timeout_s=2,
    pool_timeout_s=4,
    write_timeout_s=6,
    first_byte_timeout_s=6,
    idle_timeout_s=8,
    keepalive_s=10,
)
LARGE = 400_000
"""Bytes of a body that nobody reads: enough for the connection to stop reading."""

GENEROUS_S = 30.0
STILL_FOR = 12
"""So many turns in which nothing moves, and nothing will: every step of the way takes but one or two."""


class StillLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still until it is put forward."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


class Feed:
    """A request body that a rule feeds, ends or breaks."""

    content_length: int | None = None

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | ForstError] = asyncio.Queue()
        self.is_over = False

    def put(self, piece: bytes | ForstError) -> None:
        self.is_over = not piece or isinstance(piece, ForstError)
        self._pieces.put_nowait(piece)

    async def read(self) -> bytes:
        piece = await self._pieces.get()
        if isinstance(piece, ForstError):
            raise piece
        return piece


@dataclass(eq=False)
class Ask:
    """A request, from the client's point of view.

    Attributes:
        gate: set when the client reads the body; until then it has the head only.
        delay: so many turns after it was made the request is sent.
        may_fail: something was done to it, or to what it may have used, that excuses a failure.
    """

    id: bytes
    method: bytes
    body: RequestBody | bytes | None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    delay: int = 0
    may_fail: bool = False
    is_cancelled: bool = False
    has_head: bool = False
    task: "asyncio.Task[tuple[bytes | None, bytes]]" = field(init=False)

    @property
    def is_running(self) -> bool:
        return not self.task.done()


@dataclass(eq=False)
class Visit:
    """A request, from the upstream's point of view.

    Attributes:
        is_whole: all of it came.
        rest: what is still to be sent of the answer; None before it was begun.
        is_answered: nothing more will be sent.
        ends_by_closing: the answer's end is the connection's.
    """

    peer: Peer
    id: bytes
    method: bytes
    is_whole: bool = False
    rest: bytes | None = None
    is_answered: bool = False
    ends_by_closing: bool = False


class World:
    """One pool, its clients and its upstream, all on one event loop.

    Attributes:
        open_peers: the upstream's connections that neither side has closed, as far as it knows.
        expected: by request id, the body that was answered; without those that broke off.
        violations: what must not happen and did.
        refusals: so many of the next connections cannot be made.
        is_stale: something was done to idle connections that the pool may not have noticed yet.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.asks: list[Ask] = []
        self.visits: list[Visit] = []
        self.open_peers: set[Peer] = set()
        self.expected: dict[bytes, bytes] = {}
        self.violations: list[str] = []
        self.refusals = 0
        self.is_stale = False
        self.run(self._open())

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Let the loop turn until a coroutine has ended."""
        return self.loop.run_until_complete(main)

    async def _open(self) -> None:
        self.upstream = await Upstream(self._serve).__aenter__()
        self.transport = Http1Transport(self._where, LIMITS)
        self.pool = self.transport.pool()

    def _where(self) -> Origin:
        if self.refusals:
            self.refusals -= 1
            raise ConnectError("nowhere")
        return self.upstream.origin

    # -- the upstream ------------------------------------------------------------------------------

    async def _serve(self, peer: Peer) -> None:
        self.open_peers.add(peer)
        try:
            while True:
                await self._take_request(peer)
        finally:
            self.open_peers.discard(peer)

    async def _take_request(self, peer: Peer) -> None:
        head = await peer.head()
        if any(visit.peer is peer and not visit.is_answered for visit in self.visits):
            self.violations.append("a request came over a connection that is busy")
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        visit = Visit(peer, target[1:], method)
        self.visits.append(visit)
        if b"content-length: " in head:
            await peer._exactly(int(head.rpartition(b"content-length: ")[2]))
        elif b"transfer-encoding: " in head:
            while (size := int(await peer._until(b"\r\n"), 16)) > 0:
                await peer._exactly(size + 2)
            await peer._exactly(2)
        visit.is_whole = True

    def busy(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.peer in self.open_peers and not visit.is_answered]

    def idle(self) -> list[Peer]:
        busy = {visit.peer for visit in self.busy()}
        return [peer for peer in self.upstream.peers if peer in self.open_peers and peer not in busy]

    def write(self, peer: Peer, data: bytes) -> None:
        if not peer._writer.is_closing():
            peer._writer.write(data)

    def begin(self, visit: Visit, kind: str, size: int) -> None:
        """Decide on an answer; `go_on` sends it."""
        visit.rest, self.expected[visit.id] = answer_to(visit, kind, size)
        # A HEAD ends with its head: closing after that is what `disturb_idle` does.
        visit.ends_by_closing = kind == "eof" and visit.method != b"HEAD"

    def go_on(self, visit: Visit, size: int | None = None) -> None:
        """Send so many bytes of the answer, all but its last; or what is left of it."""
        rest = visit.rest or b""
        at = len(rest) if size is None else min(size, len(rest) - 1)
        visit.rest = rest[at:]
        visit.is_answered = not visit.rest
        self.write(visit.peer, rest[:at])
        if visit.is_answered and visit.ends_by_closing:
            self.hang_up(visit.peer, "close")

    def hang_up(self, peer: Peer, how: str) -> None:
        self.open_peers.discard(peer)
        if how == "reset":
            peer._writer.transport.abort()
        else:
            peer._writer.close()

    # -- the client --------------------------------------------------------------------------------

    async def fetch(self, ask: Ask) -> tuple[bytes | None, bytes]:
        await turns(ask.delay)
        is_replayable = ask.method != b"POST"
        request = asking(ask.method, b"/" + ask.id, body=ask.body, is_replayable=is_replayable)
        response = await self.transport.send(request)
        ask.has_head = True
        try:
            await ask.gate.wait()
            parts = []
            while not response.has_ended:
                parts.append(await response.read())
        finally:
            await response.aclose()
        return named(response.headers), b"".join(parts)

    async def cancel(self, ask: Ask, after: int) -> None:
        """Cancel a request after so many turns, amid what else happens in the last of them."""
        await turns(after)
        if ask.is_running:
            ask.is_cancelled = True
            ask.task.cancel()

    def running(self) -> list[Ask]:
        return [ask for ask in self.asks if ask.is_running]

    def unserved(self) -> list[Ask]:
        """Return the requests that nobody answers: in line, connecting, or on their way."""
        served = {visit.id for visit in self.busy()}
        return [ask for ask in self.running() if not ask.has_head and ask.id not in served]

    def excuse(self, *asks: Ask) -> None:
        for ask in asks:
            ask.may_fail = True

    def excuse_visit(self, visit: Visit) -> None:
        self.excuse(*(ask for ask in self.asks if ask.id == visit.id))

    # -- what must hold ----------------------------------------------------------------------------

    async def settled(self) -> None:
        seen, left = "", STILL_FOR
        while left:
            await turns(1)
            now = f"{self.pool} {len(self.open_peers)} {len(self.visits)} {len(self.running())}"
            now += str([len(peer.received) for peer in self.upstream.peers])
            now += str([peer._writer.transport.get_write_buffer_size() for peer in self.upstream.peers])
            left = left - 1 if now == seen else STILL_FOR
            seen = now

    def check_outcome(self, ask: Ask) -> None:
        visits = sum(visit.id == ask.id for visit in self.visits)
        assert visits <= (1 if ask.method == b"POST" else 2), f"{ask.id!r} was sent {visits} times"
        if ask.is_running:
            assert not ask.is_cancelled
            return
        if ask.task.cancelled():
            assert ask.is_cancelled
            return
        error = ask.task.exception()
        if error is not None:
            assert isinstance(error, ForstError), error
            assert ask.may_fail, error
            return
        name, body = ask.task.result()
        assert name == ask.id
        assert body == (b"" if ask.method == b"HEAD" else self.expected[ask.id])

    def check_counts(self) -> None:
        waiting = self.unserved()
        held = sum(ask.is_running and not ask.gate.is_set() for ask in self.asks)
        assert self.pool._connecting == 0
        assert len(self.pool._waiting) == len(waiting)
        assert not waiting or (self.pool.idle == 0 and self.pool.slots == LIMITS.max_connections)
        # A connection that stopped reading, because nobody takes what came, learns of its end only later.
        assert 0 <= self.pool.slots - len(self.open_peers) <= held
        assert 0 <= len(self.idle()) - self.pool.idle <= held

    async def close(self) -> None:
        """Close the transport amid whatever goes on; that alone must end every request."""
        await self.transport.aclose()
        for ask in self.asks:
            ask.gate.set()
        await self.settled()
        assert self.open_peers == set()
        await self.upstream.__aexit__(None, None, None)


def chosen(candidates: list[T], which: int) -> T:
    """Return one of them."""
    return candidates[which % len(candidates)]


def named(headers: RawHeaders) -> bytes | None:
    """Return whose answer it is."""
    return dict(headers).get(b"x-id")


def answer_to(visit: Visit, kind: str, size: int) -> tuple[bytes, bytes]:
    """Return an answer of that kind as raw bytes, and the body that a client must find in it."""
    body = visit.id + b":" + b"x" * size
    fields = b"x-id: " + visit.id + b"\r\n"
    if kind in ("204", "304"):
        return b"HTTP/1.1 %b Nothing\r\n%b\r\n" % (kind.encode(), fields), b""
    if kind == "chunked":
        framing, raw = b"transfer-encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif kind == "eof":
        framing, raw = b"", body
    else:
        framing, raw = b"content-length: %d\r\n" % len(body), body
    if kind == "close":
        framing += b"connection: close\r\n"
    if visit.method == b"HEAD":
        raw = b""
    if kind == "unasked":
        raw += OK
    return b"HTTP/1.1 200 OK\r\n" + fields + framing + b"\r\n" + raw, body
