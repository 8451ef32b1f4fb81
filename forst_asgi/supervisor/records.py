"""What a sidecar logs as JSON, one object a line, as Go's slog does with its JSONHandler; pure, no I/O.

    {"time": "...", "level": "WARN", "msg": "slow query", "table": "quotes", "ms": 120}

A line is such a record if it is a JSON object with a string `msg`. Anything else is a line of text. The size
is that of the line, which is capped already; strings may have held escaped control characters, and lose them
here for the same reason as lines do.
"""

import json
from dataclasses import dataclass
from typing import Any

from forst_asgi.supervisor.lines import printable

_SEVERITIES = {"DEBUG": "debug", "INFO": "info", "WARN": "warning", "WARNING": "warning", "ERROR": "error"}


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        severity: "debug", "info", "warning" or "error"; "info" if it says nothing that we know.
        message: what happened.
        fields: everything else but the time, as it was logged.
    """

    severity: str
    message: str
    fields: dict[str, Any]


def parse_record(line: str) -> Record | None:
    """Return the record that a line is, None if it is text."""
    if not line.startswith("{"):
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    message = said.pop("msg", None)
    if not isinstance(message, str):
        return None
    # slog writes levels between its own as "INFO+2".
    level = str(said.pop("level", "")).upper().partition("+")[0].partition("-")[0]
    said.pop("time", None)
    return Record(_SEVERITIES.get(level, "info"), printable(message), _cleaned(said))


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case dict():
            return {printable(key): _cleaned(each) for key, each in value.items()}
        case list():
            return [_cleaned(each) for each in value]
    return value
