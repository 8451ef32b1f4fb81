"""What nobody has foreseen, be it an observer's mistake or our own: told, and no end of the supervision."""

import asyncio

from forst_asgi.events import Event
from forst_asgi.interfaces import Observer

STUMBLE_S = 1.0
"""How long to wait after an error that nobody has foreseen: it may come back each time."""


class Sheltered:
    """An observer whose mistakes go to the event loop's exception handler, not into what it observes.

    Args:
        observer: the one that is told.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.wants_requests = observer.wants_requests

    def observe(self, event: Event) -> None:
        """Tell it."""
        try:
            self._observer.observe(event)
        except Exception as error:  # noqa: BLE001 - the sidecar has to be looked after, whatever is wrong with it
            trouble = {"message": f"forst: an observer failed at {event.name}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(trouble)


def told(error: BaseException) -> str:
    """Return what went wrong where nobody has foreseen it: the kind of error, and what it says."""
    return f"{type(error).__name__}: {error}"
