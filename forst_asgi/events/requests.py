"""What became of a request on a configured route, and of the upstream's breaker."""

from dataclasses import dataclass
from typing import ClassVar

from forst_asgi.events.base import Event


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
