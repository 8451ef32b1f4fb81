"""Durations and sizes."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from forst_asgi.config import ConfigError, RouteConfig, UpstreamConfig
from forst_asgi.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("2s", 2.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1m30s", 90.0),
        ("0s", 0.0),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_a_duration_becomes_seconds(written: object, seconds: float) -> None:
    """Text with units, several in a row included, and timedeltas become float seconds."""
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [
        (5, "5s"),
        (0.5, "0.5s"),
        ("5", "5s"),
        ("5 s", "5s"),
        ("5sec", "5s"),
        ("2 minutes", "2m"),
        ("3 mnutes", "3m"),
        ("10 MSEC", "10ms"),
        ("1 fortnight", None),
        ("soon", None),
        ("-5s", None),
        (10**10, None),
        (True, None),
        ([5], None),
        ("", None),
    ],
)
def test_a_duration_without_unit_is_refused_with_a_suggestion(
    written: object, suggestion: str | None
) -> None:
    """A bare number is refused, and what was probably meant is suggested where it can be guessed."""
    with pytest.raises(PydanticCustomError, match=r'a duration with a unit such as "5s"') as caught:
        parse_duration(written)
    assert (caught.value.context or {})["suggestion"] == suggestion


@pytest.mark.parametrize(
    ("written", "size"),
    [("64KiB", 65536), ("10MB", 10_000_000), ("1GiB", 2**30), ("7B", 7), (4096, 4096)],
)
def test_a_size_becomes_bytes(written: object, size: int) -> None:
    """Text with decimal or binary units, and plain integers, become bytes."""
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["8589934592GiB", 2**63, 2**64, f"{'9' * 5000}B"])
def test_a_size_that_no_system_can_limit_is_refused(written: object) -> None:
    """What does not fit into 63 bits cannot be handed to the operating system."""
    with pytest.raises(PydanticCustomError, match="at most 9223372036854775807 bytes"):
        parse_size(written)
    assert parse_size(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [
        ("10M", "10MiB"),
        ("10mb", "10MB"),
        ("10 kib", "10KiB"),
        ("10ki", "10KiB"),
        ("10", "10B"),
        ("10b", "10B"),
        ("1.5MiB", None),
        (1.5, None),
        (True, None),
    ],
)
def test_a_malformed_size_is_refused_with_a_suggestion(written: object, suggestion: str | None) -> None:
    """Sloppy units are refused, since 10M may be two things, and the likelier one is suggested."""
    with pytest.raises(PydanticCustomError, match=r'a size such as "64KiB"') as caught:
        parse_size(written)
    assert (caught.value.context or {})["suggestion"] == suggestion


def test_a_duration_has_its_limits() -> None:
    """Longer than a year is a slip of the pen, and a time limit cannot be negative."""
    for duration in ("9000h", "9" * 400 + "s", timedelta(days=366)):
        with pytest.raises(PydanticCustomError, match="is longer than a year"):
            parse_duration(duration)
    with pytest.raises(ConfigError, match="must be more than zero"):
        RouteConfig(id="a", path="/a", timeout=timedelta(seconds=-1))
    with pytest.raises(ConfigError, match="must not be negative"):
        UpstreamConfig(address="http://h:1", keepalive=timedelta(seconds=-1))


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**9))
def test_a_formatted_duration_reads_back(milliseconds: int) -> None:
    """Formatting and parsing a duration gives it back."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**50))
def test_a_formatted_size_reads_back(size: int) -> None:
    """Formatting and parsing a size gives it back."""
    assert parse_size(format_size(size)) == size


def test_formats_are_short() -> None:
    """The largest unit that leaves a whole number is used."""
    assert [format_duration(value) for value in (300.0, 0.25, 7200.0, 90.0, 1.5, 0.0)] == [
        "5m",
        "250ms",
        "2h",
        "90s",
        "1.5s",
        "0s",
    ]
    assert [format_size(value) for value in (65536, 10_000_000, 7, 0)] == ["64KiB", "10MB", "7B", "0B"]
