"""What is told to the observer about one forwarded request."""

import time
from typing import Any

from forst_asgi.decision import Decision
from forst_asgi.errors import ForstError, UpstreamError
from forst_asgi.events import RequestAbandoned, RequestFailed, RequestForwarded, RequestRefused
from forst_asgi.forward.answers import problem_type
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.interfaces import Observer
from forst_asgi.types import Scope


class Report:
    """Takes the time of one request and tells how it ended, once.

    Building an event costs more than forwarding a header, so successes are told only to an observer
    that wants them.

    Attributes:
        status: the status that the client got; None until a response head was sent.
    """

    __slots__ = ("_began", "_observer", "_policy", "_scope", "status")

    def __init__(self, policy: ForwardPolicy, observer: Observer, scope: Scope) -> None:
        self._policy = policy
        self._observer = observer
        self._scope = scope
        self._began = time.perf_counter()
        self.status: int | None = None

    def forwarded(self) -> None:
        """The client has the sidecar's whole answer."""
        if self._observer.wants_requests:
            self._observer.observe(RequestForwarded(**self._fields()))

    def refused(self, status: int, error: str) -> None:
        """The middleware answered itself, because of what the client sent or is."""
        self.status = status
        self._observer.observe(RequestRefused(**self._fields(), error=error))

    def failed(self, error: ForstError) -> None:
        """The sidecar could not be asked, or broke off; after the head `status` means an abort."""
        stage = error.stage if isinstance(error, UpstreamError) else "request"
        self._observer.observe(
            RequestFailed(**self._fields(), stage=stage, error=f"{problem_type(error)}: {error}")
        )

    def abandoned(self) -> None:
        """The client went away."""
        if self._observer.wants_requests:
            self._observer.observe(RequestAbandoned(**self._fields()))

    def _fields(self) -> dict[str, Any]:
        decision: Decision = self._scope["forst.decision"]
        return {
            "route": self._policy.route,
            "upstream": self._policy.upstream,
            "target": decision.target.value,
            "reason": decision.reason.value,
            "method": self._scope.get("method", "GET"),
            "status": self.status,
            "duration_ms": round((time.perf_counter() - self._began) * 1000, 3),
        }
