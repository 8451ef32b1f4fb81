"""The app's lifespan with the runtime around it, as a server drives it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from forst_asgi import Config, Event, ForstError, RouteConfig, SidecarError, SidecarMiddleware, UpstreamConfig
from forst_asgi.events import SidecarReady, SidecarStarted, SidecarStopped
from forst_asgi.lifespan import run_lifespan
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.children import children

ROUTE = RouteConfig(id="pid", path="/pid", mode="on", auth="none")

UP = ["sidecar ready", "app up", "lifespan.startup.complete"]
DOWN = ["app down", "sidecar stopped", "lifespan.shutdown.complete"]


class Journal(list[str]):
    """What happened, in order; also the observer, which notes the life of the sidecar.

    It is false while it is empty: an observer is one all the same.
    """

    wants_requests = False

    def observe(self, event: Event) -> None:
        if isinstance(event, SidecarReady | SidecarStopped):
            self.append(event.name.removeprefix("forst.").replace(".", " "))


class Server:
    """Drives the lifespan of an app as uvicorn does."""

    def __init__(self, app: ASGIApp, journal: list[str]) -> None:
        self._app = app
        self._journal = journal
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()
        self.scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.sent: list[Message] = []
        self.task: asyncio.Task[None] | None = None

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._journal.append(message["type"])
        self._answered.set()

    async def _run(self) -> None:
        await self._app(self.scope, self._inbox.get, self._send)

    async def start(self) -> None:
        """Return when the app has answered the startup or has ended."""
        self.task = asyncio.create_task(self._run())
        await self._say("lifespan.startup")

    async def stop(self) -> None:
        """Return when the app has answered the shutdown, and has ended."""
        await self._say("lifespan.shutdown")
        if self.task is not None:
            await self.task

    async def _say(self, kind: str) -> None:
        self._answered.clear()
        self._inbox.put_nowait({"type": kind})
        if self.task is not None:
            answered = asyncio.create_task(self._answered.wait())
            await asyncio.wait({answered, self.task}, return_when=asyncio.FIRST_COMPLETED)
            answered.cancel()


@pytest.fixture
def journal() -> Journal:
    """What happened."""
    return Journal()


@pytest.fixture
def serving(journal: Journal, python_sidecar: list[str]) -> Callable[[ASGIApp], Server]:
    """Wraps an app, with a real sidecar process, and returns the server of it."""
    config = Config(sidecar=UpstreamConfig(command=python_sidecar, ready_timeout="30s"), routes=[ROUTE])
    return lambda app: Server(SidecarMiddleware(app, config, observer=journal), journal)


@pytest.fixture
def app(journal: Journal) -> Starlette:
    """An app with a lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, int]]:
        journal.append("app up")
        yield {"answer": 42}
        journal.append("app down")

    return Starlette(lifespan=lifespan)


def test_the_sidecar_is_there_before_the_app_and_until_after_it(
    serving: Callable[[ASGIApp], Server], app: Starlette, journal: Journal
) -> None:
    """Ready before the app's startup, stopped after its shutdown, and the state passes."""

    async def main() -> None:
        server = serving(app)
        await server.start()
        assert journal == UP
        assert server.scope["state"] == {"answer": 42}
        await server.stop()

    asyncio.run(main())
    assert journal == UP + DOWN


def test_a_lifespan_may_be_run_again(
    serving: Callable[[ASGIApp], Server], app: Starlette, journal: Journal
) -> None:
    """After a shutdown the same middleware starts up again, with a new process."""
    server = serving(app)

    async def main() -> None:
        await server.start()
        await server.stop()

    asyncio.run(main())
    asyncio.run(main())
    assert journal == (UP + DOWN) * 2


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """As Django's app does."""
    raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")


async def returns_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """As an app does that begins with `if scope["type"] != "http": return`."""


async def returns_after_the_first_message(scope: Scope, receive: Receive, send: Send) -> None:
    """As an app does that looks at the message and knows nothing to say."""
    await receive()


async def returns_once_up(scope: Scope, receive: Receive, send: Send) -> None:
    """As an app does that has nothing to do at shutdown."""
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def says_nothing_at_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """As an app does that forgets its last message."""
    await returns_once_up(scope, receive, send)
    await receive()


@pytest.mark.parametrize(
    "app",
    [
        raises_at_once,
        returns_at_once,
        returns_after_the_first_message,
        returns_once_up,
        says_nothing_at_the_end,
    ],
)
def test_an_app_that_knows_little_of_lifespan_has_its_sidecar(
    serving: Callable[[ASGIApp], Server], journal: Journal, app: ASGIApp
) -> None:
    """The sidecar lives from startup to shutdown, whatever part of the protocol the app leaves out."""

    async def main() -> None:
        server = serving(app)
        await server.start()
        assert journal == ["sidecar ready", "lifespan.startup.complete"]
        await server.stop()

    asyncio.run(main())
    assert journal[2:] == ["sidecar stopped", "lifespan.shutdown.complete"]


class Exhausted:
    """What cannot be started, for a reason that nobody thought of.

    Args:
        closing: what closing it raises.
    """

    def __init__(self, *closing: Exception) -> None:
        self._closing = closing
        self.closed = 0

    async def start(self) -> None:
        """Fail."""
        raise OSError(24, "Too many open files")

    async def aclose(self) -> None:
        """Take note."""
        self.closed += 1
        for error in self._closing:
            raise error


@pytest.mark.parametrize("runs", [Exhausted(), Exhausted(ValueError("half open"))])
def test_whatever_fails_the_start_fails_the_server(runs: Exhausted) -> None:
    """The server is told why, for it would go on without the app's lifespan; what was started is closed."""
    sent: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("the app was started")

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(OSError, match="Too many open files"):
        asyncio.run(run_lifespan(app, runs, {"type": "lifespan"}, receive, send))
    [told] = sent
    assert told["type"] == "lifespan.startup.failed"
    assert "OSError: [Errno 24] Too many open files" in told["message"]
    assert runs.closed == 1


def test_an_app_that_fails_its_startup_fails_the_server(
    serving: Callable[[ASGIApp], Server], journal: Journal
) -> None:
    """Its lifespan.startup.failed and its exception pass through, and no process is left."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    async def main() -> None:
        server = serving(Starlette(lifespan=lifespan))
        await server.start()
        with pytest.raises(RuntimeError, match="no database"):
            await server.stop()
        assert "no database" in server.sent[0]["message"]

    asyncio.run(main())
    assert journal == ["sidecar ready", "sidecar stopped", "lifespan.startup.failed"]


def test_an_app_that_fails_its_shutdown_still_loses_its_sidecar(
    serving: Callable[[ASGIApp], Server], journal: Journal
) -> None:
    """Its lifespan.shutdown.failed passes through after the process was stopped."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        raise RuntimeError("cannot flush")

    async def main() -> None:
        server = serving(Starlette(lifespan=lifespan))
        await server.start()
        with pytest.raises(RuntimeError, match="cannot flush"):
            await server.stop()

    asyncio.run(main())
    assert journal[2:] == ["sidecar stopped", "lifespan.shutdown.failed"]


def test_an_app_that_raises_at_its_startup_message_is_not_hushed_up(
    serving: Callable[[ASGIApp], Server], journal: Journal
) -> None:
    """What it raises once it has begun reaches the server, which knows what to make of it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise RuntimeError("half way")

    async def main() -> None:
        server = serving(app)
        await server.start()
        with pytest.raises(RuntimeError, match="half way"):
            await server.stop()

    asyncio.run(main())
    assert journal == ["sidecar ready", "sidecar stopped"]


def test_a_sidecar_that_cannot_start_fails_the_startup_with_one_message(
    app: Starlette, journal: Journal
) -> None:
    """The server is told why, and the app is never started."""
    config = Config(sidecar=UpstreamConfig(command=["/missing/sidecar"]), routes=[ROUTE])

    async def main() -> None:
        server = Server(SidecarMiddleware(app, config, observer=journal), journal)
        await server.start()
        with pytest.raises(SidecarError):
            await server.stop()
        [message] = server.sent
        assert "/missing/sidecar" in message["message"]

    asyncio.run(main())
    assert journal == ["lifespan.startup.failed"]


def test_one_upstream_that_cannot_start_stops_the_others(
    app: Starlette, journal: Journal, python_sidecar: list[str]
) -> None:
    """Of several upstreams none is left running when one of them fails."""
    before = children()
    config = Config(
        sidecar=UpstreamConfig(command=python_sidecar),
        upstreams={"bad": UpstreamConfig(command=["/missing/sidecar"])},
        routes=[ROUTE],
    )

    async def main() -> None:
        server = Server(SidecarMiddleware(app, config, observer=journal), journal)
        await server.start()
        with pytest.raises(SidecarError, match="/missing/sidecar"):
            await server.stop()

    asyncio.run(main())
    assert [line for line in journal if line != "sidecar stopped"] == ["lifespan.startup.failed"]
    assert children() <= before


@pytest.mark.parametrize("name", ["missing.toml", "forst.toml"])
def test_a_bad_configuration_fails_the_startup_with_one_message(
    app: Starlette, journal: Journal, tmp_path: Path, name: str
) -> None:
    """The message holds the mistakes, the app is not started, and what is raised is a ForstError."""
    (tmp_path / "forst.toml").write_text("[sidecar]\nadress = 'http://127.0.0.1:9'\n")

    async def main() -> None:
        server = Server(SidecarMiddleware(app, tmp_path / name, observer=journal), journal)
        await server.start()
        with pytest.raises(ForstError):
            await server.stop()
        assert name in server.sent[0]["message"]

    asyncio.run(main())
    assert journal == ["lifespan.startup.failed"]


def test_a_cancelled_lifespan_leaves_no_process(
    serving: Callable[[ASGIApp], Server], app: Starlette, journal: Journal
) -> None:
    """A server that cancels the lifespan instead of ending it finds the sidecar stopped."""

    async def main() -> None:
        server = serving(app)
        await server.start()
        assert server.task is not None
        server.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await server.task

    asyncio.run(main())
    assert "sidecar stopped" in journal


def test_a_lifespan_cancelled_while_the_sidecar_starts_leaves_no_process(
    app: Starlette, journal: Journal
) -> None:
    """A cancellation during the wait for readiness ends the process that was not ready yet."""
    before = children()
    command = ["/bin/sh", "-c", "exec sleep 1000"]
    config = Config(sidecar=UpstreamConfig(command=command, ready_timeout="1000s"), routes=[ROUTE])
    started = asyncio.Event()

    class Observer(Journal):
        def observe(self, event: Event) -> None:
            super().observe(event)
            if isinstance(event, SidecarStarted):
                started.set()

    async def main() -> None:
        server = Server(SidecarMiddleware(app, config, observer=Observer()), journal)
        starting = asyncio.create_task(server.start())
        await started.wait()
        assert server.task is not None
        server.task.cancel()
        await starting
        with pytest.raises(asyncio.CancelledError):
            await server.task

    asyncio.run(main())
    assert children() <= before


def test_aclose_stops_what_no_lifespan_reaches(
    app: Starlette, journal: Journal, python_sidecar: list[str]
) -> None:
    """A middleware around a mounted app can be closed by the outer app's own lifespan."""
    config = Config(sidecar=UpstreamConfig(command=python_sidecar, ready_timeout="30s"), routes=[ROUTE])
    outer = Starlette(routes=[Mount("/inner", SidecarMiddleware(app, config, observer=journal))])

    async def main() -> None:
        transport = httpx.ASGITransport(outer)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get("/inner/pid")).status_code == 200
        mount = outer.routes[0]
        assert isinstance(mount, Mount)
        assert isinstance(mount.app, SidecarMiddleware)
        await mount.app.aclose()

    before = children()
    asyncio.run(main())
    assert journal[-1] == "sidecar stopped"
    assert children() <= before


def test_aclose_of_what_never_started_does_nothing(app: Starlette) -> None:
    """Closing is harmless without a configuration, too."""
    asyncio.run(SidecarMiddleware(app, "/missing/forst.toml").aclose())
