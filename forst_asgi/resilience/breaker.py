"""A circuit breaker for one upstream: a dead sidecar costs microseconds, not timeouts. Pure: `now` comes in.

    closed      requests pass; failures in a row are counted
    open        nothing passes until the pause is over
    half_open   one request, the probe, passes; all others wait for what becomes of it

    in          on          goes to
    closed      success     closed       the count begins anew
    closed      failure     open         when it is the last of `threshold` in a row, else closed
    open        pause over  half_open    with the request that asked as its probe
    half_open   success     closed
    half_open   failure     open         with a pause twice as long, up to `longest_pause_s`
    half_open   lost        half_open    the probe ended without an answer, the next request is the probe

A failure is one of reaching the upstream: no connection, a broken one before the answer's head, an answer
that is not HTTP. What happened on a connection that could be made counts a tenth: somebody is there, and one
request that it cannot bear must not take the others along. Whatever status the upstream answers with is a
success, its 500s too: it is there, and they are its answer. A caller that gave up says nothing of the
upstream: that is a lost probe, or nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias


class BreakerState(StrEnum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    Attributes:
        threshold: failures in a row that open it.
        pause_s: seconds that nothing passes, the first time.
        longest_pause_s: what the pause grows to while probes fail; a longer `pause_s` stays as it is.
        probe_limit_s: seconds after which a probe that nobody reported back counts as lost.
    """

    threshold: int = 5
    pause_s: float = 0.5
    longest_pause_s: float = 2.0
    probe_limit_s: float = 30.0


Event: TypeAlias = Literal["success", "failure", "last failure", "lost", "pause over"]

_CLOSED: Final = BreakerState.CLOSED
_OPEN: Final = BreakerState.OPEN
_HALF_OPEN: Final = BreakerState.HALF_OPEN

TABLE: Final[dict[tuple[BreakerState, Event], BreakerState]] = {
    (_CLOSED, "success"): _CLOSED,
    (_CLOSED, "failure"): _CLOSED,
    (_CLOSED, "last failure"): _OPEN,
    (_CLOSED, "lost"): _CLOSED,
    (_OPEN, "success"): _OPEN,  # an answer to what was asked before it opened is old news,
    (_OPEN, "failure"): _OPEN,  # and so is a failure
    (_OPEN, "lost"): _OPEN,
    (_OPEN, "pause over"): _HALF_OPEN,
    (_HALF_OPEN, "success"): _CLOSED,
    (_HALF_OPEN, "failure"): _OPEN,
    (_HALF_OPEN, "lost"): _HALF_OPEN,
    (_HALF_OPEN, "pause over"): _HALF_OPEN,
}


class Breaker:
    """The state of one upstream, in one process.

        if not breaker.is_closed and not breaker.admit(now): ...do not ask
        ...
        if breaker.is_tainted: breaker.succeed()        after an answer's head
        breaker.fail(now)                               after a failure to reach it

    Args:
        policy: when it opens.

    Attributes:
        state: whether requests pass.
        is_closed: whether all do; the one thing to ask on the fast path.
        is_tainted: whether a success would change anything; the other one.
    """

    __slots__ = (
        "_admits_from",
        "_pause_s",
        "_policy",
        "_tenths",
        "is_closed",
        "is_tainted",
        "state",
    )

    def __init__(self, policy: BreakerPolicy = BreakerPolicy()) -> None:
        self._policy = policy
        self.state = _CLOSED
        self.is_closed = True
        self.is_tainted = False
        self._tenths = 0
        self._pause_s = policy.pause_s
        self._admits_from = 0.0

    def __repr__(self) -> str:
        return f"<Breaker {self.state} failures={self._tenths / 10:g}>"

    def admit(self, now: float) -> bool:
        """Return whether a request may ask the upstream; the first one after the pause is the probe.

        Args:
            now: seconds of a clock that does not jump.
        """
        if self.is_closed:
            return True
        if now < self._admits_from:
            return False
        self.state = TABLE[self.state, "pause over"]
        self._admits_from = now + self._policy.probe_limit_s
        return True

    def succeed(self) -> BreakerState:
        """Take note of an answer; return the state after it."""
        self.state = TABLE[self.state, "success"]
        if self.state is _CLOSED:
            self.reset()
        return self.state

    def fail(self, now: float, tenths: int = 10) -> BreakerState:
        """Take note of a failure to reach the upstream; return the state after it.

        Args:
            now: seconds of a clock that does not jump.
            tenths: how much it counts, 10 for one failure.
        """
        self._tenths += tenths
        self.is_tainted = True
        is_last = self.is_closed and self._tenths >= 10 * self._policy.threshold
        before, self.state = self.state, TABLE[self.state, "last failure" if is_last else "failure"]
        if self.state is _OPEN and before is not _OPEN:
            if before is _HALF_OPEN:
                longest_s = max(self._policy.longest_pause_s, self._policy.pause_s)
                self._pause_s = min(2 * self._pause_s, longest_s)
            self.is_closed = False
            self._admits_from = now + self._pause_s
        return self.state

    def lose(self) -> BreakerState:
        """Take note that a request ended without telling anything of the upstream."""
        self.state = TABLE[self.state, "lost"]
        if self.state is _HALF_OPEN:
            self._admits_from = float("-inf")
        return self.state

    def reset(self) -> None:
        """Close it; also when another process is there now."""
        self.state, self.is_closed, self.is_tainted = _CLOSED, True, False
        self._tenths = 0
        self._pause_s = self._policy.pause_s
