"""Flags from the app's own flag system, through the OpenFeature SDK."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.flag_evaluation import Reason as Why
from openfeature.provider import AbstractProvider
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from starlette.responses import PlainTextResponse

from forst_asgi import SidecarMiddleware
from forst_asgi.config import Config, ConfigError
from forst_asgi.decision import Controls, bucket_of, rollout_of
from forst_asgi.events import FlagSystemFailed
from forst_asgi.flags import openfeature as flagsystem
from forst_asgi.flags.openfeature import MOST_REMEMBERED, FlagSystem, Patience, Question
from forst_asgi.runtime import flagspec
from forst_asgi.runtime.flags import Flags
from forst_asgi.types import Scope

if TYPE_CHECKING:
    from tests.conftest import Recorder

DOMAIN = "forst-tests"
SIMPLY = {"domain": DOMAIN}


class Match:
    """A match without path parameters."""

    params: Mapping[str, Any] = {}


def user(name: str, **more: str) -> Scope:
    """Return a request of a user."""
    fields = [(b"x-user-id", name.encode()), *((key.encode(), value.encode()) for key, value in more.items())]
    return {"type": "http", "headers": fields, "query_string": b"", "client": ("192.0.2.7", 1)}


@pytest.fixture(autouse=True)
def providers() -> Iterator[None]:
    """No provider is left for the next test, and what the SDK logs of failures stays out of the way."""
    logger = logging.getLogger("openfeature")
    logger.disabled = True
    yield
    logger.disabled = False
    api.clear_providers()


@pytest.fixture
def make(tmp_path: Path, recorder: "Recorder") -> Callable[..., Flags]:
    """Builds flags of one route that asks the flag system."""

    def build(settings: Any = SIMPLY, flags: Any = (), **route: Any) -> Flags:
        whole = {"id": "a", "path": "/a", "mode": "on", "stick": ["header:x-user-id"], **route}
        given: Any = {
            "sidecar": {"address": "http://127.0.0.1:1"},
            "routes": [whole],
            "flags": {"state": tmp_path / "flags.json", "openfeature": settings, **dict(flags)},
        }
        return Flags(Config(**given), recorder, {})

    return build


def reason(flags: Flags, request: Scope) -> str:
    """Return why a request is decided as it is."""
    return flags.decide("a", request, Match()).reason


def says(value: Any) -> None:
    """Let the in-memory provider give this to everybody."""
    api.set_provider_and_wait(InMemoryProvider({"forst.a": InMemoryFlag("it", {"it": value})}), DOMAIN)


INSIDE = next(f"u{number}" for number in range(10_000) if bucket_of("canary", "a", f"u{number}") < 500)
OUTSIDE = next(f"u{number}" for number in range(10_000) if bucket_of("canary", "a", f"u{number}") > 5000)


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        ("off", "openfeature_off", "openfeature_off"),
        ("on", "mode_on", "mode_on"),
        ("canary:5", "canary_in", "canary_out"),
        ("canary", "canary_in", "canary_out"),
        (5, "canary_in", "canary_out"),
        (5.5, "canary_in", "canary_out"),
        (0, "openfeature_off", "openfeature_off"),
        (100.0, "mode_on", "mode_on"),
        (True, "mode_on", "mode_on"),
        (False, "openfeature_off", "openfeature_off"),
    ],
)
def test_text_numbers_and_booleans_are_understood(
    make: Callable[..., Flags], value: object, inside: str, outside: str
) -> None:
    """A mode, a percentage, or all or nothing; asked again, the answer is the same."""
    says(value)
    flags = make(percent=5)
    for _ in range(2):
        assert (reason(flags, user(INSIDE)), reason(flags, user(OUTSIDE))) == (inside, outside)


@pytest.mark.parametrize("value", ["onn", "", "shadow", 101, -5, 0.001, {"mode": "on"}])
def test_a_value_that_is_no_mode_is_no_opinion(
    make: Callable[..., Flags], recorder: "Recorder", value: object
) -> None:
    """It neither raises nor lowers; the mistake is told once."""
    says(value)
    flags = make()
    assert [reason(flags, user("u")) for _ in range(3)] == ["mode_on"] * 3
    assert len(recorder.of(FlagSystemFailed)) == 1


def test_the_mode_is_a_ceiling(make: Callable[..., Flags]) -> None:
    """The flag system cannot raise a route above its mode."""
    says("on")
    assert reason(make(mode="off"), user("u")) == "mode_off"
    assert reason(make(mode="canary", percent=5), user(OUTSIDE)) == "canary_out"


def test_a_flag_that_is_not_there_is_no_opinion(make: Callable[..., Flags], recorder: "Recorder") -> None:
    """Nor is a provider that nobody has set; neither is a failure."""
    assert reason(make(), user("u")) == "mode_on"
    api.set_provider_and_wait(InMemoryProvider({}), DOMAIN)
    assert reason(make(), user("u")) == "mode_on"
    assert recorder.events == []


def test_the_flag_system_sees_the_user_and_what_is_configured(make: Callable[..., Flags]) -> None:
    """The targeting key is what the request sticks to; attributes come from the request as listed."""
    seen: list[EvaluationContext] = []

    def evaluate(flag: InMemoryFlag[str], context: EvaluationContext) -> FlagResolutionDetails[str]:
        seen.append(context)
        return FlagResolutionDetails("off" if context.attributes.get("x-plan") == "free" else "on", None)

    flag = InMemoryFlag("it", {"it": "on"}, context_evaluator=evaluate)
    api.set_provider_and_wait(InMemoryProvider({"forst.a": flag}), DOMAIN)
    flags = make({"domain": DOMAIN, "attributes": ["header:x-plan", "client"]})
    assert reason(flags, user("ada", **{"x-plan": "free"})) == "openfeature_off"
    assert reason(flags, {**user("ada"), "headers": []}) == "mode_on"
    assert [(each.targeting_key, dict(each.attributes)) for each in seen] == [
        ("ada", {"x-plan": "free", "client": "192.0.2.7", "route": "a"}),
        (None, {"client": "192.0.2.7", "route": "a"}),
    ]


class Switchable(AbstractProvider):
    """A provider that gives one text, fails, or hangs, as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.value = "on"
        self.error: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = 0

    def get_metadata(self) -> Any:
        return InMemoryProvider({}).get_metadata()

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        self.asked += 1
        assert self.may_answer.wait(30)
        if self.error is not None:
            raise self.error
        return FlagResolutionDetails(self.value, reason=Why.STATIC)

    resolve_boolean_details = resolve_integer_details = resolve_float_details = None  # type: ignore[assignment]
    resolve_object_details = None  # type: ignore[assignment]


@pytest.fixture
def provider() -> Switchable:
    """A provider that does what it is told."""
    made = Switchable()
    api.set_provider_and_wait(made, DOMAIN)
    return made


def test_when_it_fails_the_last_word_for_this_user_counts(
    make: Callable[..., Flags], provider: Switchable, recorder: "Recorder"
) -> None:
    """Users stay where they are; who was never asked about gets the mode. It is told once, and once more."""
    flags = make()
    provider.value = "off"
    assert reason(flags, user("known")) == "openfeature_off"
    provider.error = RuntimeError("the flag system is down")
    assert [reason(flags, user("known")), reason(flags, user("new"))] == ["openfeature_off", "mode_on"]
    assert [event.problem for event in recorder.of(FlagSystemFailed)] == ["GENERAL: the flag system is down"]
    provider.error, provider.value = None, "on"
    assert reason(flags, user("known")) == "mode_on"
    provider.error = RuntimeError("again")
    assert reason(flags, user("known")) == "mode_on"
    assert len(recorder.of(FlagSystemFailed)) == 2


def test_only_so_many_users_are_remembered(recorder: "Recorder") -> None:
    """The memory of what was said is bounded; the oldest go."""
    says("off")
    system = FlagSystem(recorder, DOMAIN)
    details = system.evaluate(Question("a", "u0", {}))
    for number in range(MOST_REMEMBERED + 1):
        system.settle(Question("a", f"u{number}", {}), details)
    assert [system.recall("a", name) for name in ("u0", "u1")] == [None, "off"]


REMOTE = {"domain": DOMAIN, "is_remote": True, "timeout": "10s"}


def test_a_remote_provider_is_asked_before_the_decision(
    make: Callable[..., Flags], provider: Switchable
) -> None:
    """The question runs in a thread; the decision itself asks nobody."""

    async def main() -> None:
        flags = make(REMOTE)
        assert flags.is_remote
        provider.value = "off"
        assert reason(flags, user("u")) == "mode_on"
        await flags.prepare("a", user("u"), Match())
        assert (reason(flags, user("u")), provider.asked) == ("openfeature_off", 1)
        await flags.aclose()
        await flags.aclose()

    asyncio.run(main())


def test_a_remote_provider_that_hangs_holds_nobody_up(
    make: Callable[..., Flags], provider: Switchable, recorder: "Recorder"
) -> None:
    """After the time limit the request goes on; a late answer counts for the next one."""

    async def main() -> None:
        flags = make({**REMOTE, "timeout": "5ms"})
        provider.may_answer.clear()
        provider.value = "off"
        for _ in range(flagsystem.THREADS + 3):
            await flags.prepare("a", user("u"), Match())
            assert reason(flags, user("u")) == "mode_on"
        assert provider.asked <= flagsystem.THREADS
        provider.may_answer.set()
        async with asyncio.timeout(30):
            while reason(flags, user("u")) != "openfeature_off":  # noqa: ASYNC110 - a thread tells nobody
                await asyncio.sleep(0)
        await flags.aclose()

    asyncio.run(main())
    assert recorder.events == []


def test_a_flag_system_that_hangs_is_told_of_once(provider: Switchable, recorder: "Recorder") -> None:
    """When nobody could be asked for a second, somebody should know; an answer ends that."""
    clock = [0.0]

    async def main() -> None:
        patience = Patience(FlagSystem(recorder, DOMAIN), 0.001, lambda: clock[0])
        provider.may_answer.clear()
        for second in (0.0, 0.0, 0.0, 0.0, 10.0, 10.9):
            clock[0] = second
            await patience.refresh(Question("a", "u", {}))
        assert recorder.events == []
        for clock[0] in (11.1, 12.0):
            await patience.refresh(Question("a", "u", {}))
        [told] = recorder.of(FlagSystemFailed)
        assert told.problem == "none of 4 questions was answered for 1 s"
        provider.may_answer.set()
        async with asyncio.timeout(30):
            while patience.is_full:  # noqa: ASYNC110 - a thread tells nobody
                await asyncio.sleep(0)
        patience.close()

    asyncio.run(main())


def test_whatever_is_raised_in_a_thread_ends_nothing(
    recorder: "Recorder", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread goes on to the next question, and the last word counts."""
    says("off")
    system = FlagSystem(recorder, DOMAIN)
    good = system.evaluate

    async def main() -> None:
        patience = Patience(system, 10.0)
        # The SDK makes an answer of every failure, so one of its own is made here.
        monkeypatch.setattr(system, "evaluate", lambda _: 1 / 0)
        await patience.refresh(Question("a", "u", {}))
        assert system.recall("a", "u") is None
        monkeypatch.setattr(system, "evaluate", good)
        await patience.refresh(Question("a", "u", {}))
        assert system.recall("a", "u") == "off"
        patience.close()

    asyncio.run(main())


ENDS = """
import asyncio, sys, threading
from openfeature import api
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from forst_asgi.flags.openfeature import FlagSystem, Patience, Question

def hang(*_):
    print("asked", flush=True)
    threading.Event().wait()

api.set_provider(InMemoryProvider({"forst.a": InMemoryFlag("it", {"it": "on"}, context_evaluator=hang)}))

async def main():
    patience = Patience(FlagSystem(None), 0.001)
    await patience.refresh(Question("a", "u", {}))
    patience.close()

asyncio.run(main())
"""


def test_a_provider_that_never_answers_does_not_keep_the_process() -> None:
    """A server whose flag system hangs can be stopped and restarted."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS], check=True, timeout=30, capture_output=True, text=True
    )
    assert done.stdout in {"asked\n", ""}  # it may be over before the thread has begun


def test_a_slow_provider_is_moved_out_of_the_loop(
    make: Callable[..., Flags], provider: Switchable, recorder: "Recorder", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who forgot to say `remote` pays for three requests; then it is asked in a thread, and that is told."""

    async def main() -> None:
        monkeypatch.setattr(flagsystem, "SLOW_S", -1.0)  # so that any evaluation is slow
        provider.value = "off"
        flags = make({**SIMPLY, "timeout": "10s"})
        flags.start()
        assert flags.is_plain
        for _ in range(flagsystem.SLOW_IN_A_ROW):
            assert reason(flags, user("u")) == "openfeature_off"
        assert not flags.is_plain
        asked = provider.asked
        assert (reason(flags, user("other")), provider.asked) == ("mode_on", asked)
        await flags.prepare("a", user("other"), Match())
        assert (reason(flags, user("other")), provider.asked) == ("openfeature_off", asked + 1)
        await flags.aclose()

    asyncio.run(main())
    [told] = recorder.of(FlagSystemFailed)
    assert "remote = true in the table [flags.openfeature]" in told.problem


def test_slow_now_and_then_is_not_slow(provider: Switchable, recorder: "Recorder") -> None:
    """A pause of the machine moves nothing."""
    times = iter([0.0, 1.0, 1.0, 2.0, 2.0, 2.001] * 3)
    system = FlagSystem(recorder, DOMAIN, lambda: pytest.fail("it is quick"), lambda: next(times))
    for _ in range(9):
        assert system.ask(Question("a", "u", {})) == "on"


@pytest.mark.parametrize(
    "changed", [Controls(is_killed=True), Controls(rollout=rollout_of("off"))], ids=["killed", "off"]
)
def test_what_is_decided_already_waits_for_no_flag_system(
    make: Callable[..., Flags], provider: Switchable, changed: Controls
) -> None:
    """A route that is killed, or off, is not slowed down by a flag system that hangs."""
    flags = make(REMOTE)
    flags.switches["a"].set(changed)
    asyncio.run(flags.prepare("a", user("u"), Match()))
    assert provider.asked == 0


def test_what_is_open_at_the_end_is_let_go(provider: Switchable, recorder: "Recorder") -> None:
    """Closing waits for no provider, and what it says afterwards disturbs nobody."""

    async def main() -> None:
        patience = Patience(FlagSystem(recorder, DOMAIN), 0.001)
        provider.may_answer.clear()
        await patience.refresh(Question("a", "u", {}))
        patience.close()
        provider.may_answer.set()

    asyncio.run(main())


def test_a_context_that_fails_is_the_decisions_business(
    make: Callable[..., Flags], provider: Switchable
) -> None:
    """Refreshing asks nothing then, and the app answers."""
    sys.modules["shop_broken"] = broken = type(sys)("shop_broken")
    broken.context = lambda _: 1 / 0  # type: ignore[attr-defined]
    flags = make(REMOTE, {"context": "shop_broken:context"})
    asyncio.run(flags.prepare("a", user("u"), Match()))
    assert provider.asked == 0
    for settings in (REMOTE, SIMPLY):
        assert reason(make(settings, {"context": "shop_broken:context"}), user("u")) == "context_failed"
    del sys.modules["shop_broken"]


@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_context_is_asked_for_once_per_request(
    tmp_path: Path, recorder: "Recorder", *, is_remote: bool, fails: bool
) -> None:
    """Through the middleware, by a rule and by the flag system, and also if it fails."""
    calls: list[object] = []

    def context(connection: object) -> Mapping[str, Any]:
        calls.append(connection)
        return {"plan": "pro" if not fails else 1 / 0}

    sys.modules["shop_counted"] = counted = type(sys)("shop_counted")
    counted.context = context  # type: ignore[attr-defined]
    says("off")
    rule = {"name": "free", "mode": "off", "when": [{"key": "context:plan", "equals": "free"}]}
    given: Any = {
        "sidecar": {"address": "http://127.0.0.1:1"},
        "routes": [{"id": "a", "path": "/a", "mode": "on", "auth": "none", "rules": [rule]}],
        "flags": {
            "state": tmp_path / "flags.json",
            "context": "shop_counted:context",
            "openfeature": {**REMOTE, "is_remote": is_remote},
        },
    }
    app = SidecarMiddleware(PlainTextResponse("the app"), Config(**given), observer=recorder)
    answer = asyncio.run(_get(app))
    del sys.modules["shop_counted"]
    assert (answer, len(calls)) == ("the app", 1)


async def _get(app: SidecarMiddleware) -> str:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/a")
    await app.aclose()
    return answer.text


def test_a_value_that_is_no_number_is_told_once(make: Callable[..., Flags], recorder: "Recorder") -> None:
    """Though it is never equal to itself."""
    says(float("nan"))
    flags = make()
    assert [reason(flags, user("u")) for _ in range(3)] == ["mode_on"] * 3
    assert len(recorder.of(FlagSystemFailed)) == 1


def test_the_sdk_is_looked_for() -> None:
    """Without it the configuration cannot be used, and the message says what to install."""
    flagspec.require_openfeature()
    with pytest.raises(ConfigError, match=r"pip install 'forst-asgi\[openfeature\]'"):
        flagspec.require_openfeature("openfeature_is_not_there")


WITHOUT = """
import sys
sys.modules["openfeature"] = None
from forst_asgi.config import Config
from forst_asgi.runtime.flags import Flags
Flags(Config(sidecar={"address": "http://h:1"}), None)
assert "forst_asgi.flags.openfeature" not in sys.modules
"""


def test_without_the_sdk_all_else_works() -> None:
    """Flags that ask no flag system do not import it."""
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)


def test_flagd_s_file_format(make: Callable[..., Flags], tmp_path: Path) -> None:
    """Its Python provider reads the file itself; its targeting goes by what forst says of a request."""
    flagd = pytest.importorskip("openfeature.contrib.provider.flagd")
    config = pytest.importorskip("openfeature.contrib.provider.flagd.config")
    path = tmp_path / "flagd.json"
    flag = {
        "state": "ENABLED",
        "variants": {"none": "off", "some": "canary:5", "all": "on"},
        "defaultVariant": "some",
        "targeting": {"if": [{"==": [{"var": "x-team"}, "checkout"]}, "all", None]},
    }
    path.write_text(json.dumps({"flags": {"forst.a": flag}}))
    provider = flagd.FlagdProvider(resolver_type=config.ResolverType.FILE, offline_flag_source_path=str(path))
    api.set_provider_and_wait(provider, DOMAIN)
    try:
        flags = make({"domain": DOMAIN, "attributes": ["header:x-team"]})
        team = {"x-team": "checkout"}
        found = [reason(flags, each) for each in (user(INSIDE), user(OUTSIDE), user(OUTSIDE, **team))]
        assert found == ["canary_in", "canary_out", "mode_on"]
    finally:
        provider.shutdown()
