"""What is told to the observer about one forwarded request.

Building an event costs more than forwarding a header, so successes are told only to an observer that
wants them.
"""

from typing import Any, Protocol

from forst_asgi.decision import Decision
from forst_asgi.errors import ForstError, UpstreamError
from forst_asgi.events import (
    RequestAbandoned,
    RequestFailed,
    RequestFellBack,
    RequestForwarded,
    RequestRefused,
)
from forst_asgi.forward.answers import problem_type
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.interfaces import Observer
from forst_asgi.types import Scope


class Reported(Protocol):
    """A request that something is told about; a `Call` is one."""

    @property
    def scope(self) -> Scope:
        """The request's scope, with the decision in it."""
        ...

    @property
    def status(self) -> int | None:
        """The status that the client got; None when it got none."""
        ...

    @property
    def duration_ms(self) -> float:
        """Time since it arrived."""
        ...


class Reporter:
    """Tells how the calls of one route ended.

    Args:
        policy: names the route and the upstream.
        observer: who is told.
        passed_ms: what is added to each duration, in milliseconds.

    Attributes:
        wants_requests: whether the observer wants to be told of what went well.
    """

    def __init__(self, policy: ForwardPolicy, observer: Observer, passed_ms: float = 0.0) -> None:
        self._policy = policy
        self._observer = observer
        self._passed_ms = passed_ms
        self.wants_requests = observer.wants_requests

    def since(self, passed_s: float) -> "Reporter":
        """Return one for a call that arrived earlier than it knows of, by so many seconds."""
        return Reporter(self._policy, self._observer, passed_s * 1000)

    def forwarded(self, call: Reported) -> None:
        """The client has the sidecar's whole answer; only if `wants_requests`."""
        self._observer.observe(RequestForwarded(**self._fields(call)))

    def abandoned(self, call: Reported) -> None:
        """The client went away."""
        if self.wants_requests:
            self._observer.observe(RequestAbandoned(**self._fields(call)))

    def refused(self, call: Reported, error: str) -> None:
        """The middleware answered itself, because of what the client sent or is."""
        self._observer.observe(RequestRefused(**self._fields(call), error=error))

    def failed(self, call: Reported, error: ForstError) -> None:
        """The sidecar could not be asked, or broke off after its head was sent."""
        self._observer.observe(RequestFailed(**self._fields(call), **failure_fields(error)))

    def fell_back(self, call: Reported, error: UpstreamError) -> None:
        """The sidecar could not be asked; the app answers."""
        self._observer.observe(RequestFellBack(**self._fields(call), **failure_fields(error)))

    def _fields(self, call: Reported) -> dict[str, Any]:
        return {
            **decision_fields(self._policy, call.scope),
            "method": call.scope["method"],
            "status": call.status,
            "duration_ms": round(call.duration_ms + self._passed_ms, 3),
        }


def decision_fields(policy: ForwardPolicy, scope: Scope) -> dict[str, Any]:
    """Return the keys that every event about a request or WebSocket has: where it went, and why."""
    decision: Decision = scope["forst.decision"]
    return {
        "route": policy.route,
        "upstream": policy.upstream,
        "target": decision.target.value,
        "reason": decision.reason.value,
    }


def failure_fields(error: ForstError) -> dict[str, Any]:
    """Return the keys that say what went wrong, and at which stage."""
    stage = error.stage if isinstance(error, UpstreamError) else "request"
    return {"stage": stage, "error": f"{problem_type(error)}: {error}"}
