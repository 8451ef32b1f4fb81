"""Whether an upstream may be asked: its breaker, whether it is ready, and who is told when that changes."""

import time

from forst_asgi.errors import (
    BreakerOpen,
    ConnectError,
    ConnectTimeout,
    HeadError,
    SidecarNotReady,
    WriteError,
)
from forst_asgi.events import BreakerClosed, BreakerOpened
from forst_asgi.interfaces import Observer
from forst_asgi.resilience import Breaker, BreakerState

_UNREACHABLE = (ConnectError, ConnectTimeout)
_TRIPPING = (*_UNREACHABLE, WriteError, HeadError)
"""What says that the upstream cannot be reached; that it is slow, or answers 500, does not."""


class Gate:
    """The breaker of one upstream in this process; all of its routes share it.

        if not gate.breaker.is_closed: gate.admit()
        ...
        if gate.breaker.is_tainted: gate.succeed()        after a response head
        gate.fail(error)                                  when there was none

    Args:
        upstream: the upstream's name, for events.
        observer: who is told.
        breaker: the states.

    Attributes:
        breaker: the same.
        absence: why nobody answers at present, though connections may wait until somebody does; None while
            the upstream is ready, or somebody else's to start.
    """

    def __init__(self, upstream: str, observer: Observer, breaker: Breaker | None = None) -> None:
        self._upstream = upstream
        self._observer = observer
        self.breaker = breaker or Breaker()
        self.absence: str | None = None

    def __repr__(self) -> str:
        return f"<Gate of {self._upstream!r} {self.breaker!r}>"

    def admit(self) -> None:
        """Let a request through that finds out whether the upstream is back.

        Raises:
            BreakerOpen: another one does that, or it is too soon.
        """
        if not self.breaker.admit(time.monotonic()):
            raise BreakerOpen("the upstream could not be reached lately")

    def expect_ready(self) -> None:
        """Make sure that nobody has to wait for a process that starts; for requests that the app can answer.

        Raises:
            SidecarNotReady: they would have to.
        """
        if self.absence is not None:
            raise SidecarNotReady(self.absence)

    def succeed(self) -> None:
        """Take note of a response head."""
        was_closed = self.breaker.is_closed
        if self.breaker.succeed() is BreakerState.CLOSED and not was_closed:
            self._observer.observe(BreakerClosed(self._upstream))

    def fail(self, error: BaseException) -> None:
        """Take note of why a request that was let through brought no response head."""
        if isinstance(error, BreakerOpen):
            return
        if not isinstance(error, _TRIPPING):
            self.breaker.lose()
            return
        was = self.breaker.state
        tenths = 10 if isinstance(error, _UNREACHABLE) else 1
        if self.breaker.fail(time.monotonic(), tenths) is BreakerState.OPEN and was is not BreakerState.OPEN:
            self._observer.observe(BreakerOpened(self._upstream, f"{type(error).__name__}: {error}"))

    def reset(self) -> None:
        """Let everybody pass: another process is there now."""
        if not self.breaker.is_closed:
            self._observer.observe(BreakerClosed(self._upstream))
        self.breaker.reset()
