"""What happened, as frozen values with fixed keys; `observability` decides what becomes of them.

An event's `name` is `forst.<subject>.<past participle>`; durations carry their unit in the field name.
"""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events.

    Attributes:
        name: the event's name in logs and metrics.
        level: how loud it is by default, a `logging` level name in lower case.
    """

    name: ClassVar[str] = "forst.event.observed"
    level: ClassVar[str] = "info"


@dataclass(frozen=True, slots=True)
class RequestEvent(Event):
    """Something about one request on a configured route."""

    route: str
    upstream: str
    target: str
    reason: str
    method: str
    status: int | None
    duration_ms: float


@dataclass(frozen=True, slots=True)
class RequestForwarded(RequestEvent):
    """The sidecar answered and the client has the whole answer."""

    name: ClassVar[str] = "forst.request.forwarded"


@dataclass(frozen=True, slots=True)
class RequestRefused(RequestEvent):
    """The request was answered by the middleware itself: 4xx, or what `auth` raised."""

    name: ClassVar[str] = "forst.request.refused"
    level: ClassVar[str] = "warning"
    error: str


@dataclass(frozen=True, slots=True)
class RequestFailed(RequestEvent):
    """The sidecar could not be asked or broke off; `status` is None when the stream was aborted."""

    name: ClassVar[str] = "forst.request.failed"
    level: ClassVar[str] = "error"
    stage: str
    error: str


@dataclass(frozen=True, slots=True)
class RequestFellBack(RequestEvent):
    """The sidecar did not answer, so the app did; `stage` and `error` say what went wrong."""

    name: ClassVar[str] = "forst.request.fallen_back"
    level: ClassVar[str] = "warning"
    stage: str
    error: str


@dataclass(frozen=True, slots=True)
class BreakerOpened(Event):
    """An upstream could not be reached several times in a row; it is not asked for a while."""

    name: ClassVar[str] = "forst.breaker.opened"
    level: ClassVar[str] = "error"
    upstream: str
    error: str


@dataclass(frozen=True, slots=True)
class BreakerClosed(Event):
    """An upstream that could not be reached answers again."""

    name: ClassVar[str] = "forst.breaker.closed"
    upstream: str


@dataclass(frozen=True, slots=True)
class RequestAbandoned(RequestEvent):
    """The client went away before it had the whole answer."""

    name: ClassVar[str] = "forst.request.abandoned"


@dataclass(frozen=True, slots=True)
class WebSocketEvent(Event):
    """Something about one WebSocket on a configured route; `status` is what its handshake was answered."""

    route: str
    upstream: str
    target: str
    reason: str
    status: int | None
    duration_ms: float


@dataclass(frozen=True, slots=True)
class WebSocketAccepted(WebSocketEvent):
    """The sidecar and then the client shook hands; `duration_ms` is how long that took."""

    name: ClassVar[str] = "forst.websocket.accepted"


@dataclass(frozen=True, slots=True)
class WebSocketDeclined(WebSocketEvent):
    """The sidecar answered the handshake with another status than 101, and the client has that answer."""

    name: ClassVar[str] = "forst.websocket.declined"


@dataclass(frozen=True, slots=True)
class WebSocketRefused(WebSocketEvent):
    """The middleware answered the handshake itself: 4xx, or what `auth` raised."""

    name: ClassVar[str] = "forst.websocket.refused"
    level: ClassVar[str] = "warning"
    error: str


@dataclass(frozen=True, slots=True)
class WebSocketFellBack(WebSocketEvent):
    """The sidecar could not be asked, so the app answers; `stage` and `error` say what went wrong."""

    name: ClassVar[str] = "forst.websocket.fallen_back"
    level: ClassVar[str] = "warning"
    stage: str
    error: str


@dataclass(frozen=True, slots=True)
class WebSocketEnded(WebSocketEvent):
    """What is known at the end of a WebSocket: who ended it, its close code, and messages by sender."""

    ended_by: str
    close_code: int
    client_messages: int
    upstream_messages: int


@dataclass(frozen=True, slots=True)
class WebSocketClosed(WebSocketEnded):
    """A WebSocket ended; `status` is None when the client went away before the handshake was answered."""

    name: ClassVar[str] = "forst.websocket.closed"


@dataclass(frozen=True, slots=True)
class WebSocketFailed(WebSocketEnded):
    """The sidecar could not be asked, broke off, or a limit of the route ended the WebSocket."""

    name: ClassVar[str] = "forst.websocket.failed"
    level: ClassVar[str] = "error"
    stage: str
    error: str


@dataclass(frozen=True, slots=True)
class ConfigLoaded(Event):
    """A configuration is in force; `generation` is a short digest of it, the same in all workers."""

    name: ClassVar[str] = "forst.config.loaded"
    source: str
    routes: int
    upstreams: int
    generation: str


@dataclass(frozen=True, slots=True)
class ConfigReloaded(Event):
    """The file was read again and is in force; names the routes and upstreams that are not as before."""

    name: ClassVar[str] = "forst.config.reloaded"
    source: str
    generation: str
    by: str
    routes: tuple[str, ...]
    upstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigRefused(Event):
    """The file was read again and cannot be used; what was in force stays, with its `generation`."""

    name: ClassVar[str] = "forst.config.refused"
    level: ClassVar[str] = "error"
    source: str
    generation: str
    by: str
    problem: str


@dataclass(frozen=True, slots=True)
class ConfigWarned(Event):
    """The configuration can be used, but something in it is probably not meant."""

    name: ClassVar[str] = "forst.config.warned"
    level: ClassVar[str] = "warning"
    route: str
    problem: str


@dataclass(frozen=True, slots=True)
class FlagChanged(Event):
    """What a route may get is another than before, in this process; `mode` is what is in force now."""

    name: ClassVar[str] = "forst.flag.changed"
    route: str
    mode: str
    who: str
    why: str
    generation: int


@dataclass(frozen=True, slots=True)
class FlagsUnreadable(Event):
    """The state file of the flags cannot be used; what was known stays in force."""

    name: ClassVar[str] = "forst.flags.failed"
    level: ClassVar[str] = "error"
    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class FlagContextFailed(Event):
    """The app's context callable failed; told once, until it has worked again."""

    name: ClassVar[str] = "forst.context.failed"
    level: ClassVar[str] = "error"
    problem: str


@dataclass(frozen=True, slots=True)
class FlagSystemFailed(Event):
    """The app's flag system gave nothing to go by for a route; told once, until it has again."""

    name: ClassVar[str] = "forst.openfeature.failed"
    level: ClassVar[str] = "warning"
    route: str
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarStarted(Event):
    """The sidecar process exists."""

    name: ClassVar[str] = "forst.sidecar.started"
    upstream: str
    pid: int
    command: str


@dataclass(frozen=True, slots=True)
class SidecarReady(Event):
    """The sidecar answered its probe."""

    name: ClassVar[str] = "forst.sidecar.ready"
    upstream: str
    pid: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SidecarFailed(Event):
    """No sidecar could be started at a request, or it was given up after it had ended too often."""

    name: ClassVar[str] = "forst.sidecar.failed"
    level: ClassVar[str] = "error"
    problem: str


@dataclass(frozen=True, slots=True)
class BuildFinished(Event):
    """The sidecar's program was built."""

    name: ClassVar[str] = "forst.build.finished"
    upstream: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class BuildFailed(Event):
    """The sidecar's program could not be built; the one before goes on."""

    name: ClassVar[str] = "forst.build.failed"
    level: ClassVar[str] = "error"
    upstream: str
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarUnready(Event):
    """The sidecar says that it is not ready, or has not answered for a while; requests are refused."""

    name: ClassVar[str] = "forst.sidecar.unready"
    level: ClassVar[str] = "warning"
    upstream: str
    pid: int
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarRecovered(Event):
    """The sidecar is ready again."""

    name: ClassVar[str] = "forst.sidecar.recovered"
    upstream: str
    pid: int


@dataclass(frozen=True, slots=True)
class SidecarHung(Event):
    """The sidecar did not answer several times in a row and is killed."""

    name: ClassVar[str] = "forst.sidecar.hung"
    level: ClassVar[str] = "error"
    upstream: str
    pid: int
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarDelayed(Event):
    """The sidecar ended several times in a row, or could not be started; the next start has to wait."""

    name: ClassVar[str] = "forst.sidecar.delayed"
    level: ClassVar[str] = "warning"
    upstream: str
    failures: int
    pause_ms: float
    problem: str


@dataclass(frozen=True, slots=True)
class SidecarReplaced(Event):
    """Requests go to another process now; the one before drains."""

    name: ClassVar[str] = "forst.sidecar.replaced"
    upstream: str
    pid: int
    old_pid: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SidecarJoined(Event):
    """Another worker of this host runs the sidecar; this one uses it."""

    name: ClassVar[str] = "forst.sidecar.joined"
    upstream: str
    pid: int | None
    leader: int


@dataclass(frozen=True, slots=True)
class SidecarWrote(Event):
    """The sidecar wrote a line to its standard output or error."""

    name: ClassVar[str] = "forst.sidecar.wrote"
    upstream: str
    pid: int
    line: str


@dataclass(frozen=True, slots=True)
class SidecarLogged(Event):
    """The sidecar logged a record as JSON, such as Go's slog writes; it is as loud as its `severity`."""

    name: ClassVar[str] = "forst.sidecar.logged"
    upstream: str
    pid: int
    severity: str
    message: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SidecarExited(Event):
    """The sidecar process ended although nobody asked it to."""

    name: ClassVar[str] = "forst.sidecar.exited"
    level: ClassVar[str] = "error"
    upstream: str
    pid: int
    exit_status: int


@dataclass(frozen=True, slots=True)
class SidecarStopped(Event):
    """The sidecar process ended because it was asked to."""

    name: ClassVar[str] = "forst.sidecar.stopped"
    upstream: str
    pid: int
    exit_status: int
    duration_ms: float
