"""Durations and sizes: text with a unit in the file, plain numbers on the models.

A bare number is refused for a duration: `timeout = 30` reads as seconds to one person and as milliseconds
to the next. A bare number of bytes is unambiguous, so sizes allow it.
"""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from forst_asgi.config.findings import nearest, wrong
from forst_asgi.config.shape import Shape

DURATION_PATTERN: Final = r"^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+$"
SIZE_PATTERN: Final = r"^[0-9]+(?:B|KB|MB|GB|KiB|MiB|GiB)$"

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION_EXPECTED: Final = 'a duration with a unit such as "5s" or "250ms"'
_SIZE_EXPECTED: Final = 'a size such as "64KiB", "10MB" or a whole number of bytes'
_MOST_BYTES: Final = 2**63 - 1  # what a limit of the operating system can hold (rlim_t, off_t)
_MOST_DIGITS: Final = 4000  # `int` refuses more than 4300
_SLOPPY_SIZE: Final = re.compile(r"\s*([0-9]+)\s*([kmg]?)(i?)b?\s*", re.IGNORECASE)
_SLOPPY_DURATION: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)
_SLOPPY_UNITS: Final = {
    "": "s",
    **dict.fromkeys(("sec", "secs", "second", "seconds", "s"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "m"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours", "h"), "h"),
    **dict.fromkeys(("msec", "millis", "millisecond", "milliseconds", "ms"), "ms"),
}


def parse_duration(value: object) -> float:
    """Return seconds for "250ms", "2s", "5m", "1h", "1m30s" or a timedelta.

    Raises:
        PydanticCustomError: anything else, a bare number above all.
    """
    if isinstance(value, timedelta):
        return _at_most_a_year(value.total_seconds())
    if isinstance(value, str) and re.fullmatch(DURATION_PATTERN, value):
        parts = re.findall(r"([0-9.]+)(ms|s|m|h)", value)
        return _at_most_a_year(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    raise wrong(expected=_DURATION_EXPECTED, suggestion=_probable_duration(value))


def parse_size(value: object) -> int:
    """Return bytes for "256KiB", "10MB", "1GiB" or a plain int.

    Raises:
        PydanticCustomError: anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _at_most_8_eib(value)
    if isinstance(value, str) and re.fullmatch(SIZE_PATTERN, value):
        number, unit = re.findall(r"([0-9]+)([A-Za-z]+)", value)[0]
        return _at_most_8_eib(int(number[:_MOST_DIGITS]) * _BYTES[unit])
    raise wrong(expected=_SIZE_EXPECTED, suggestion=_probable_size(value))


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as these seconds: 300.0 -> "5m"."""
    for unit in ("h", "m", "s"):
        count = seconds / _SECONDS[unit]
        if count >= 1 and count.is_integer():
            return f"{count:.0f}{unit}"
    return f"{_plain(seconds)}s" if seconds >= 1 or not seconds else f"{_plain(seconds * 1000)}ms"


def format_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads as this many bytes: 65536 -> "64KiB"."""
    for unit in ("GiB", "MiB", "KiB", "GB", "MB", "KB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def _plain(number: float) -> str:
    """Return the number without an exponent, to the microsecond of a duration in seconds."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _probable_duration(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int) and abs(value) > 10**9:
        return None
    found = _SLOPPY_DURATION.fullmatch(str(value))
    if not found:
        return None
    unit = _SLOPPY_UNITS.get(found[2].lower()) or _SLOPPY_UNITS.get(nearest(found[2], _SLOPPY_UNITS) or "?")
    return f"{found[1]}{unit}" if unit else None


def _probable_size(value: object) -> str | None:
    found = _SLOPPY_SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    number, prefix, binary = found[1], found[2].upper(), found[3]
    if "b" in found[0].lower() and prefix and not binary:
        return f"{number}{prefix}B"
    return f"{number}{prefix}iB" if prefix else f"{number}B"


def _at_most_a_year(seconds: float) -> float:
    """Return the seconds, unless they are so many that timers of the operating system could overflow."""
    if seconds > 365 * 24 * 3600:
        raise wrong("is longer than a year")
    return seconds


def _at_most_8_eib(size: int) -> int:
    """Return the size, unless no limit of the operating system could hold it."""
    if size > _MOST_BYTES:
        raise wrong(expected=f"at most {_MOST_BYTES} bytes (8 EiB less one)")
    return size


def _above_zero(value: float) -> float:
    if value <= 0:
        raise wrong("must be more than zero")
    return value


def _not_negative(value: float) -> float:
    if value < 0:
        raise wrong("must not be negative")
    return value


_DURATION_SCHEMA: Final = {"type": "string", "pattern": DURATION_PATTERN}
_SIZE_SCHEMA: Final = {
    "anyOf": [{"type": "string", "pattern": SIZE_PATTERN}, {"type": "integer", "minimum": 1}],
}

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    AfterValidator(_above_zero),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    Shape(_DURATION_SCHEMA),
]
"""More than no time, in seconds."""

DurationOrZero = Annotated[
    float,
    BeforeValidator(parse_duration),
    AfterValidator(_not_negative),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    Shape(_DURATION_SCHEMA),
]
"""A time that may be zero, in seconds."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    AfterValidator(_above_zero),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    Shape(_SIZE_SCHEMA),
]
"""At least one byte, in bytes."""
