"""What is told to the observer about one WebSocket; what went well, only to an observer that wants it."""

import time
from typing import Any

from forst_asgi.errors import ForstError, ResponseError, UpstreamError
from forst_asgi.events import (
    WebSocketAccepted,
    WebSocketClosed,
    WebSocketDeclined,
    WebSocketFailed,
    WebSocketFellBack,
    WebSocketRefused,
    milliseconds,
)
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.forward.report import decision_fields, failure_fields
from forst_asgi.interfaces import Observer
from forst_asgi.types import Scope
from forst_asgi.websocket.ending import ABNORMAL, Ending
from forst_asgi.websocket.session import Session


class Report:
    """Tells what becomes of one WebSocket.

    Args:
        policy: names the route and the upstream.
        observer: who is told.
        scope: the WebSocket's scope, with the decision in it.

    Attributes:
        status: what its handshake was answered; None before.
    """

    def __init__(self, policy: ForwardPolicy, observer: Observer, scope: Scope) -> None:
        self._policy = policy
        self._observer = observer
        self._scope = scope
        self._began = time.perf_counter()
        self.status: int | None = None

    def accepted(self) -> None:
        """Both sides shook hands."""
        self.status = 101
        if self._observer.wants_requests:
            self._observer.observe(WebSocketAccepted(**self._fields()))

    def declined(self) -> None:
        """The upstream gave another answer."""
        if self._observer.wants_requests:
            self._observer.observe(WebSocketDeclined(**self._fields()))

    def refused(self, error: str) -> None:
        """The middleware answered itself, because of what the client sent or is."""
        self._observer.observe(WebSocketRefused(**self._fields(), error=error))

    def unanswered(self, error: ResponseError) -> None:
        """The upstream could not be asked, and the client was told so."""
        self._fail(Ending("middleware", ABNORMAL, error=error), error, None)

    def fell_back(self, error: UpstreamError) -> None:
        """The upstream could not be asked; the app answers."""
        self._observer.observe(WebSocketFellBack(**self._fields(), **failure_fields(error)))

    def ended(self, ending: Ending, session: Session | None = None) -> None:
        """It is over."""
        if ending.error is not None:
            self._fail(ending, ending.error, session)
        elif self._observer.wants_requests:
            self._observer.observe(WebSocketClosed(**self._fields(), **_facts(ending, session)))

    def _fail(self, ending: Ending, error: ForstError, session: Session | None) -> None:
        facts = {**_facts(ending, session), **failure_fields(error)}
        self._observer.observe(WebSocketFailed(**self._fields(), **facts))

    def _fields(self) -> dict[str, Any]:
        return {
            **decision_fields(self._policy, self._scope),
            "status": self.status,
            "duration_ms": milliseconds(time.perf_counter() - self._began),
        }


def _facts(ending: Ending, session: Session | None) -> dict[str, Any]:
    return {
        "ended_by": ending.by,
        "close_code": ending.code,
        "client_messages": session.client_messages if session is not None else 0,
        "upstream_messages": session.upstream_messages if session is not None else 0,
    }
