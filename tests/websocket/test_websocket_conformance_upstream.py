"""Item 43 against a fuzzing upstream: what it may send passes, what it may not ends it."""

from collections.abc import Callable

import pytest

from tests.transport.upstream import Run
from tests.websocket.cases import CASES, Case
from tests.websocket.upstream import Browser, Peer, Site, scripted
from tests.websocket.wire import CLOSE, F, Wire, closing


def playing(case: Case) -> Callable[[Peer], list[F]]:
    """A script that plays a case, and returns what came."""

    def script(peer: Peer) -> list[F]:
        wire = Wire(peer.accept().socket, is_client=False)
        heard: list[F] = []
        first, last = (case.sends, ()) if case.fails or not case.hears else before_the_close(case.sends)
        wire.send(*first, chop=case.chop)
        while last and len(heard) < len(case.hears) and (frame := wire.next()) is not None:
            heard.append(frame)
        wire.send(*last)
        while (frame := wire.next()) is not None:
            heard.append(frame)
            if frame.opcode == CLOSE:
                break
        return heard

    return script


def before_the_close(frames: tuple[F, ...]) -> tuple[tuple[F, ...], tuple[F, ...]]:
    """The frames before the close frame, and those from there on."""
    at = [frame.opcode for frame in frames].index(CLOSE)
    return frames[:at], frames[at:]


async def echo(visitor: Browser) -> int:
    """Be a client that sends everything back; returns the code of the close that comes."""
    await visitor.accepted()
    while (message := await visitor.hear())["type"] == "websocket.send":
        text = message.get("text")
        visitor.say(text if text is not None else message["bytes"])
    await visitor.returned()
    return int(message["code"])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_item_43_conformance_towards_the_upstream(run: Run, case: Case) -> None:
    """The upstream hears what is due, then one close frame with the right code; the client gets the code."""

    async def main() -> None:
        told = await echo(Site(upstream.address).visit())
        *heard, last = await upstream.result()
        assert last == F(CLOSE) if case.end is None else last.payload[:2] == closing(case.end).payload
        assert tuple(heard) == case.hears[: len(heard)] if case.fails else tuple(heard) == case.hears
        assert told == (1000 if case.end is None else case.end)

    with scripted(playing(case)) as upstream:
        run(main())
