"""Records that a sidecar logs as JSON."""

import json

import pytest

from forst_asgi.supervisor.records import Record, parse_record


def test_a_line_of_slog_is_taken_apart() -> None:
    """Severity and message are known by name, the time is ours, the rest is kept."""
    line = '{"time":"2024-01-01T00:00:00Z","level":"WARN","msg":"slow","ms":120,"query":{"table":"quotes"}}'
    assert parse_record(line) == Record("warning", "slow", {"ms": 120, "query": {"table": "quotes"}})


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("DEBUG", "debug"),
        ("DEBUG-4", "debug"),
        ("INFO+2", "info"),
        ("ERROR+4", "error"),
        ("loud", "info"),
        (7, "info"),
    ],
)
def test_levels_between_and_beyond(level: object, severity: str) -> None:
    """Levels between the named ones count as the one below; what is unknown is information."""
    record = parse_record(json.dumps({"level": level, "msg": "x"}))
    assert record is not None
    assert record.severity == severity


@pytest.mark.parametrize(
    "line", ["plain", "{", "{}", '{"level":"INFO"}', '{"msg":1}', '["msg"]', "{" + '"a":{' * 5000, ""]
)
def test_anything_else_is_text(line: str) -> None:
    """What is not a JSON object with a message is not a record."""
    assert parse_record(line) is None


def test_control_characters_cannot_hide_in_escapes() -> None:
    """An escape sequence for a terminal, written as JSON escapes, is spelt out wherever it stands."""
    record = parse_record(json.dumps({"msg": "\x1b[2J", "k\x00": ["\u2028", {"deep": "\x9b"}], "ok": None}))
    assert record == Record("info", "\\x1b[2J", {"k\\x00": ["\\u2028", {"deep": "\\x9b"}], "ok": None})
