"""Items 36, 41, 42: how many WebSockets, for how long, and what comes before the answer that opens one."""

import asyncio
import json
import queue
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.errors import PoolFull
from forst_asgi.events import WebSocketFailed
from forst_asgi.testing import FakeTransport, RecordingObserver
from forst_asgi.websocket import Seats
from tests.transport.upstream import Run
from tests.websocket.upstream import PATIENCE_S, Browser, Peer, Site, echo, no_app, scripted

CHUNK = b"ffff\r\n%b\r\n" % (b"x" * 65535)

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"


def test_item_41_one_too_many_gets_a_503(run: Run) -> None:
    """Over `max_websockets` nothing is sent upstream; once one has ended there is room again."""

    async def main() -> None:
        first = site.visit()
        await first.accepted()
        status, fields, body = await site.visit().answered()
        assert (status, json.loads(body)["detail"]) == (503, "pool-full")
        assert fields[b"retry-after"] == b"1"
        first.leave(1000)
        await first.returned()
        assert await upstream.result() == 1000
        third = site.visit()
        await third.accepted()
        third.leave(1001)
        await third.returned()
        assert await upstream.result() == 1001

    with scripted(echo) as upstream:
        site = Site(upstream.address, upstream={"max_websockets": 1})
        run(main())
    [failed] = [each for each in site.observer.events if isinstance(each, WebSocketFailed)]
    assert (failed.stage, failed.status) == ("pool", 503)
    assert "max_websockets" in failed.error


def test_item_41_without_the_extension_one_too_many_is_closed(run: Run) -> None:
    """A server that cannot answer with a response gets a close before accept, which is its 403."""

    async def main() -> None:
        first = site.visit()
        await first.accepted()
        assert await site.visit(extensions={}).ended() == (1011, "")
        first.leave(1000)
        await first.returned()

    with scripted(echo) as upstream:
        site = Site(upstream.address, upstream={"max_websockets": 1})
        run(main())


def test_item_41_a_handshake_that_is_not_through_counts(run: Run) -> None:
    """Else any number could wait for an upstream that does not answer; a refused one gives its seat back."""
    asked: queue.Queue[Peer] = queue.Queue()
    may_answer = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        asked.put(peer)
        assert may_answer.acquire(timeout=PATIENCE_S)
        peer.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async def main() -> None:
        for _ in range(2):
            visitor = site.visit()
            await asyncio.to_thread(asked.get, timeout=PATIENCE_S)
            assert (await site.visit().answered())[0] == 503
            may_answer.release()
            assert (await visitor.answered())[0] == 404

    with scripted(script) as upstream:
        site = Site(upstream.address, upstream={"max_websockets": 1})
        run(main())


def test_item_41_routes_share_the_seats_of_their_upstream() -> None:
    """Seats of one upstream are counted together, whoever takes them."""
    taken: set[object] = set()
    one, other = Seats(2, taken), Seats(2, taken)
    with one.one(), other.one():
        assert repr(one) == "<Seats 2 of 2>"
        with pytest.raises(PoolFull, match="2 WebSockets are open"), one.one():
            raise AssertionError("there was no seat")
    with other.one():
        assert len(taken) == 1


def test_item_36_a_websocket_has_its_time(run: Run) -> None:
    """After `max_lifetime` both sides get 1001, however busy they are, and it is no failure."""

    async def main() -> None:
        visitor = site.visit()
        await visitor.accepted()
        visitor.say("busy")
        assert await visitor.ended() == (1001, "time is up")
        assert await upstream.result() == 1001

    with scripted(lambda peer: peer.accept().close_code()) as upstream:
        site = Site(upstream.address, max_lifetime="100ms", timeout="50ms")
        run(main())
    closed = site.last()
    assert (closed.name, closed.ended_by) == ("forst.websocket.closed", "middleware")


@pytest.mark.parametrize("cut", [0, 1, 12, 30, len(HINTS) - 1])
def test_item_42_interim_answers_are_no_answer(run: Run, cut: int) -> None:
    """100 and 103 before the 101 are left out, wherever they are cut in two."""

    def script(peer: Peer) -> int:
        peer.raw(HINTS[:cut])
        return peer.accept(edit=lambda answer: HINTS[cut:] + answer).close_code()

    async def main() -> None:
        visitor = Site(upstream.address).visit()
        await visitor.accepted()
        visitor.leave(1000)
        await visitor.returned()
        assert await upstream.result() == 1000

    with scripted(script) as upstream:
        run(main())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", (200, b"no")),
        (b"HTTP/1.1 426 Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", (426, b"no")),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\nuntil the end", (503, b"until the end")),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", (304, b"")),
        (HINTS + b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", (401, b"")),
        (b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK * 17, None),
        (b"HTTP/1.1 403 No\r\n\r\n" + b"x" * 1_200_000, None),
        (b"HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/2 101 No\r\n\r\n", None),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", None),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", None),
    ],
    ids=lambda value: value[9:60].decode() if isinstance(value, bytes) else None,
)
def test_item_42_other_answers_than_101(run: Run, answer: bytes, expected: tuple[int, bytes] | None) -> None:
    """What is an answer is the client's, with a body up to 1 MiB; what is none is a 502."""

    def script(peer: Peer) -> None:
        peer.raw(answer)

    async def main() -> None:
        status, _, body = await Site(upstream.address).visit().answered()
        assert status == 502 if expected is None else (status, body) == expected

    with scripted(script) as upstream:
        run(main())


def test_item_42_a_transport_of_ones_own_carries_no_websockets() -> None:
    """A fake given in `transports` gets no WebSockets: 503, and the event says why."""
    observer = RecordingObserver()
    route = RouteConfig(id="chat", path="/ws", type="websocket", mode="on", auth="none")
    config = Config(sidecar=UpstreamConfig(address="http://127.0.0.1:1"), routes=[route])
    app = SidecarMiddleware(no_app, config, transports={"sidecar": FakeTransport([])}, observer=observer)

    async def main() -> None:
        status, _, body = await Browser(app).answered()
        assert (status, json.loads(body)["detail"]) == (503, "sidecar-not-ready")

    asyncio.run(main())
    assert "has a transport that carries no WebSockets" in str(observer.events[-1])


@pytest.mark.parametrize(
    ("asgi", "message", "code"),
    [
        ({"spec_version": "2.4"}, {"code": 1005}, 1006),
        ({"spec_version": "2.4"}, {"code": 1005, "reason": ""}, 1005),
        ({"spec_version": "2.3"}, {"code": 1005}, 1005),
        ({}, {}, 1005),
        ({"spec_version": "2.4"}, {"code": 4000}, 4000),
    ],
    ids=["uvicorn, vanished", "uvicorn, no code", "granian", "nothing", "a code"],
)
def test_item_43_a_client_that_vanished_is_told_from_one_that_closed(
    run: Run, asgi: dict[str, str], message: dict[str, Any], code: int
) -> None:
    """A server that gives reasons and gives none saw no close frame: the upstream gets none either."""

    async def main() -> None:
        visitor = Site(upstream.address).visit(asgi={"version": "3.0", **asgi})
        await visitor.accepted()
        visitor.end({"type": "websocket.disconnect", **message})
        await visitor.returned()
        assert await upstream.result() == code

    with scripted(echo) as upstream:
        run(main())


def test_item_43_a_client_vanishes_while_the_upstream_is_stuck(run: Run, tmp_path: Path) -> None:
    """The upstream's connection ends at once, long before `write_timeout`."""
    may_end = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        assert may_end.wait(PATIENCE_S)

    async def main() -> None:
        visitor = Site(upstream.address, upstream={"write_timeout": "1h"}).visit()
        await visitor.accepted()
        visitor.say(bytes(8 << 20))
        await visitor.stalled()
        visitor.leave(1006)
        await visitor.returned()
        may_end.set()

    with scripted(script, tmp_path / "s") as upstream:
        run(main())


@pytest.mark.parametrize("last", ["bye", None])
def test_item_43_what_a_client_sent_before_it_closed_arrives(
    run: Run, tmp_path: Path, last: str | None
) -> None:
    """A client that closes properly while the upstream is slow loses nothing; what was read ahead follows."""
    may_read = threading.Event()

    def script(peer: Peer) -> list[int]:
        peer.accept()
        assert may_read.wait(PATIENCE_S)
        sizes = []
        while (frame := peer.frame()) is not None and frame.opcode is not Opcode.CLOSE:
            sizes.append(len(frame.data))
        return [*sizes, peer.close_code()]

    async def main() -> None:
        visitor = Site(upstream.address).visit()
        await visitor.accepted()
        visitor.say(bytes(8 << 20))
        if last is not None:
            visitor.say(last)
            visitor.say(bytes(1 << 20))
        visitor.leave(1000)
        await visitor.stalled()
        may_read.set()
        await visitor.returned()
        assert await upstream.result() == [8 << 20, *([3, 1 << 20] if last is not None else []), 1000]

    with scripted(script, tmp_path / "s") as upstream:
        run(main())
