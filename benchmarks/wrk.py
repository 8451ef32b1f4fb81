"""wrk, the load generator: its command line, and what it prints."""

import re
from dataclasses import dataclass
from typing import Final

_US: Final = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}
_TOTAL: Final = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b")
_SHARE: Final = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\b", re.MULTILINE)
_WRONG: Final = re.compile(r"^\s+(Non-2xx.*|Socket errors.*)$", re.MULTILINE)


class LoadError(Exception):
    """The load did not go as it should; the text is what is known of it."""


@dataclass(frozen=True)
class Load:
    """What a run of wrk came to."""

    requests: int
    per_second: float
    p50_us: float
    p99_us: float


def command(url: str, connections: int, seconds: float, script: str = "") -> list[str]:
    """Return the command for one thread of wrk; it takes whole seconds only."""
    words = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "--latency",
    ]
    return [*words, *(["-s", script] if script else []), url]


def parsed(output: str) -> Load:
    """Read what wrk printed with --latency.

    Raises:
        LoadError: an answer was not a 2xx, a connection failed, or there was no answer at all.
    """
    if wrong := _WRONG.search(output):
        raise LoadError(wrong[1])
    total = _TOTAL.search(output)
    if total is None or int(total[1]) == 0:
        raise LoadError("no answer at all within the turn")
    shares = {share: float(value) * _US[unit] for share, value, unit in _SHARE.findall(output)}
    took_s = float(total[2]) * _US[total[3]] / 1e6
    return Load(int(total[1]), int(total[1]) / took_s, shares["50"], shares["99"])


def posting(body: bytes) -> str:
    """Return a script that has wrk send POSTs with a JSON body (ASCII, and no `]==]` in it)."""
    return (
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{body.decode('ascii')}]==]\n"
    )
