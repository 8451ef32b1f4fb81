"""The flags of a configuration, live."""

import asyncio
import json
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from forst_asgi.config import Config, ConfigError
from forst_asgi.decision import Decision, Reason, Target, bucket_of, sign
from forst_asgi.events import FlagChanged, FlagContextFailed, FlagsUnreadable
from forst_asgi.flags import EMPTY, Mark, StateFile, acknowledge, kill, roll_back, set_mode, unkill
from forst_asgi.flags.codec import encode
from forst_asgi.runtime.flags import Flags, in_force
from forst_asgi.runtime.flagspec import PREFIX, variable
from forst_asgi.types import Message, Scope

if TYPE_CHECKING:
    from tests.conftest import Recorder

ADA = Mark("ada", "2025-01-31T12:00:00Z", "a try")
SECRET = "0123456789abcdef"
NOW = 1_700_000_000.0


class Match:
    """A match without path parameters."""

    params: Mapping[str, Any] = {}


def scope(*headers: tuple[str, str], client: str = "192.0.2.7") -> Scope:
    """Return the scope of a request."""
    fields = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "headers": fields, "query_string": b"", "client": (client, 1)}


@pytest.fixture
def make(tmp_path: Path, recorder: "Recorder") -> Callable[..., Flags]:
    """Builds flags from routes, with a state file in a folder of its own."""

    def build(
        *routes: dict[str, Any], environ: Mapping[str, str] | None = None, flags: Any = (), **more: Any
    ) -> Flags:
        given: Any = {
            "sidecar": {"address": "http://127.0.0.1:1"},
            "routes": [{"path": f"/{route['id']}", **route} for route in routes],
            "flags": {"state": tmp_path / "flags.json", **dict(flags)},
        }
        config = Config(**given, **more)
        return Flags(config, recorder, environ or {}, lambda: NOW)

    return build


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module of the app, to put callables into."""
    made = sys.modules["shop_flags"] = ModuleType("shop_flags")
    yield made
    del sys.modules["shop_flags"]


def reason(flags: Flags, route: str = "a", request: Scope | None = None) -> str:
    """Return why a request is decided as it is."""
    return flags.decide(route, request or scope(), Match()).reason


def test_modes_and_shares_come_from_the_configuration(make: Callable[..., Flags]) -> None:
    """Each route is as it was written; salt and stick keys count."""
    flags = make(
        {"id": "a", "mode": "on"},
        {"id": "b", "percent": 5},
        {"id": "c", "mode": "canary", "percent": 2.5, "stick": ["header:x-user-id"], "salt": "s"},
    )
    assert {name: in_force(switch) for name, switch in flags.switches.items()} == {
        "a": "on",
        "b": "off",
        "c": "canary 2.5 %",
    }
    user = next(f"u{number}" for number in range(1000) if bucket_of("canary", "s", f"u{number}") < 250)
    assert reason(flags, "c", scope(("x-user-id", user))) == "canary_in"
    assert "3 routes" in repr(flags)


@pytest.mark.parametrize(
    ("value", "shown"), [("on", "on"), ("OFF", "off"), ("canary:50", "canary 50 %"), ("canary", "canary 5 %")]
)
def test_the_environment_replaces_the_mode(make: Callable[..., Flags], value: str, shown: str) -> None:
    """FORST_ROUTE_<ID> may be higher or lower than the mode, and takes the percentage that is there."""
    route = {"id": "get-quote", "percent": 5, "stick": "client"}
    flags = make(route, environ={"FORST_ROUTE_GET_QUOTE": value})
    assert in_force(flags.switches["get-quote"]) == shown


def test_a_mode_in_the_environment_that_is_none_is_refused(make: Callable[..., Flags]) -> None:
    """The message names the variable and what was expected."""
    with pytest.raises(ConfigError, match=r'variable FORST_ROUTE_A = "onn": expected "off"'):
        make({"id": "a"}, environ={variable("a"): "onn"})
    with pytest.raises(ConfigError, match="needs a percentage"):
        make({"id": "a"}, environ={variable("a"): "canary"})
    with pytest.raises(ConfigError, match='FORST_ROUTE_A = "canary:5": the route has no "stick" keys'):
        make({"id": "a"}, environ={variable("a"): "canary:5"})


def test_all_routes_are_set_before_any_is_told_of(
    make: Callable[..., Flags], recorder: "Recorder", monkeypatch: pytest.MonkeyPatch
) -> None:
    """An observer that raises at the first route does not leave the others on the sidecar."""
    flags = make({"id": "a", "mode": "on"}, {"id": "b", "mode": "on"})

    def raises(_: object) -> None:
        raise ValueError("an observer's")

    monkeypatch.setattr(recorder, "observe", raises)  # the flags have it already
    with pytest.raises(ValueError, match="an observer's"):
        flags.apply(kill(None, ADA)(EMPTY))
    assert {in_force(switch) for switch in flags.switches.values()} == {"killed"}


def test_a_kill_beside_a_share_that_is_none_is_in_force(
    make: Callable[..., Flags], recorder: "Recorder"
) -> None:
    """The rest of such a state is not, and mending the share puts all of it in force."""
    flags = make({"id": "a", "mode": "on", "stick": "client"}, {"id": "b", "mode": "on"})
    flags.file.change(set_mode("a", "canary", 5, ADA))
    whole = flags.file.change(kill("b", ADA))
    flags.file.change(unkill("b", ADA))
    flags.load()
    for percent, a in (("5.125", "canary 5 %"), ("7", "canary 7 %")):
        flags.file.path.write_bytes(
            encode(whole).replace(b'"percent": 5,', f'"percent": {percent},'.encode())
        )
        flags.load()
        assert (in_force(flags.switches["a"]), in_force(flags.switches["b"])) == (a, "killed")
    assert [(event.route, event.who) for event in recorder.of(FlagChanged)][1] == ("b", "ada")


def test_a_share_that_is_none_at_the_start_leaves_all_to_the_app(
    make: Callable[..., Flags], recorder: "Recorder"
) -> None:
    """The app starts, and the log says what is wrong with the file."""
    flags = make({"id": "a", "mode": "on", "stick": "client"})
    state = flags.file.change(set_mode("a", "canary", 5, ADA))
    flags.file.path.write_bytes(encode(state).replace(b'"percent": 5,', b'"percent": 5.125,'))
    flags.load()
    assert reason(flags) == "state_unreadable"
    assert "at most two places" in recorder.of(FlagsUnreadable)[0].problem


def test_only_what_changed_is_told(make: Callable[..., Flags], recorder: "Recorder") -> None:
    """Of many routes, those that a change is not about stay as they are."""
    flags = make({"id": "a", "mode": "on"}, {"id": "b", "mode": "on"})
    first = kill("a", ADA)(EMPTY)
    for state in (first, kill("b", ADA)(first), None, first):
        flags.apply(state)
    told = [(event.route, event.mode) for event in recorder.of(FlagChanged)]
    assert told == [
        ("a", "killed"),
        ("b", "killed"),
        ("a", "unknown"),
        ("b", "unknown"),
        ("a", "killed"),
        ("b", "on"),
    ]


def test_odd_variables_are_warned_about(make: Callable[..., Flags]) -> None:
    """A variable for no route, or for two, is probably not meant."""
    flags = make(
        {"id": "a-b"}, {"id": "a_b"}, environ={f"{PREFIX}A_B": "on", f"{PREFIX}C": "on", "FORST_ROUTES": "x"}
    )
    assert flags.warnings() == [
        ("", "the environment variable FORST_ROUTE_A_B replaces the mode of several routes"),
        ("", "the environment variable FORST_ROUTE_C belongs to no route"),
    ]


def test_the_state_file_is_put_in_force(make: Callable[..., Flags], recorder: "Recorder") -> None:
    """Each change shows in the next decision, and is told with who and why; what is the same is not told."""
    flags = make({"id": "a", "mode": "on"}, {"id": "b", "mode": "on"})
    flags.load()
    steps: list[tuple[Any, str, str]] = [
        (set_mode("a", "off", None, ADA), "state_off", "off"),
        (set_mode("a", "on", None, ADA), "mode_on", "on"),
        (roll_back("a", ADA), "rolled_back", "rolled back"),
        (acknowledge("a", ADA), "mode_on", "on"),
        (kill("a", ADA), "killed", "killed"),
        (unkill("a", ADA), "mode_on", "on"),
    ]
    for number, (transition, why, shown) in enumerate(steps, start=1):
        flags.file.change(transition)
        flags.load()
        assert (reason(flags), reason(flags, "b")) == (why, "mode_on")
        assert recorder.events[-1] == FlagChanged("a", shown, "ada", "a try", number)
    flags.file.change(kill("unknown", ADA))
    flags.load()
    assert len(recorder.events) == len(steps)


def test_killing_all_routes_kills_each(make: Callable[..., Flags], recorder: "Recorder") -> None:
    """One change, and every route tells that it is in force."""
    flags = make({"id": "a", "mode": "on"}, {"id": "b"})
    flags.file.change(kill(None, ADA))
    flags.load()
    assert {event.route: event.mode for event in recorder.of(FlagChanged)} == {"a": "killed", "b": "killed"}
    assert reason(flags, "b") == "killed"


def test_a_state_that_cannot_be_read_leaves_all_to_the_app(
    make: Callable[..., Flags], recorder: "Recorder"
) -> None:
    """At the start it may hold a kill; once it can be read, things are as it says."""
    flags = make({"id": "a", "mode": "on"})
    flags.file.path.write_text("{")
    flags.load()
    assert reason(flags) == "state_unreadable"
    assert len(recorder.of(FlagsUnreadable)) == 1
    assert recorder.of(FlagChanged)[-1].mode == "unknown"
    flags.file.change(set_mode("a", "on", None, ADA), discards_unreadable=True)
    flags.load()
    assert reason(flags) == "mode_on"


def test_taking_the_state_file_away_before_it_was_read_is_no_change(make: Callable[..., Flags]) -> None:
    """A file that never could be read and is gone has nothing to say."""
    flags = make({"id": "a", "mode": "on"})
    flags.file.path.write_text("{")
    flags.load()
    flags.file.path.unlink()
    flags.load()
    assert reason(flags) == "mode_on"


def test_started_it_follows_the_file(make: Callable[..., Flags], recorder: "Recorder") -> None:
    """What another process writes is in force without anybody asking; after closing no task is left."""

    async def main() -> None:
        flags = make({"id": "a", "mode": "on"})
        flags.start()
        flags.start()
        other = StateFile(flags.file.path)
        await asyncio.to_thread(other.change, kill("a", ADA))
        await asyncio.to_thread(recorder.wait_for, FlagChanged)
        assert reason(flags) == "killed"
        assert flags.is_watching
        await flags.aclose()
        assert not flags.is_watching
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_testers_need_the_secret(make: Callable[..., Flags], tmp_path: Path) -> None:
    """The secret comes from the environment or a file, of which every line is valid."""
    token = sign(SECRET.encode(), Target.SIDECAR, "a", int(NOW) + 60)
    path = tmp_path / "secret"
    path.write_text(f"another secret, the new one\n{SECRET}\n\n")
    for override in ({"secret_env": "S"}, {"secret_file": path}):
        flags = make({"id": "a"}, environ={"S": SECRET}, flags={"override": override})
        assert reason(flags, request=scope(("x-forst-route", token))) == "override"
        assert reason(flags, request=scope(("x-forst-route", "sidecar"))) == "mode_off"
        assert flags.warnings() == []


def test_development_needs_no_secret_and_is_warned_about(make: Callable[..., Flags]) -> None:
    """Peers that may do without a signature are a risk that is told at startup."""
    flags = make({"id": "a"}, flags={"override": {"unsigned_from": ["127.0.0.1/32"]}})
    assert reason(flags, request=scope(("x-forst-route", "sidecar"), client="127.0.0.1")) == "override"
    assert reason(flags, request=scope(("x-forst-route", "sidecar"))) == "mode_off"
    assert "for development only" in flags.warnings()[0][1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), ("short", "is too short"), ("", "is not set"), (b"\xff", "cannot be read")],
)
def test_secrets_that_are_none_are_refused(
    make: Callable[..., Flags], tmp_path: Path, content: str | bytes | None, problem: str
) -> None:
    """A secret that is missing or can be guessed fails the start, and is not repeated."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=problem) as caught:
        make({"id": "a"}, flags={"override": {"secret_file": path}})
    assert "short\n" not in str(caught.value)
    if isinstance(content, str):
        with pytest.raises(ConfigError, match=f"variable S {problem}"):
            make({"id": "a"}, environ={"S": content}, flags={"override": {"secret_env": "S"}})


RULE = {"name": "paying", "when": [{"key": "context:plan", "equals": "pro"}], "mode": "on"}


def test_rules_may_ask_the_app(make: Callable[..., Flags], module: ModuleType, recorder: "Recorder") -> None:
    """The app's callable gets the connection; its failure leaves the request to the app and is told once."""
    module.context = lambda connection: {"plan": connection.headers["x-plan"]}  # type: ignore[attr-defined]
    flags = make({"id": "a", "rules": [RULE]}, flags={"context": "shop_flags:context"})
    found = flags.decide("a", scope(("x-plan", "pro")), Match())
    assert found == Decision(Target.SIDECAR, Reason.RULE_ON, "paying")
    for _ in range(3):
        assert reason(flags) == "context_failed"
    assert [event.problem for event in recorder.of(FlagContextFailed)] == ["KeyError: 'x-plan'"]
    assert reason(flags, request=scope(("x-plan", "free"))) == "mode_off"
    assert reason(flags) == "context_failed"
    assert len(recorder.of(FlagContextFailed)) == 2


def test_a_mapping_of_the_apps_may_fail(
    make: Callable[..., Flags], module: ModuleType, recorder: "Recorder"
) -> None:
    """It is read at once, so that its failure is one of the context, and not of the request."""

    class Lazy(dict[str, str]):
        def keys(self) -> Any:
            raise OSError("the database is gone")

        __iter__ = keys

    module.context = lambda _: ChainMap(Lazy(plan="pro"))  # type: ignore[attr-defined]
    flags = make({"id": "a", "rules": [RULE]}, flags={"context": "shop_flags:context"})
    assert reason(flags) == "context_failed"
    assert [event.problem for event in recorder.of(FlagContextFailed)] == ["OSError: the database is gone"]


def test_what_the_app_returns_has_to_be_a_mapping(
    make: Callable[..., Flags], module: ModuleType, recorder: "Recorder"
) -> None:
    """A list, or a coroutine that a plain function returns, is a failure with a clear text."""

    async def wait() -> dict[str, str]:
        return {}

    answers: list[Any] = [wait(), ["pro"]]
    module.context = lambda _: answers.pop()  # type: ignore[attr-defined]
    flags = make({"id": "a", "rules": [RULE]}, flags={"context": "shop_flags:context"})
    assert [reason(flags), reason(flags)] == ["context_failed"] * 2
    assert recorder.of(FlagContextFailed)[0].problem.endswith("returns a mapping, not list")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("shop_nowhere:context", "cannot be imported: No module"),
        ("shop_flags:missing", "cannot be imported: module 'shop_flags' has no"),
        ("shop_flags:number", "is a int, expected something to call"),
        ("shop_flags:later", "is async, expected a plain function"),
        ("shop_flags:Later.of", "is async, expected a plain function"),
        ("shop_flags:instance", "is async, expected a plain function"),
    ],
)
def test_a_context_that_cannot_be_called_is_refused(
    make: Callable[..., Flags], module: ModuleType, name: str, problem: str
) -> None:
    """The start fails and says what is wrong with the callable."""

    async def later(_: object) -> dict[str, str]:
        return {}

    class Later:
        of = staticmethod(later)

        async def __call__(self, _: object) -> dict[str, str]:
            return {}

    vars(module).update(number=5, later=later, Later=Later, instance=Later())
    with pytest.raises(ConfigError, match=problem):
        make({"id": "a"}, flags={"context": name})


def test_a_callable_object_will_do(make: Callable[..., Flags], module: ModuleType) -> None:
    """Anything that can be called without waiting is a context."""

    class Plans:
        def __call__(self, _: object) -> dict[str, str]:
            return {"plan": "pro"}

    vars(module).update(plans=Plans())
    flags = make({"id": "a", "rules": [RULE]}, flags={"context": "shop_flags:plans"})
    assert reason(flags) == "rule_on"


def test_rules_and_client_see_through_trusted_proxies(make: Callable[..., Flags]) -> None:
    """The client's address is the one behind the proxies that the configuration trusts."""
    rule = {"name": "office", "when": [{"key": "client", "network": ["203.0.113.0/24"]}], "mode": "on"}
    flags = make({"id": "a", "rules": [rule]}, trusted_proxies=["10.0.0.0/8"])
    forwarded = ("x-forwarded-for", "203.0.113.9")
    assert reason(flags, request=scope(forwarded, client="10.0.0.1")) == "rule_on"
    assert reason(flags, request=scope(forwarded)) == "mode_off"
    assert reason(flags, request=scope(client="203.0.113.1")) == "rule_on"


def test_without_a_flag_system_there_is_nothing_to_wait_for(make: Callable[..., Flags]) -> None:
    """Refreshing does nothing, and the middleware need not do it."""
    flags = make({"id": "a"})
    assert not flags.is_remote
    asyncio.run(flags.prepare("a", scope(), Match()))


def test_the_state_file_of_a_running_app_is_what_people_can_read(make: Callable[..., Flags]) -> None:
    """It is JSON with names that speak."""
    flags = make({"id": "a"})
    flags.file.change(kill("a", ADA))
    assert json.loads(flags.file.path.read_text())["routes"]["a"]["killed"]["why"] == "a try"


def test_decisions_are_shown_to_those_who_may_see_them(make: Callable[..., Flags]) -> None:
    """Only listed peers get another `send`, and nobody does unless somebody is listed."""

    async def send(_: Message) -> None: ...

    flags = make({"id": "a"}, flags={"show_decision_to": ["10.0.0.0/8"]})
    decision = flags.decide("a", scope(), Match())
    assert flags.shown(decision, scope(client="10.0.0.1"), send) is not send
    assert flags.shown(decision, scope(), send) is send
    assert flags.shown(decision, {**scope(), "client": None}, send) is send
    assert make({"id": "a"}).shown(decision, scope(), send) is send
