"""What became of a WebSocket on a configured route."""

from dataclasses import dataclass
from typing import ClassVar

from forst_asgi.events.base import Event


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
