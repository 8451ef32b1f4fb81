"""The parts of the lane one by one, where a server would need luck or patience."""

import asyncio
import re
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from forst_asgi.errors import ConfigError
from forst_asgi.express import Protocol
from forst_asgi.express.lane import lane_of
from forst_asgi.express.server import check
from forst_asgi.forward.early import Rest
from tests.behaviours.wire import Backend, sending
from tests.express.conftest import app, lane_to

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"


def test_another_uvicorn_is_refused() -> None:
    """One whose cycles are made of something else is not what the lane was made for."""

    def cycle(scope: object, surprise: object) -> None:
        """Be made of something else."""

    message = re.escape(f"does not fit uvicorn {uvicorn.__version__}")
    with pytest.raises(ConfigError, match=message):
        check(cycle)
    with pytest.raises(ConfigError, match=message):
        check(protocol=asyncio.Protocol)
    check()


def test_a_client_that_sends_nothing_more_is_let_go(backend: Backend) -> None:
    """A connection is closed that was idle for uvicorn's limit, after the lane as after anything else."""
    with lane_to(app(backend), backend, timeout_keep_alive=1) as lane, lane.site.connect() as client:
        for path in (b"/go/x", b"/go/x", b"/python", b"/go/x"):
            assert client.ask(GET % path).status == 200
        assert client.rest() == b""
        assert lane.ways["lane"] == 2


class Transport(asyncio.Transport):
    """The client's side, which writes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def connected(backend: Backend) -> tuple[Protocol, Transport]:
    """Return a connection of a server that has seen nothing yet."""
    config = uvicorn.Config(app(backend), http=Protocol, log_config=None, timeout_keep_alive=3600)
    config.load()
    protocol, transport = Protocol(config, ServerState(), {}), Transport()
    protocol.connection_made(transport)
    return protocol, transport


def test_the_timer_looks_for_how_long_nothing_came(backend: Backend) -> None:
    """It lets a busy connection be, waits for the rest of the time of one that is idle, and goes with it."""

    async def main() -> None:
        protocol, transport = await connected(backend)
        protocol._rest()
        first = protocol._idle_timer
        protocol._rest()
        assert protocol._idle_timer is first
        protocol._look()
        assert protocol._idle_timer not in (None, first)
        protocol._unset_keepalive_if_required()
        protocol._look()
        assert protocol._idle_timer is None
        assert not transport.closed
        protocol._rest()
        timer = protocol._idle_timer
        assert timer is not None
        protocol.connection_lost(None)
        assert timer.cancelled()
        assert first is not None
        first.cancel()

    asyncio.run(main())


def test_a_server_has_one_lane(backend: Backend) -> None:
    """All connections of a server share what was found out about its app."""
    config = uvicorn.Config(app(backend), http=Protocol, log_config=None)
    config.load()
    assert lane_of(config) is lane_of(config)
    assert "Lane to <Runtime" in repr(lane_of(config))


def test_the_rest_of_a_deadline_may_be_given_back_unused() -> None:
    """Whoever never began to count has nothing to stop."""

    async def main() -> None:
        rest = Rest(asyncio.get_running_loop(), 3600.0)
        rest.discard(cast("Any", None))
        assert rest.get() is rest

    asyncio.run(main())


def test_a_passage_tells_where_it_stands(backend: Backend) -> None:
    """For whoever debugs."""
    seen = []

    class Telling(Protocol):
        def answer(self, passage: Any, response: Any, fields: Any) -> None:
            seen.append(repr(passage))
            super().answer(passage, response, fields)

        def on_message_complete(self) -> None:
            seen.append(repr(self.cycle))
            super().on_message_complete()
            seen.append(repr(self.cycle))

    with lane_to(app(backend), backend, http=Telling) as lane:
        lane.warm()
        seen.clear()
        lane.warm()
    assert seen == [f"<Passage GET /go/warm {state}>" for state in ("gathering", "under way", "over")]


def test_a_client_that_does_not_read_holds_up_a_cycle(backend: Backend) -> None:
    """What the lane cannot write at once is a cycle's to wait for, so memory is bounded."""
    size, asked = 200_000, 0
    path = backend.on(
        "/go/large", sending(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    )
    with lane_to(app(backend), backend) as lane, lane.site.connect() as client:
        lane.warm()
        while not lane.ways["carried on"]:
            client.send(GET % path)
            asked += 1
            while lane.ways["lane"] + lane.ways["carried on"] < asked:
                lane.site.get(b"/python")
        for _ in range(asked):
            assert len(client.answer().body) == size
