"""What becomes of events. structlog today; each further tool is one file here, imported when asked for."""

from forst_asgi.observability.logs import LogObserver, log_observer

__all__ = ["LogObserver", "log_observer"]
