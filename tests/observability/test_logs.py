"""What becomes of events: one structured line each, with its name, its fields and the request's id."""

import io
import json
import re
from collections.abc import Iterator, MutableMapping
from typing import Any, Literal

import pytest
import structlog

from forst_asgi.events import (
    BreakerClosed,
    BreakerOpened,
    BuildFailed,
    BuildFinished,
    ConfigLoaded,
    ConfigRefused,
    ConfigReloaded,
    ConfigWarned,
    Event,
    FlagChanged,
    FlagContextFailed,
    FlagsUnreadable,
    FlagSystemFailed,
    FolderRestored,
    RequestAbandoned,
    RequestFailed,
    RequestFellBack,
    RequestForwarded,
    RequestRefused,
    SidecarDelayed,
    SidecarExited,
    SidecarFailed,
    SidecarHung,
    SidecarJoined,
    SidecarLogged,
    SidecarReady,
    SidecarRecovered,
    SidecarReplaced,
    SidecarStarted,
    SidecarStopped,
    SidecarUnready,
    SidecarWrote,
    WebSocketAccepted,
    WebSocketClosed,
    WebSocketDeclined,
    WebSocketFailed,
    WebSocketFellBack,
    WebSocketRefused,
)
from forst_asgi.observability import log_observer
from forst_asgi.request_id import RequestId, current

REQUEST: dict[str, Any] = {
    "route": "quote",
    "upstream": "sidecar",
    "target": "sidecar",
    "reason": "mode_on",
    "method": "GET",
    "status": 200,
    "duration_ms": 1.5,
}

FORWARDED = RequestForwarded(**REQUEST)
ABANDONED = RequestAbandoned(**REQUEST)
REFUSED = RequestRefused(**REQUEST, error="unsafe-target")
FAILED = RequestFailed(**REQUEST, stage="connect", error="connect-error: refused")
FELL_BACK = RequestFellBack(**REQUEST, stage="connect", error="connect-error: refused")

HANDSHAKE = {key: value for key, value in REQUEST.items() if key != "method"}
KEPT_OUT = WebSocketRefused(**HANDSHAKE, error="auth")
NOT_SENT = WebSocketFellBack(**HANDSHAKE, stage="connect", error="breaker-open: lately")
END = {**HANDSHAKE, "ended_by": "client", "close_code": 1000, "client_messages": 1, "upstream_messages": 2}

LINES: list[tuple[Event, str, str, set[str]]] = [
    (FORWARDED, "forst.request.forwarded", "info", set(REQUEST)),
    (ABANDONED, "forst.request.abandoned", "info", set(REQUEST)),
    (REFUSED, "forst.request.refused", "warning", {*REQUEST, "error"}),
    (FAILED, "forst.request.failed", "error", {*REQUEST, "stage", "error"}),
    (FELL_BACK, "forst.request.fallen_back", "warning", {*REQUEST, "stage", "error"}),
    (BreakerOpened("sidecar", "ConnectError: no"), "forst.breaker.opened", "error", {"upstream", "error"}),
    (BreakerClosed("sidecar"), "forst.breaker.closed", "info", {"upstream"}),
    (WebSocketAccepted(**HANDSHAKE), "forst.websocket.accepted", "info", set(HANDSHAKE)),
    (WebSocketDeclined(**HANDSHAKE), "forst.websocket.declined", "info", set(HANDSHAKE)),
    (KEPT_OUT, "forst.websocket.refused", "warning", {*HANDSHAKE, "error"}),
    (NOT_SENT, "forst.websocket.fallen_back", "warning", {*HANDSHAKE, "stage", "error"}),
    (WebSocketClosed(**END), "forst.websocket.closed", "info", set(END)),
    (
        WebSocketFailed(**END, stage="body", error="body-error: broke off"),
        "forst.websocket.failed",
        "error",
        {*END, "stage", "error"},
    ),
    (
        ConfigLoaded("forst.toml", 2, 1, 1, "1f2e3d4c"),
        "forst.config.loaded",
        "info",
        {"source", "routes", "forwarding", "upstreams", "generation"},
    ),
    (
        ConfigReloaded("forst.toml", "1f2e3d4c", "watch", ("quote",), ()),
        "forst.config.reloaded",
        "info",
        {"source", "generation", "by", "routes", "upstreams"},
    ),
    (
        ConfigRefused("forst.toml", "1f2e3d4c", "signal", "is not TOML"),
        "forst.config.refused",
        "error",
        {"source", "generation", "by", "problem"},
    ),
    (ConfigWarned("quote", "no auth"), "forst.config.warned", "warning", {"route", "problem"}),
    (
        FlagChanged("quote", "canary 5 %", "ada", "a try", 3),
        "forst.flag.changed",
        "info",
        {"route", "mode", "who", "why", "generation"},
    ),
    (FlagsUnreadable("f.json", "is not JSON"), "forst.flags.failed", "error", {"file", "problem"}),
    (FlagContextFailed("KeyError: 'plan'"), "forst.context.failed", "error", {"problem"}),
    (FlagSystemFailed("quote", "GENERAL"), "forst.openfeature.failed", "warning", {"route", "problem"}),
    (FolderRestored("sidecar", "/run/x"), "forst.folder.restored", "warning", {"upstream", "missing"}),
    (SidecarStarted("sidecar", 1, "./s"), "forst.sidecar.started", "info", {"upstream", "pid", "command"}),
    (SidecarReady("sidecar", 1, 2.0), "forst.sidecar.ready", "info", {"upstream", "pid", "duration_ms"}),
    (SidecarFailed("no such file"), "forst.sidecar.failed", "error", {"problem"}),
    (
        SidecarUnready("sidecar", 1, "silent"),
        "forst.sidecar.unready",
        "warning",
        {"upstream", "pid", "problem"},
    ),
    (BuildFinished("sidecar", 5.0), "forst.build.finished", "info", {"upstream", "duration_ms"}),
    (BuildFailed("sidecar", "main.go:1:1: x"), "forst.build.failed", "error", {"upstream", "problem"}),
    (SidecarRecovered("sidecar", 1), "forst.sidecar.recovered", "info", {"upstream", "pid"}),
    (SidecarHung("sidecar", 1, "silent"), "forst.sidecar.hung", "error", {"upstream", "pid", "problem"}),
    (
        SidecarDelayed("sidecar", 2, 100.0, "crashed"),
        "forst.sidecar.delayed",
        "warning",
        {"upstream", "failures", "pause_ms", "problem"},
    ),
    (
        SidecarReplaced("sidecar", 2, 1, 30.0),
        "forst.sidecar.replaced",
        "info",
        {"upstream", "pid", "old_pid", "duration_ms"},
    ),
    (SidecarJoined("sidecar", 2, 1), "forst.sidecar.joined", "info", {"upstream", "pid", "leader"}),
    (
        SidecarLogged("sidecar", 1, "warning", "slow", {"ms": 120}),
        "forst.sidecar.logged",
        "warning",
        {"upstream", "pid", "severity", "message", "fields"},
    ),
    (SidecarWrote("sidecar", 1, "hello"), "forst.sidecar.wrote", "info", {"upstream", "pid", "line"}),
    (SidecarExited("sidecar", 1, 7), "forst.sidecar.exited", "error", {"upstream", "pid", "exit_status"}),
    (
        SidecarStopped("sidecar", 1, 0, 3.0),
        "forst.sidecar.stopped",
        "info",
        {"upstream", "pid", "exit_status", "duration_ms"},
    ),
]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Shared(io.StringIO):
    """A stream that remembers what came in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


def test_a_line_is_written_in_one_piece() -> None:
    """Several workers share standard error; their lines must not run into each other."""
    stream = Shared()
    log_observer("json", stream=stream).observe(ConfigLoaded("forst.toml", 2, 1, 1, "1f2e3d4c"))
    assert [piece[-1] for piece in stream.pieces] == ["\n"]


def subclasses(kind: type[Event]) -> set[type[Event]]:
    """Return all kinds of events that can happen."""
    below = kind.__subclasses__()
    return {each for each in below if "name" in vars(each)}.union(*map(subclasses, below))


@pytest.fixture(autouse=True)
def nothing_is_bound() -> None:
    """A test that ran before may have bound an id where no task of its own kept it."""
    structlog.contextvars.clear_contextvars()


def test_every_event_is_listed_here() -> None:
    """The table above pins each event that there is."""
    slotted = {type(event).__name__ for event, *_ in LINES}
    assert slotted == {kind.__name__ for kind in subclasses(Event)}


@pytest.mark.parametrize(("event", "name", "level", "keys"), LINES, ids=lambda value: str(value)[:30])
def test_an_event_is_one_line_of_json_with_fixed_keys(
    event: Event, name: str, level: str, keys: set[str]
) -> None:
    """A line has the event's name, its level, a time, its own fields, and nothing else."""
    stream = io.StringIO()
    log_observer("json", "all", stream).observe(event)
    [line] = stream.getvalue().splitlines()
    written = json.loads(line)
    assert (written["event"], written["level"]) == (name, level)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", written["timestamp"])
    assert set(written) == keys | {"event", "level", "timestamp"}


@pytest.mark.parametrize(
    ("requests", "lines"),
    [("none", 0), ("failures", 3), ("all", 5)],
)
def test_which_requests_leave_a_line(requests: Literal["none", "failures", "all"], lines: int) -> None:
    """`failures` are those that failed or were refused; who reports is told whether successes are wanted."""
    stream = io.StringIO()
    observer = log_observer("json", requests, stream)
    for event in (FORWARDED, ABANDONED):
        if observer.wants_requests:  # as who reports does
            observer.observe(event)
    observer.observe(REFUSED)
    observer.observe(FAILED)
    observer.observe(KEPT_OUT)
    assert len(stream.getvalue().splitlines()) == lines


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines as what they say."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_sidecar_that_is_down_leaves_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each route and each way to fail has its own allowance; the next line says what is missing."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    stream = io.StringIO()
    observer = log_observer("json", stream=stream, failures_per_second=2)
    other = RequestFellBack(**{**REQUEST, "route": "other"}, stage="pool", error="no")
    for event in (FELL_BACK, FELL_BACK, FELL_BACK, FELL_BACK, other, FAILED, NOT_SENT):
        observer.observe(event)
    now += 1.0
    observer.observe(FELL_BACK)
    observer.observe(FELL_BACK)
    told = [(line["event"], line["route"], line.get("left_out")) for line in written(stream)]
    fell_back = "forst.request.fallen_back"
    assert told == [
        (fell_back, "quote", None),
        (fell_back, "quote", None),
        (fell_back, "other", None),
        ("forst.request.failed", "quote", None),
        ("forst.websocket.fallen_back", "quote", None),
        (fell_back, "quote", 2),
        (fell_back, "quote", None),
    ]


@pytest.mark.parametrize(("requests", "per_second"), [("all", 1), ("failures", 0)])
def test_every_request_is_written_where_that_is_asked_for(
    requests: Literal["failures", "all"], per_second: int
) -> None:
    """Neither `requests = "all"` nor a limit of 0 leaves anything out."""
    stream = io.StringIO()
    observer = log_observer("json", requests, stream, failures_per_second=per_second)
    for _ in range(100):
        observer.observe(FAILED)
    assert len(written(stream)) == 100


def test_what_is_no_request_has_no_limit() -> None:
    """The sidecar's own lines are all written."""
    stream = io.StringIO()
    observer = log_observer("json", stream=stream, failures_per_second=1)
    for _ in range(100):
        observer.observe(SidecarWrote("sidecar", 1, "line"))
    assert len(written(stream)) == 100


def test_what_is_no_request_is_always_written() -> None:
    """`requests = "none"` says nothing about the sidecar's life."""
    stream = io.StringIO()
    log_observer("json", "none", stream).observe(SidecarExited("sidecar", 1, 7))
    assert "forst.sidecar.exited" in stream.getvalue()


def test_auto_is_json_where_nobody_looks() -> None:
    """On a file or a pipe, `auto` is JSON."""
    stream = io.StringIO()
    log_observer("auto", stream=stream).observe(FAILED)
    assert json.loads(stream.getvalue())["event"] == "forst.request.failed"


@pytest.mark.parametrize(("format_", "stream"), [("auto", Terminal()), ("console", io.StringIO())])
def test_a_person_gets_text(format_: Literal["auto", "console"], stream: io.StringIO) -> None:
    """On a terminal, or when asked for, lines are for reading."""
    log_observer(format_, stream=stream).observe(FAILED)
    assert "forst.request.failed" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.fixture
def configured() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of an app that has set structlog up in its own way."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_app_hands_events_to_the_logger_of_the_app(configured: list[MutableMapping[str, Any]]) -> None:
    """With `app`, structlog's configuration is the app's own, and the stream does not matter."""
    stream = io.StringIO()
    log_observer("app", stream=stream).observe(FAILED)
    [line] = configured
    assert (line["event"], line["log_level"], line["route"]) == ("forst.request.failed", "error", "quote")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("format_", ["json", "console"])
def test_our_own_format_does_not_depend_on_the_app(
    configured: list[MutableMapping[str, Any]], format_: Literal["json", "console"]
) -> None:
    """What the app has set up is neither used nor changed."""
    stream = io.StringIO()
    log_observer(format_, stream=stream).observe(FAILED)
    assert "forst.request.failed" in stream.getvalue()
    assert configured == []


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_line_carries_the_id_of_its_request(format_: Literal["json", "console"]) -> None:
    """The bound request id stands in the line as text."""
    stream = io.StringIO()
    token = current.set(RequestId.of({"type": "http", "headers": [(b"x-request-id", b"abc-123")]}))
    try:
        log_observer(format_, stream=stream).observe(FAILED)
    finally:
        current.reset(token)
    assert "request_id" in stream.getvalue()
    assert "abc-123" in stream.getvalue()


def test_a_person_gets_what_a_compiler_wrote_line_by_line() -> None:
    """On a terminal several lines stay several, indented, and all with their text; in JSON they are one."""
    problem = "sidecar: `go build` failed:\n# app\n./main.go:3:5: undefined: oops"
    console, plain = io.StringIO(), io.StringIO()
    for format_, stream in (("console", console), ("json", plain)):
        log_observer(format_, stream=stream).observe(BuildFailed("sidecar", problem))  # type: ignore[arg-type]
    [head, *rest] = console.getvalue().splitlines()
    assert "`go build` failed:" in head
    assert rest == ["    # app", "    ./main.go:3:5: undefined: oops"]
    assert json.loads(plain.getvalue())["problem"] == problem


def test_control_bytes_cannot_forge_a_line() -> None:
    """What a sidecar writes stays one line, with its control characters escaped."""
    stream = io.StringIO()
    log_observer("json", stream=stream).observe(SidecarWrote("sidecar", 1, 'x"\n{"event": "forged"}\x1b[2J'))
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "forst.sidecar.wrote"
    assert "\x1b" not in line


def test_a_closed_stream_does_not_break_a_request() -> None:
    """An observer must not raise: a log that cannot be written is lost, the request is not."""
    stream = io.StringIO()
    observer = log_observer("json", stream=stream)
    stream.close()
    observer.observe(FAILED)
