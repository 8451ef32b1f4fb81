"""The live parts behind the middleware: built without side effects, started and closed at will."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from forst_asgi import Config, ConfigError, RouteConfig, SidecarError, SidecarMiddleware, UpstreamConfig
from forst_asgi.config import ConditionConfig, RuleConfig
from forst_asgi.events import (
    ConfigLoaded,
    ConfigWarned,
    RequestFailed,
    SidecarFailed,
    SidecarReady,
    SidecarStarted,
    SidecarStopped,
)
from forst_asgi.runtime import Runtime, Upstream
from forst_asgi.supervisor import Standing
from forst_asgi.supervisor.policy import State
from forst_asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from tests.conftest import FakeUpstream, Recorder

ROUTE = RouteConfig(id="pid", path="/pid", mode="on", auth="none")
MISSING = ["/missing/sidecar"]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for the app, which no test here asks."""
    raise AssertionError("unreachable: the app is not asked")


def config_of(command: list[str], **changes: Any) -> Config:
    """Return a configuration with one sidecar of ours."""
    return Config(sidecar=UpstreamConfig(command=command, **changes), routes=[ROUTE])


def runtime_of(middleware: SidecarMiddleware) -> Runtime:
    """Return the runtime of a middleware whose configuration is good."""
    assert middleware._runtime is not None
    return middleware._runtime


async def answers_of(middleware: SidecarMiddleware, count: int) -> list[httpx.Response]:
    """Make that many requests at the same time, without a lifespan before."""
    transport = httpx.ASGITransport(middleware)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await asyncio.gather(*(client.get("/pid") for _ in range(count)))


def run_to_the_end(middleware: SidecarMiddleware, work: Coroutine[Any, Any, Any]) -> Any:
    """Run something, and close the runtime whatever comes of it."""

    async def main() -> Any:
        try:
            return await work
        finally:
            await runtime_of(middleware).aclose()

    return asyncio.run(main())


def test_building_a_runtime_starts_nothing(recorder: "Recorder") -> None:
    """A runtime whose program does not exist can be built and closed; only its start fails."""
    runtime = Runtime(config_of(MISSING), observer=recorder)
    assert not runtime.is_started
    asyncio.run(runtime.aclose())
    assert recorder.events == []
    assert "started=False" in repr(runtime)
    assert "not started" in repr(runtime.upstreams["sidecar"])


def test_concurrent_first_requests_start_one_sidecar(python_sidecar: list[str], recorder: "Recorder") -> None:
    """Without a lifespan the first request starts the sidecar, and those that come meanwhile wait for it."""
    middleware = SidecarMiddleware(app, config_of(python_sidecar, ready_timeout="30s"), observer=recorder)
    answers = run_to_the_end(middleware, answers_of(middleware, 10))
    [started] = recorder.of(SidecarStarted)
    assert {answer.text for answer in answers} == {str(started.pid)}, recorder.events
    assert len(recorder.of(SidecarStopped)) == 1


def test_a_sidecar_that_cannot_be_started_late_is_a_503(recorder: "Recorder") -> None:
    """Requests that find no sidecar, and cannot start one, are refused like any that find none."""
    middleware = SidecarMiddleware(app, config_of(MISSING), observer=recorder)
    [answer] = run_to_the_end(middleware, answers_of(middleware, 1))
    assert (answer.status_code, answer.json()["detail"]) == (503, "sidecar-not-ready")
    assert "/missing/sidecar" in recorder.of(SidecarFailed)[0].problem
    assert len(recorder.of(RequestFailed)) == 1


def test_requests_that_wait_for_a_late_start_share_its_failure(recorder: "Recorder") -> None:
    """Ten requests at once make one attempt, not ten one after the other; the next request makes another."""
    middleware = SidecarMiddleware(app, config_of(["/bin/sh", "-c", "exit 7"]), observer=recorder)

    async def main() -> None:
        answers = await answers_of(middleware, 10)
        assert {answer.status_code for answer in answers} == {503}
        assert len(recorder.of(SidecarStarted)) == 1
        await answers_of(middleware, 1)
        assert len(recorder.of(SidecarStarted)) == 2

    run_to_the_end(middleware, main())


def test_starting_twice_starts_once(python_sidecar: list[str], recorder: "Recorder") -> None:
    """A second start while one runs, or later, changes nothing."""

    async def main() -> None:
        async with Runtime(config_of(python_sidecar, ready_timeout="30s"), observer=recorder) as runtime:
            await asyncio.gather(runtime.start(), runtime.start())
            await runtime.start_late()

    asyncio.run(main())
    assert len(recorder.of(SidecarReady)) == 1


def test_what_a_closed_loop_started_is_started_anew(python_sidecar: list[str], recorder: "Recorder") -> None:
    """After requests without a lifespan, each in a loop of its own, a lifespan is as any other."""
    runtime = Runtime(config_of(python_sidecar, ready_timeout="30s"), observer=recorder)
    places = []

    async def main() -> None:
        async with runtime:
            places.append(Path(runtime.upstreams["sidecar"].where().path or ""))
            assert places[-1].is_socket()

    asyncio.run(runtime.start_late())
    asyncio.run(runtime.start_late())
    asyncio.run(main())
    assert len(recorder.of(SidecarReady)) == 2
    assert not places[0].parent.exists()


def test_a_runtime_can_be_started_again(python_sidecar: list[str], recorder: "Recorder") -> None:
    """Closing twice is harmless, a later start has a new process, and no folder is left behind."""
    runtime = Runtime(config_of(python_sidecar, ready_timeout="30s"), observer=recorder)
    places = []

    async def main() -> None:
        async with runtime:
            places.append(Path(runtime.upstreams["sidecar"].where().path or ""))
            assert places[-1].is_socket()
        await runtime.aclose()

    asyncio.run(main())
    asyncio.run(main())
    first, second = recorder.of(SidecarReady)
    assert first.pid != second.pid
    assert not [place for place in places if place.parent.exists()]


def test_a_socket_of_the_users_own_is_used(
    python_sidecar: list[str], recorder: "Recorder", tmp_path: Path
) -> None:
    """With `socket` the sidecar listens where the user said, and nothing is left there."""
    path = Path(os.path.relpath(tmp_path)) / "s.sock"
    middleware = SidecarMiddleware(
        app, config_of(python_sidecar, socket=path, ready_timeout="30s"), observer=recorder
    )

    async def main() -> None:
        [answer] = await answers_of(middleware, 1)
        assert answer.status_code == 200
        assert path.is_socket()

    run_to_the_end(middleware, main())
    assert not path.exists()


def test_a_given_transport_replaces_the_process(upstream: "FakeUpstream", recorder: "Recorder") -> None:
    """With a transport of one's own nothing is started, and it is closed with the rest."""
    runtime = Runtime(config_of(MISSING), {"sidecar": upstream}, recorder)
    assert not runtime.upstreams["sidecar"].has_process

    async def main() -> None:
        async with runtime:
            assert runtime.is_started

    asyncio.run(main())
    assert upstream.is_closed


def test_a_transport_for_nobody_is_a_mistake(upstream: "FakeUpstream") -> None:
    """A name in `transports` that no upstream has is told with those that there are."""
    with pytest.raises(ConfigError, match=r"'sidecra'; the configured ones: sidecar"):
        Runtime(config_of(MISSING), {"sidecra": upstream})
    with pytest.raises(ConfigError, match=r"'sidecar'; the configured ones: none"):
        Runtime(Config(), {"sidecar": upstream})


def test_what_is_no_transport_is_a_mistake() -> None:
    """Something that cannot send is told at once, not at the first request."""
    with pytest.raises(
        ConfigError, match='transports: the one for "sidecar" is a int; expected something with'
    ):
        Runtime(config_of(MISSING), cast("Any", {"sidecar": 5}))


def test_how_many_routes_may_be_forwarded_is_told(
    recorder: "Recorder", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mode that was left out is off, which the number shows; the environment and rules count."""
    when = [ConditionConfig(key="header:x-a", exists=True)]
    routes = [
        RouteConfig(id="forgotten", path="/a"),
        RouteConfig(id="on", path="/b", mode="on"),
        RouteConfig(id="told", path="/c"),
        RouteConfig(id="ruled", path="/d", rules=[RuleConfig(name="r", when=when, mode="on")]),
        RouteConfig(id="refused", path="/e", rules=[RuleConfig(name="r", when=when, mode="off")]),
    ]
    monkeypatch.setenv("FORST_ROUTE_TOLD", "on")

    async def main() -> None:
        sidecar = UpstreamConfig(address="http://127.0.0.1:9")
        async with Runtime(Config(sidecar=sidecar, routes=routes), observer=recorder):
            pass

    asyncio.run(main())
    [loaded] = recorder.of(ConfigLoaded)
    assert (loaded.routes, loaded.forwarding) == (5, 3)


def test_what_was_loaded_is_told(recorder: "Recorder") -> None:
    """A start says which configuration is in force and how large it is."""

    async def main() -> None:
        async with Runtime(Config(), observer=recorder):
            pass

    asyncio.run(main())
    assert recorder.of(ConfigLoaded) == [ConfigLoaded("<python>", 0, 0, 0, Runtime(Config()).generation)]


def test_what_is_probably_not_meant_is_told(upstream: "FakeUpstream", recorder: "Recorder") -> None:
    """A route without auth, and one that can never match, are warned of at the start."""
    config = Config(
        sidecar=UpstreamConfig(address="http://127.0.0.1:9"),
        routes=[
            RouteConfig(id="all", path="/{rest:path}", mode="on", auth="none"),
            RouteConfig(id="open", path="/open", mode="on"),
        ],
    )

    async def main() -> None:
        async with Runtime(config, {"sidecar": upstream}, recorder):
            pass

    asyncio.run(main())
    unguarded, covered = recorder.of(ConfigWarned)
    assert (unguarded.route, covered.route) == ("open", "open")
    assert "has no auth" in unguarded.problem
    assert 'route "all" covers it' in covered.problem


def test_a_sidecar_that_ends_while_it_starts_is_told_with_its_last_words(recorder: "Recorder") -> None:
    """The reason for a failed start holds the exit status and what the program wrote."""
    command = ["/bin/sh", "-c", "echo no such table: quotes >&2; exit 7"]

    async def main() -> None:
        with pytest.raises(SidecarError, match=r"(?s)exit status 7.*no such table: quotes"):
            await Runtime(config_of(command), observer=recorder).start()

    asyncio.run(main())


def test_a_sidecar_that_never_listens_is_not_ready_in_time(recorder: "Recorder") -> None:
    """A program that does not answer within `ready_timeout` is stopped, and the start fails."""

    async def main() -> None:
        runtime = Runtime(config_of(["/bin/sleep", "1000"], ready_timeout="50ms"), observer=recorder)
        with pytest.raises(SidecarError, match=r"not ready within 0\.05 s"):
            await runtime.start()
        assert not runtime.is_started

    asyncio.run(main())
    assert len(recorder.of(SidecarStopped)) == 1


def test_connections_end_with_their_process(python_sidecar: list[str], recorder: "Recorder") -> None:
    """After a restart requests go over new connections, and all generations are closed in the end."""
    middleware = SidecarMiddleware(app, config_of(python_sidecar, ready_timeout="30s"), observer=recorder)

    async def main() -> None:
        [first] = await answers_of(middleware, 1)
        upstream = runtime_of(middleware).upstreams["sidecar"]
        before = repr(upstream.transport)
        assert upstream.secret is not None
        assert len(upstream.secret) == 32
        assert upstream._supervisor is not None
        await upstream._supervisor.restart()
        [second] = await answers_of(middleware, 1)
        assert first.text != second.text
        assert "GenerationTransport" in before

    run_to_the_end(middleware, main())


def test_what_is_left_without_a_shutdown_is_removed_at_exit(
    python_sidecar: list[str], recorder: "Recorder"
) -> None:
    """Where no lifespan ends, the directory goes when the interpreter does; an attached upstream has none."""
    attached = UpstreamConfig(address="unix:/s")
    config = Config(
        sidecar=UpstreamConfig(command=python_sidecar, ready_timeout="30s"),
        upstreams={"other": attached},
        routes=[ROUTE],
    )

    async def main() -> None:
        async with Runtime(config, observer=recorder) as runtime:
            home = Path(runtime.upstreams["sidecar"].where().path or "").parent
            assert home.is_dir()
            runtime._leave()
            assert not home.exists()
            assert runtime.upstreams["other"].secret is None
            assert runtime.upstreams["other"].where().path == "/s"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("standing", "absence"),
    [
        (Standing(State.STARTING, generation=1, holds=True), "the sidecar 'sidecar' is starting"),
        (Standing(State.BACKING_OFF), "the sidecar 'sidecar' is backing off"),
        (Standing(State.READY, generation=1), None),
    ],
    ids=lambda value: value.state_text if isinstance(value, Standing) else "",
)
def test_an_upstream_says_when_its_process_is_not_ready(
    recorder: "Recorder", standing: Standing, absence: str | None
) -> None:
    """Whether or not connections would wait for it."""
    upstream = Upstream("sidecar", UpstreamConfig(command=MISSING), recorder)
    upstream._note(standing)
    assert upstream.gate.absence == absence


def test_claims_that_nobody_signs_are_told_of() -> None:
    """An auth callable in front of a sidecar without a secret: its claims stay here."""
    config = Config(
        sidecar=UpstreamConfig(address="http://127.0.0.1:9"),
        routes=[RouteConfig(id="a", path="/a", auth="os.path:join")],
    )
    ((name, problem),) = Runtime(config).warnings()
    assert (name, "secret_env or secret_file" in problem) == ("a", True)
