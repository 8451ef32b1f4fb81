"""What is told to the observer about one forwarded request.

Building an event costs more than forwarding a header, so successes are told only to an observer that
wants them.
"""

from typing import Any

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
from forst_asgi.forward.call import Call
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.interfaces import Observer


class Reporter:
    """Tells how the calls of one route ended.

    Args:
        policy: names the route and the upstream.
        observer: who is told.

    Attributes:
        wants_requests: whether the observer wants to be told of what went well.
    """

    def __init__(self, policy: ForwardPolicy, observer: Observer) -> None:
        self._policy = policy
        self._observer = observer
        self.wants_requests = observer.wants_requests

    def forwarded(self, call: Call) -> None:
        """The client has the sidecar's whole answer; only if `wants_requests`."""
        self._observer.observe(RequestForwarded(**self._fields(call)))

    def abandoned(self, call: Call) -> None:
        """The client went away."""
        if self.wants_requests:
            self._observer.observe(RequestAbandoned(**self._fields(call)))

    def refused(self, call: Call, error: str) -> None:
        """The middleware answered itself, because of what the client sent or is."""
        self._observer.observe(RequestRefused(**self._fields(call), error=error))

    def failed(self, call: Call, error: ForstError) -> None:
        """The sidecar could not be asked, or broke off after its head was sent."""
        stage = error.stage if isinstance(error, UpstreamError) else "request"
        text = f"{problem_type(error)}: {error}"
        self._observer.observe(RequestFailed(**self._fields(call), stage=stage, error=text))

    def fell_back(self, call: Call, error: UpstreamError) -> None:
        """The sidecar could not be asked; the app answers."""
        text = f"{problem_type(error)}: {error}"
        self._observer.observe(RequestFellBack(**self._fields(call), stage=error.stage, error=text))

    def _fields(self, call: Call) -> dict[str, Any]:
        decision: Decision = call.scope["forst.decision"]
        return {
            "route": self._policy.route,
            "upstream": self._policy.upstream,
            "target": decision.target.value,
            "reason": decision.reason.value,
            "method": call.scope["method"],
            "status": call.status,
            "duration_ms": call.duration_ms,
        }
