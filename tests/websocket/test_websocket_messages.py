"""Item 43: messages both ways, whole and unchanged, and how either side's end reaches the other."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.transport.upstream import Run
from tests.websocket.upstream import PATIENCE_S, Browser, Peer, Site, echo, scripted

CHUNK = b"x" * 65536

FINAL_TEXT = 0x81
FINAL_BINARY = 0x82


def frame(first: int, data: bytes, *, mask_bit: int = 0) -> bytes:
    """A short frame as it is on the wire."""
    return bytes([first, mask_bit | len(data)]) + data


def sends(*raw: bytes) -> Callable[[Peer], int]:
    """A script that accepts, sends these bytes, and returns the close code that comes."""

    def script(peer: Peer) -> int:
        peer.accept()
        for data in raw:
            peer.raw(data)
        return peer.close_code()

    return script


async def opened(site: Site, **scope: Any) -> Browser:
    """A client whose WebSocket is open."""
    visitor = site.visit(**scope)
    await visitor.accepted()
    return visitor


def test_item_43_fragments_are_put_together(run: Run) -> None:
    """A message in pieces arrives whole, pings between them and characters cut in two included."""
    euro = "€".encode()
    script = sends(
        frame(0x01, b"a" + euro[:1]),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, euro[1:]),
        frame(0x02, b"\x00"),
        frame(0x80, b"\xff"),
        frame(FINAL_TEXT, b""),
        frame(FINAL_BINARY, b""),
    )

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        heard = [await visitor.hear() for _ in range(4)]
        assert [message.get("text", message.get("bytes")) for message in heard] == [
            "a€",
            b"\x00\xff",
            "",
            b"",
        ]
        visitor.leave(1000)
        await visitor.returned()

    with scripted(script) as upstream:
        run(main())


@pytest.mark.parametrize(
    ("raw", "heard", "code"),
    [
        (frame(FINAL_TEXT, b"early"), ["early"], None),
        (frame(FINAL_TEXT, b"early") + frame(0x88, struct.pack("!H", 4000)), ["early"], 4000),
        (frame(0x88, struct.pack("!H", 4000)), [], 4000),
        (frame(0x83, b""), [], 1002),
    ],
    ids=["message", "message and close", "close", "junk"],
)
def test_item_43_what_comes_with_the_handshake_is_not_lost(
    run: Run, raw: bytes, heard: list[str], code: int | None
) -> None:
    """A message, a close or a fault in the same bytes as the 101 counts as any other."""

    def script(peer: Peer) -> int:
        response = peer.protocol.accept(peer.request)
        peer.protocol.send_response(response)
        peer.raw(b"".join(peer.protocol.data_to_send()) + raw)
        return peer.close_code()

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        assert [(await visitor.hear())["text"] for _ in heard] == heard
        if code is None:
            visitor.leave(1000)
            await visitor.returned()
        else:
            assert (await visitor.ended())[0] == code
        assert await upstream.result() == (code or 1000)

    with scripted(script) as upstream:
        run(main())


def test_item_43_a_ping_is_answered(run: Run) -> None:
    """The upstream's ping comes back as a pong with the same payload, and a stray pong is nothing."""

    def script(peer: Peer) -> tuple[Any, bytes]:
        peer.accept()
        peer.protocol.send_pong(b"stray")
        peer.protocol.send_ping(b"are you there")
        peer.flush()
        pong = peer.frame()
        assert pong is not None
        peer.close(1000)
        return pong.opcode, bytes(pong.data)

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        assert await visitor.ended() == (1000, "")
        assert await upstream.result() == (Opcode.PONG, b"are you there")

    with scripted(script) as upstream:
        run(main())


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (frame(FINAL_TEXT, b"\xff\xfe"), 1007),
        (frame(0x01, b"\xe2\x82") + frame(0x80, b"") + frame(FINAL_BINARY, b"late"), 1007),
        (frame(0x88, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(FINAL_BINARY, b"x" * 101), 1009),
        (frame(0x02, b"x" * 60) + frame(0x80, b"x" * 60), 1009),
        (frame(0xC1, b"a"), 1002),
        (frame(0x83, b"a"), 1002),
        (frame(FINAL_TEXT, b"\0\0\0\0", mask_bit=0x80), 1002),
        (frame(0x80, b"nothing to continue"), 1002),
        (frame(0x01, b"a") + frame(FINAL_TEXT, b"b"), 1002),
        (frame(0x09, b"a fragmented ping"), 1002),
        (frame(0x88, struct.pack("!H", 1005)), 1002),
        (frame(0x88, b"\x03"), 1002),
    ],
    ids=str,
)
def test_item_43_what_no_websocket_may_send_ends_it(run: Run, raw: bytes, code: int) -> None:
    """Text that is not UTF-8, too much, or a broken frame: both sides get the code, and no message."""

    async def main() -> None:
        visitor = await opened(site)
        got, _ = await visitor.ended()
        assert (got, visitor.sent) == (code, 2)
        assert await upstream.result() == code

    with scripted(sends(raw)) as upstream:
        site = Site(upstream.address, max_message=100)
        run(main())
    failed = site.last()
    assert (failed.name, failed.stage, failed.ended_by) == ("forst.websocket.failed", "body", "upstream")


def test_item_43_a_frame_that_is_too_large_is_refused_by_its_header(run: Run) -> None:
    """Eight bytes that announce a terabyte are enough to end it."""

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        assert (await visitor.ended())[0] == 1009

    with scripted(sends(bytes([FINAL_BINARY, 127]) + struct.pack("!Q", 2**40))) as upstream:
        run(main())


@pytest.mark.parametrize("message", [b"x" * 101, "é" * 51])
def test_item_43_a_client_that_sends_too_much(run: Run, message: str | bytes) -> None:
    """Over `max_message` in bytes: closed with 1009 on both sides, and the upstream does not get it."""

    async def main() -> None:
        visitor = await opened(site)
        visitor.say(message)
        assert await visitor.ended() == (1009, "message too big")
        assert await upstream.result() == 1009

    with scripted(echo) as upstream:
        site = Site(upstream.address, max_message=100)
        run(main())
    assert (site.last().ended_by, site.last().stage) == ("middleware", "request")


def test_item_43_a_message_of_exactly_the_limit_passes(run: Run) -> None:
    """`max_message` is what is allowed, in both directions."""

    async def main() -> None:
        visitor = await opened(Site(upstream.address, max_message=100))
        visitor.say(b"x" * 100)
        assert await visitor.hear() == {"type": "websocket.send", "bytes": b"x" * 100}
        visitor.leave(1000)
        await visitor.returned()

    with scripted(echo) as upstream:
        run(main())


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1000, "", (1000, "")),
        (1001, "off", (1001, "off")),
        (3000, "ä" * 61, (3000, "ä" * 61)),
        (4999, "mine", (4999, "mine")),
        (1014, "gateway", (1014, "gateway")),
        (None, "", (1000, "")),
    ],
)
def test_item_43_the_upstreams_close_is_the_clients(
    run: Run, code: int | None, reason: str, expected: tuple[int, str]
) -> None:
    """Code and reason pass; a close frame without a code is ASGI's 1000. What came before it comes first."""

    def script(peer: Peer) -> int:
        peer.accept()
        peer.text("last words")
        peer.close(code, reason)
        return peer.close_code()

    async def main() -> None:
        visitor = await opened(site)
        assert (await visitor.hear())["text"] == "last words"
        assert await visitor.ended() == expected
        assert await upstream.result() == (code or 1005)

    with scripted(script) as upstream:
        site = Site(upstream.address)
        run(main())
    assert (site.last().ended_by, site.last().close_code) == ("upstream", code or 1005)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1000, "", (1000, "")),
        (4000, "why", (4000, "why")),
        (4000, "ä" * 100, (4000, "ä" * 61)),
        (1005, "", (1005, "")),
        (1006, "", None),
        (1015, "", None),
        (999, "", None),
    ],
)
def test_item_43_the_clients_close_is_the_upstreams(
    run: Run, code: int, reason: str, expected: tuple[int, str] | None
) -> None:
    """Code and reason pass; without a code there is none; what was no close frame becomes none."""

    def script(peer: Peer) -> tuple[int, str] | None:
        peer.accept().close_code()
        closed = peer.protocol.close_rcvd
        return None if closed is None else (closed.code, closed.reason)

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        visitor.leave(code, reason)
        await visitor.returned()
        assert await upstream.result() == expected

    with scripted(script) as upstream:
        run(main())


@pytest.mark.parametrize("is_reset", [False, True])
def test_item_43_an_upstream_that_vanishes_is_told(run: Run, *, is_reset: bool) -> None:
    """Its connection ends without a close frame, or is reset amid a frame: the client gets 1011."""

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("hello")
        peer.data()
        peer.raw(b"\x82\x7f\x00")
        if is_reset:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def main() -> None:
        visitor = await opened(site)
        await visitor.hear()
        visitor.say("go")
        assert await visitor.ended() == (1011, "")

    with scripted(script) as upstream:
        site = Site(upstream.address)
        run(main())
    failed = site.last()
    assert (failed.ended_by, failed.close_code, failed.client_messages) == ("upstream", 1006, 1)
    assert failed.error.startswith("body-error")


def test_item_43_a_client_that_cannot_be_sent_to_is_gone(run: Run) -> None:
    """An OSError from `send` ends the upstream's side, without a close frame."""

    def script(peer: Peer) -> int:
        peer.accept()
        peer.data()
        peer.text("into the void")
        return peer.close_code()

    async def main() -> None:
        visitor = await opened(site)
        visitor.is_gone = True
        visitor.say("go")
        await visitor.returned()
        assert await upstream.result() == 1006

    with scripted(script) as upstream:
        site = Site(upstream.address)
        run(main())
    assert (site.last().name, site.last().ended_by) == ("forst.websocket.closed", "client")


def test_item_43_a_client_that_cannot_be_read_from_is_gone(run: Run) -> None:
    """So does an OSError from `receive`."""

    async def main() -> None:
        site = Site(upstream.address)
        messages = iter([{"type": "websocket.connect"}])

        async def receive() -> Any:
            for message in messages:
                return message
            await accepted.wait()
            raise OSError("broken")

        async def send(message: Any) -> None:
            accepted.set()

        accepted = asyncio.Event()
        scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "headers": [(b"host", b"x")]}
        await site.middleware({**scope, "scheme": "wss"}, receive, send)
        assert await upstream.result() == 1006

    with scripted(echo) as upstream:
        run(main())


def test_item_43_messages_after_the_upstreams_close_are_dropped(run: Run) -> None:
    """A client that goes on while the close is on its way does no harm."""

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        for _ in range(100):
            visitor.say("and another thing")
        assert (await visitor.ended())[0] == 4002

    def script(peer: Peer) -> None:
        peer.accept()
        peer.data()
        peer.close(4002)

    with scripted(script) as upstream:
        run(main())


# -- backpressure ------------------------------------------------------------------------------------


def test_item_43_a_slow_client_stops_the_upstream(run: Run, tmp_path: Path) -> None:
    """While the client takes nothing, the upstream can send only what fits into buffers."""

    def flood(peer: Peer) -> int:
        peer.accept()
        peer.protocol.send_binary(CHUNK)
        [data] = peer.protocol.data_to_send()
        peer.socket.settimeout(0.5)
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 1 << 30:
                taken += peer.socket.send(data)
        return taken

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        visitor.gate.clear()
        assert await upstream.result() < 4 << 20
        visitor.gate.set()
        visitor.leave()
        await visitor.returned()

    with scripted(flood, tmp_path / "s") as upstream:
        run(main())


def test_item_43_a_slow_upstream_stops_the_client(run: Run, tmp_path: Path) -> None:
    """While the upstream reads nothing, `receive` is not called; afterwards everything arrives."""
    count = 500

    async def main() -> None:
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def sleepy(peer: Peer) -> int:
            peer.accept()
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE_S)
            for _ in range(count):
                assert peer.data() == CHUNK
            return peer.close_code()

        with scripted(sleepy, tmp_path / "s") as upstream:
            visitor = await opened(Site(upstream.address))
            for _ in range(count):
                visitor.say(CHUNK)
            await visitor.stalled()
            seen = visitor.pulled
            assert 1 < seen < count / 5
            visitor.leave(1000)
            go_on.set()
            await visitor.returned()
            assert await upstream.result() == 1000

    run(main())


def test_item_43_a_flood_both_ways_does_not_deadlock(run: Run) -> None:
    """An echo of much more than buffers hold comes back whole, in order."""
    count = 300

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        for number in range(count):
            visitor.say(b"%d " % number + CHUNK)
        for number in range(count):
            assert (await visitor.hear())["bytes"].startswith(b"%d " % number)
        visitor.leave(1000)
        await visitor.returned()

    with scripted(echo) as upstream:
        run(main())


def test_item_43_an_upstream_that_takes_nothing_is_given_up(run: Run, tmp_path: Path) -> None:
    """After `write_timeout` the client gets 1011, and the connection is cut."""

    async def main() -> None:
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def sleepy(peer: Peer) -> None:
            peer.accept()
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE_S)

        with scripted(sleepy, tmp_path / "s") as upstream:
            site = Site(upstream.address, upstream={"write_timeout": "100ms"})
            visitor = await opened(site)
            for _ in range(100):
                visitor.say(CHUNK)
            assert await visitor.ended() == (1011, "")
            assert (site.last().stage, site.last().close_code) == ("write", 1006)
            go_on.set()
            await upstream.result()

    run(main())


def test_item_43_a_flood_of_pings_is_bounded(run: Run, tmp_path: Path) -> None:
    """An upstream that pings without end and reads no answer gets some answers and then no more."""
    count = 20_000

    def pings(peer: Peer) -> int:
        peer.accept()
        for _ in range(count):
            peer.raw(frame(0x89, b"p" * 100))
        peer.text("done")
        pongs = 0
        while (answer := peer.frame()) is not None and answer.opcode is Opcode.PONG:
            pongs += 1
        return pongs

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        assert (await visitor.hear())["text"] == "done"
        visitor.leave(1000)
        await visitor.returned()
        assert 0 < await upstream.result() < count

    with scripted(pings, tmp_path / "s") as upstream:
        run(main())


# -- silence -----------------------------------------------------------------------------------------


def test_item_43_silence_ends_it(run: Run) -> None:
    """Nothing from either side for `idle_timeout`: 1001 on both."""

    async def main() -> None:
        visitor = await opened(site)
        assert await visitor.ended() == (1001, "idle")
        assert await upstream.result() == 1001

    with scripted(echo) as upstream:
        site = Site(upstream.address, idle_timeout="50ms")
        run(main())
    assert site.last().error.startswith("idle-timeout")


def test_item_43_a_sign_of_life_keeps_it_open(run: Run) -> None:
    """Messages of the client and pings of the upstream count; then the time begins anew."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        visitor = await opened(Site(upstream.address, idle_timeout="300ms"))
        began = loop.time()
        for _ in range(3):
            await asyncio.sleep(0.15)
            visitor.say("still here")
            await visitor.hear()
        assert await visitor.ended() == (1001, "idle")
        assert loop.time() - began > 0.6

    with scripted(echo) as upstream:
        run(main())


def test_item_43_an_upstream_that_answers_no_ping_is_given_up(run: Run) -> None:
    """After two times `ping_interval` at most: 1011 on the client's side."""

    def deaf(peer: Peer) -> int:
        peer.accept()
        peer.flush = lambda: None  # type: ignore[method-assign]  # deaf
        while (frame := peer.frame()) is not None and frame.opcode is Opcode.PING:
            assert peer.protocol.close_rcvd is None
        return peer.close_code()

    async def main() -> None:
        visitor = await opened(site)
        assert (await visitor.ended())[0] == 1011
        assert await upstream.result() == 1011

    with scripted(deaf) as upstream:
        site = Site(upstream.address, ping_interval="50ms")
        run(main())
    assert site.last().error == "idle-timeout: the upstream answers no ping"


def test_item_43_pings_wait_for_what_is_not_taken(run: Run, tmp_path: Path) -> None:
    """While nothing gets out no ping is due: it ends as for a message, with 1011 after `write_timeout`."""

    async def main() -> None:
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def sleepy(peer: Peer) -> None:
            peer.accept()
            peer.frame()
            peer.text("answered")
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE_S)

        with scripted(sleepy, tmp_path / "s") as upstream:
            site = Site(upstream.address, upstream={"write_timeout": "600ms"}, ping_interval="200ms")
            visitor = await opened(site)
            await visitor.hear()
            visitor.say(bytes(1 << 23))
            assert (await visitor.ended())[0] == 1011
            go_on.set()
            await upstream.result()

    run(main())


def test_item_43_an_upstream_that_vanishes_while_it_is_stuck(run: Run, tmp_path: Path) -> None:
    """It is noticed at once, long before `write_timeout`."""

    async def main() -> None:
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def sleepy(peer: Peer) -> None:
            peer.accept()
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE_S)

        with scripted(sleepy, tmp_path / "s") as upstream:
            visitor = await opened(Site(upstream.address, upstream={"write_timeout": "1h"}))
            visitor.say(bytes(1 << 23))
            visitor.say("read ahead")
            await visitor.stalled()
            go_on.set()
            assert (await visitor.ended())[0] == 1011

    run(main())


def test_item_43_an_upstream_that_answers_pings_is_kept(run: Run) -> None:
    """Pongs are signs of life: more pings than one go out, and it stays open past `idle_timeout`."""

    def script(peer: Peer) -> int:
        peer.accept()
        for _ in range(5):
            ping = peer.frame()
            assert ping is not None
            assert ping.opcode is Opcode.PING
        peer.text("five")
        return peer.close_code()

    async def main() -> None:
        visitor = await opened(Site(upstream.address, ping_interval="50ms", idle_timeout="200ms"))
        assert (await visitor.hear())["text"] == "five"
        visitor.leave(1000)
        await visitor.returned()

    with scripted(script) as upstream:
        run(main())


def test_item_43_a_slow_client_is_not_held_against_the_upstream(run: Run, tmp_path: Path) -> None:
    """While the client is slow nobody reads the upstream's pongs, so it is not given up for their lack."""

    async def main() -> None:
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def script(peer: Peer) -> int:
            peer.accept()
            peer.binary(b"one")
            for _ in range(3):
                peer.frame()
            loop.call_soon_threadsafe(go_on.set)
            return peer.close_code()

        with scripted(script, tmp_path / "s") as upstream:
            visitor = await opened(Site(upstream.address, ping_interval="50ms"))
            visitor.gate.clear()
            await go_on.wait()
            visitor.gate.set()
            assert (await visitor.hear())["bytes"] == b"one"
            visitor.leave(1000)
            await visitor.returned()
            assert await upstream.result() == 1000

    run(main())


# -- the server's end --------------------------------------------------------------------------------


def test_item_43_a_server_that_stops_tells_both(run: Run) -> None:
    """Cancelled, the WebSocket is closed with 1012 on both sides, and the cancellation goes on."""

    async def main() -> None:
        visitor = await opened(Site(upstream.address))
        visitor.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await visitor.returned()
        assert visitor.task.cancelled()
        assert (await visitor.hear())["code"] == 1012
        assert await upstream.result() == 1012

    with scripted(echo) as upstream:
        run(main())


def test_item_43_cancelled_while_the_upstream_thinks(run: Run) -> None:
    """Cancelled before the handshake is through, the upstream's connection is closed."""

    async def main() -> None:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def think(peer: Peer) -> object:
            loop.call_soon_threadsafe(arrived.set)
            return peer.frame()

        with scripted(think) as upstream:
            visitor = Site(upstream.address).visit()
            await arrived.wait()
            visitor.task.cancel()
            await asyncio.wait([visitor.task])
            assert visitor.task.cancelled()
            assert await upstream.result() is None

    run(main())


def test_item_43_a_stuck_client_does_not_hold_the_end_up(run: Run) -> None:
    """A client that takes not even the close is left after a while."""

    async def main() -> None:
        visitor = await opened(Site(upstream.address, idle_timeout="50ms"))
        visitor.gate.clear()
        await visitor.returned()
        assert await upstream.result() == 1001

    with scripted(echo) as upstream:
        run(main())


def test_item_43_a_stuck_upstream_does_not_hold_the_end_up(run: Run) -> None:
    """An upstream that does not answer the close is left after a while."""

    async def main() -> None:
        loop, go_on = asyncio.get_running_loop(), asyncio.Event()

        def stuck(peer: Peer) -> int:
            peer.accept()
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE_S)
            return peer.close_code()

        with scripted(stuck) as upstream:
            visitor = await opened(Site(upstream.address))
            visitor.leave(4000)
            await visitor.returned()
            go_on.set()
            assert await upstream.result() == 4000

    run(main())


def test_item_43_nothing_is_left_of_a_hundred_sessions(run: Run) -> None:
    """However they end, no task and no descriptor remains; the fixture counts."""

    async def visit(site: Site, number: int) -> None:
        visitor = await opened(site)
        visitor.say("hello")
        await visitor.hear()
        if number % 3 == 0:
            visitor.leave(1000)
        elif number % 3 == 1:
            visitor.leave()
        else:
            visitor.task.cancel()
        await asyncio.wait([visitor.task])

    async def main() -> None:
        site = Site(upstream.address)
        await asyncio.gather(*(visit(site, number) for number in range(100)))
        for _ in range(100):
            await upstream.result()

    with scripted(echo) as upstream:
        run(main())
