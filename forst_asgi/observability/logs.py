"""Events as structlog lines: the event's name, its fields under fixed keys, and the request's id.

forst writes through a logger of its own, so it neither depends on how the app has set structlog up nor
changes it. Only `format = "app"` hands the events to the app's configuration.
"""

import contextlib
import sys
import textwrap
import time
from collections.abc import MutableMapping
from dataclasses import fields
from typing import Any, Literal, TextIO

import structlog

from forst_asgi.events import Event, RequestEvent, SidecarLogged, WebSocketEvent
from forst_asgi.observability.limit import RateLimit

Format = Literal["auto", "json", "console", "app"]

FAILURES_PER_SECOND = 10


class LogObserver:
    """Writes each event as one structured line.

    Args:
        logger: a structlog logger.
        wants_requests: whether each forwarded request and WebSocket shall leave a line.
        wants_failures: whether failed and refused requests shall.
        failures_per_second: how many of them on one route that ended in the same way; 0 for no limit, which
            is also what `wants_requests` means. The next line says how many were left out.
    """

    def __init__(
        self,
        logger: Any,
        *,
        wants_requests: bool = False,
        wants_failures: bool = True,
        failures_per_second: int = FAILURES_PER_SECOND,
    ) -> None:
        self._logger = logger
        self.wants_requests = wants_requests
        self._wants_failures = wants_failures
        self._limit = RateLimit(0 if wants_requests else failures_per_second)

    def observe(self, event: Event) -> None:
        """Write one line; see `interfaces.Observer`."""
        left_out: int | None = 0
        if isinstance(event, RequestEvent | WebSocketEvent):
            if not self._wants_failures:
                return
            left_out = self._limit.admit((event.name, event.route), time.monotonic())
            if left_out is None:
                return
        keys = {field.name: getattr(event, field.name) for field in fields(event)}
        if left_out:
            keys["left_out"] = left_out
        # A log that cannot be written (a broken pipe, a full disk) must not break the request it tells of.
        with contextlib.suppress(Exception):
            getattr(self._logger, _level(event))(event.name, **keys)


def _level(event: Event) -> str:
    return event.severity if isinstance(event, SidecarLogged) else event.level


def log_observer(
    format_: Format = "auto",
    requests: Literal["none", "failures", "all"] = "failures",
    stream: TextIO | None = None,
    *,
    failures_per_second: int = FAILURES_PER_SECOND,
) -> LogObserver:
    """Return an observer that writes as the configuration's `[logs]` asks for.

    Args:
        format_: "json", "console", "app", or "auto": console on a terminal, JSON elsewhere.
        requests: which requests leave a line.
        stream: where to, standard error by default; not used by "app".
        failures_per_second: see `LogObserver`.
    """
    logger = (
        structlog.get_logger("forst_asgi") if format_ == "app" else _own_logger(format_, stream or sys.stderr)
    )
    return LogObserver(
        logger,
        wants_requests=requests == "all",
        wants_failures=requests != "none",
        failures_per_second=failures_per_second,
    )


def _unfold(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write a text of several lines, such as a compiler's, below the line instead of into it.

    Indented, so that none of it can be taken for a line of the log.
    """
    text = event.get("problem")
    if isinstance(text, str) and "\n" in text:
        event["problem"], _, rest = text.partition("\n")
        event["stack"] = textwrap.indent(rest, "    ")
    return event


def _own_logger(format_: Format, stream: TextIO) -> Any:
    is_console = format_ == "console" or (format_ == "auto" and stream.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if is_console else structlog.processors.JSONRenderer()
    processors = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_unfold] if is_console else []),
        renderer,
    ]
    # Line and line end in one write: several workers share the stream.
    return structlog.wrap_logger(structlog.WriteLogger(stream), processors=processors)
