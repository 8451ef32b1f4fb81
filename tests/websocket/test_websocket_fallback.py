"""Item 41 for WebSockets: the breaker before the handshake, and the app that answers instead."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from forst_asgi.errors import ConnectError
from forst_asgi.events import WebSocketFellBack
from forst_asgi.forward import Gate
from forst_asgi.resilience import Breaker, BreakerPolicy
from forst_asgi.types import Receive, Scope, Send
from tests.transport.upstream import Run
from tests.websocket.upstream import PATIENCE_S, Peer, Site, scripted

FALLS_BACK: dict[str, Any] = {"on_failure": "app"}


def closed_port() -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class App:
    """The app's own echo, which notes what it was given.

    Attributes:
        arrived: the types of the first messages, one for each WebSocket.
    """

    def __init__(self) -> None:
        self.arrived: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.arrived.append((await receive())["type"])
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


def half_open(site: Site) -> Gate:
    """Let the next handshake be the probe; return the gate."""
    runtime = site.middleware.runtime
    assert runtime is not None
    gate = runtime.upstreams["sidecar"].gate
    gate.breaker = Breaker(BreakerPolicy(threshold=1, pause_s=0.0))
    gate.fail(ConnectError("no"))
    assert not gate.breaker.is_closed
    return gate


async def echoed(site: Site) -> None:
    """Open a WebSocket that the app answers, and say something."""
    visitor = site.visit()
    await visitor.accepted()
    visitor.say("hello")
    assert (await visitor.hear())["text"] == "hello"
    visitor.leave(1000)
    await visitor.returned()


async def status_of(site: Site) -> int:
    """Return what a handshake is answered with, which is no acceptance."""
    status, _, _ = await site.visit().answered()
    return status


def hang_up(_: Peer) -> None:
    """Read the handshake and close."""


def decline(peer: Peer) -> None:
    """Answer that there is no such WebSocket."""
    peer.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


# -- the breaker ------------------------------------------------------------------------------------------


@pytest.mark.item(41)
def test_item_41_an_upstream_that_cannot_be_reached_is_not_dialed(run: Run) -> None:
    """After some failures in a row handshakes get a 503 that says when to come again."""

    async def main() -> None:
        site = Site(closed_port(), upstream={"breaker_failures": 3, "breaker_pause": "1h"})
        assert [await status_of(site) for _ in range(5)] == [502, 502, 502, 503, 503]
        _, headers, body = await site.visit().answered()
        assert headers[b"retry-after"] == b"1"
        assert b'"breaker-open"' in body
        assert site.observer.names.count("forst.breaker.opened") == 1

    run(main())


@pytest.mark.item(41)
@pytest.mark.parametrize("script", [decline, lambda peer: peer.accept().close_code()], ids=["404", "101"])
def test_item_41_an_answer_closes_it(run: Run, script: Callable[[Peer], object]) -> None:
    """The probe may be a WebSocket; whatever the upstream answers, it is there."""

    async def main() -> None:
        with scripted(script) as upstream:
            site = Site(upstream.address)
            gate = half_open(site)
            visitor = site.visit()
            message = await visitor.hear()
            assert message["type"] in ("websocket.accept", "websocket.http.response.start")
            assert gate.breaker.is_closed
            visitor.leave(1000)
            await visitor.returned()
            await upstream.result()

    run(main())


@pytest.mark.item(41)
def test_item_41_a_probe_that_was_given_up_lets_the_next_be_one(run: Run) -> None:
    """A client that leaves during the probe's handshake does not keep it shut."""

    async def main() -> None:
        asked, loop = asyncio.Event(), asyncio.get_running_loop()

        def silent(peer: Peer) -> None:
            loop.call_soon_threadsafe(asked.set)
            with contextlib.suppress(OSError):
                peer.socket.recv(1)

        with scripted(silent) as upstream:
            site = Site(upstream.address)
            gate = half_open(site)
            for _ in range(2):
                asked.clear()
                visitor = site.visit()
                async with asyncio.timeout(PATIENCE_S):
                    await asked.wait()
                assert gate.breaker.state.value == "half_open"
                visitor.leave()
                await visitor.returned()
                await upstream.result()

    run(main())


# -- the app answers instead ------------------------------------------------------------------------------


@pytest.mark.item(41)
def test_item_41_the_app_answers_while_the_process_starts(run: Run) -> None:
    """Nobody waits for it where the app can answer at once."""

    async def main() -> None:
        app = App()
        site = Site(closed_port(), app=app, **FALLS_BACK)
        runtime = site.middleware.runtime
        assert runtime is not None
        runtime.upstreams["sidecar"].gate.absence = "the sidecar 'sidecar' is starting"
        await echoed(site)
        assert app.arrived == ["websocket.connect"]
        [told] = [each for each in site.observer.events if isinstance(each, WebSocketFellBack)]
        assert told.error == "sidecar-not-ready: the sidecar 'sidecar' is starting"

    run(main())


@pytest.mark.item(41)
def test_item_41_the_app_answers_a_handshake_that_was_not_sent(run: Run) -> None:
    """It gets the WebSocket from its beginning: connect, messages, and the end."""

    async def main() -> None:
        app = App()
        site = Site(closed_port(), app=app, upstream={"breaker_failures": 2}, **FALLS_BACK)
        for _ in range(4):
            await echoed(site)
        assert app.arrived == ["websocket.connect"] * 4
        told = [name for name in site.observer.names if "websocket" in name]
        assert told == ["forst.websocket.fallen_back"] * 4
        event = site.last()
        assert (event.status, event.stage) == (None, "connect")
        assert event.error == "breaker-open: the upstream could not be reached lately"

    run(main())


@pytest.mark.item(41)
def test_item_41_the_app_answers_one_too_many(run: Run) -> None:
    """Without a seat nothing is sent, so the app may have it."""

    async def main() -> None:
        with scripted(lambda peer: peer.accept().close_code()) as upstream:
            site = Site(upstream.address, app=App(), upstream={"max_websockets": 1}, **FALLS_BACK)
            first = site.visit()
            await first.accepted()
            await echoed(site)
            first.leave(1000)
            await first.returned()
            assert await upstream.result() == 1000

    run(main())


@pytest.mark.parametrize(("script", "status"), [(hang_up, 502), (decline, 404)])
def test_item_41_a_handshake_that_was_sent_is_not_the_apps(
    run: Run, script: Callable[[Peer], object], status: int
) -> None:
    """The sidecar may have begun something; and its refusals are answers."""

    async def main() -> None:
        with scripted(script) as upstream:
            assert await status_of(Site(upstream.address, **FALLS_BACK)) == status
            await upstream.result()

    run(main())


def test_item_41_who_may_not_is_not_sent_to_the_app(run: Run) -> None:
    """What `auth` refuses stays refused."""

    async def main() -> None:
        assert await status_of(Site(closed_port(), auth=f"{__name__}:nobody", **FALLS_BACK)) == 401

    run(main())


def nobody(_: object) -> None:
    """Let nobody in."""
    raise HTTPException(401)


def test_item_41_without_it_the_app_is_not_asked(run: Run) -> None:
    """`on_failure = "error"` is the default."""

    async def main() -> None:
        assert await status_of(Site(closed_port())) == 502

    run(main())
