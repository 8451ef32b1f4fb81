"""Random responses, mutated and split anywhere: nothing hangs, only our own errors, no junk in the pool."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forst_asgi.errors import ForstError
from forst_asgi.transport import Limits
from tests.transport.conftest import bounded
from tests.transport.upstream import OK, Peer, Upstream, answering, asking, each_connection, fetch, turns

BOTH = [asyncio.new_event_loop, uvloop.new_event_loop]
MARK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Mark: 1\r\n\r\nmark"

Raw = tuple[bytes, bytes]
"""A response as raw bytes, and its body."""


def chunked(pieces: list[bytes]) -> bytes:
    """Return a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n"


@st.composite
def responses(draw: st.DrawFn) -> Raw:
    """Make valid responses that leave the connection usable."""
    status = draw(st.sampled_from([200, 201, 302, 404, 500, 599]))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * draw(st.integers(0, 3))
    names = st.sampled_from([b"A", b"Set-Cookie", b"X-Long-Name", b"Keep-Alive", b"Connection"])
    values = st.binary(max_size=20).map(
        lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F)
    )
    fields = draw(st.lists(st.tuples(names, values.map(lambda value: b"v" + value)), max_size=4))
    lines = b"".join(b"%b: %b\r\n" % (name, value.strip()) for name, value in fields)
    head = interim + b"HTTP/1.1 %d Reason\r\n%b" % (status, lines)
    pieces = draw(st.lists(st.binary(max_size=40), max_size=4))
    body = b"".join(pieces)
    if draw(st.booleans()):
        trailers = draw(st.sampled_from([b"", b"X-T: 1\r\n"]))
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(pieces) + trailers + b"\r\n", body
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, body


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Make responses that something was done to."""
    raw = bytearray(draw(responses())[0])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        with_what = draw(
            st.binary(max_size=6) | st.sampled_from([b"\r\n", b"\0", b"0\r\n\r\n", OK, b"\n", b" "])
        )
        raw[at : at + draw(st.sampled_from([0, 0, 1, 2, 20]))] = with_what
    return bytes(raw)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes into pieces."""
    edges = [0, *sorted({place % (len(raw) + 1) for place in places}), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges) if a < b]


def run(factory: Callable[[], asyncio.AbstractEventLoop], main: Callable[[], object]) -> None:
    """Run one example; it must neither hang nor leave a task."""
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(bounded(main()))  # type: ignore[arg-type]


FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
PLACES = st.lists(st.integers(0, 1000), max_size=12)


@pytest.mark.item(27)
@pytest.mark.parametrize("factory", BOTH, ids=["asyncio", "uvloop"])
@FEW
@given(series=st.lists(st.tuples(responses(), PLACES), min_size=1, max_size=4))
def test_valid_responses(
    factory: Callable[[], asyncio.AbstractEventLoop], series: list[tuple[Raw, list[int]]]
) -> None:
    """Valid responses come through whole on one connection, however they are cut."""

    async def script(peer: Peer) -> None:
        for (raw, _), places in series:
            await peer.request()
            await peer.send(*cut(raw, places))
        await peer.end()

    async def main() -> None:
        async with Upstream(script) as upstream:
            transport = upstream.transport()
            for (_, body), _ in series:
                assert (await fetch(transport)).body == body
            assert (upstream.connections, transport.pool().idle) == (1, 1)

    run(factory, main)


@pytest.mark.item(24, 27)
@pytest.mark.parametrize("factory", BOTH, ids=["asyncio", "uvloop"])
@FEW
@example(raw=OK + MARK, places=[], method=b"GET")
@example(raw=OK + b"junk", places=[len(OK)], method=b"GET")
@example(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n", places=[], method=b"HEAD")
@given(raw=mutations(), places=PLACES, method=st.sampled_from([b"GET", b"HEAD"]))
def test_mutated_responses(
    factory: Callable[[], asyncio.AbstractEventLoop], raw: bytes, places: list[int], method: bytes
) -> None:
    """Whatever the upstream sends, the outcome is a response or our own error, and the next one is clean."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*cut(raw, places))
        # What was left over by the first request would be taken for the answer to this one.
        await peer.request()
        await peer.send(MARK)
        await peer.half_close()

    async def main() -> None:
        async with Upstream(each_connection(script, answering(MARK))) as upstream:
            transport = upstream.transport(Limits(first_byte_timeout_s=0.02, idle_timeout_s=0.02))
            try:
                await fetch(transport, asking(method))
            except ForstError:
                assert transport.pool().slots == 0
            await turns()
            answered = await fetch(transport)
            assert answered.body == b"mark"
            assert (b"x-mark", b"1") in answered.headers

    run(factory, main)
