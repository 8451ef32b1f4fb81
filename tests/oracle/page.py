"""docs/differences.md, made from the allow-list. To write it anew: python -m tests.oracle.page."""

from collections.abc import Iterator
from pathlib import Path

from tests.oracle.allowed import Entry, entries
from tests.oracle.corpus import corpus

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"

SECTIONS = {
    "go": "What Go gets",
    "client": "What the client gets",
    "refused": "What is refused",
    "server": "What the server in front does",
}

INTRODUCTION = """\
# Differences

A forwarded request should be answered as if the client had spoken to the sidecar directly. This page lists
where that is not so, and why. Whatever is not on it is a bug.

The list is kept by a test, `tests/oracle`: {requests} raw requests and {responses} raw responses go straight
to a Go program, through Go's `httputil.ReverseProxy`, through nginx, and through this middleware under
uvicorn with both its parsers. A difference that is not here fails the test, and so does a line here that no
longer holds. "Item" is a number in the list of [behaviours](behaviours.md).
"""


def page() -> str:
    """Return the page."""
    counts = {kind: len(corpus(kind)) for kind in ("requests", "responses")}
    return "\n".join([INTRODUCTION.format(**counts), *_sections()])


def _sections() -> Iterator[str]:
    for section, title in SECTIONS.items():
        rows = [_row(entry) for entry in entries() if entry.section == section]
        yield "\n".join([f"## {title}", "", "| what | why | source |", "| --- | --- | --- |", *rows, ""])


def _row(entry: Entry) -> str:
    what = entry.what[0].upper() + entry.what[1:] if entry.what[0].isalpha() else entry.what
    return f"| {what} | {entry.why} | {entry.source} |"


if __name__ == "__main__":  # pragma: no cover - for people
    PAGE.write_text(page(), encoding="utf-8")
