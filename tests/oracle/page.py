"""docs/differences.md, made from the allow-list. To write it anew: python -m tests.oracle.page."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.oracle.allowed import Line, beyond, entries
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
uvicorn with both its parsers. A difference that is not here fails the test, and so does a line that no longer
holds, but for those of the last table. "Item" is a number in the list of [behaviours](behaviours.md).
"""

BEYOND = """\
## What the test does not see

It compares what Go makes of a request, and answers with those of Go's `ReverseProxy`. Compared byte by byte
with direct access, and under other servers, there is a little more.
"""


def page() -> str:
    """Return the page."""
    counts = {kind: len(corpus(kind)) for kind in ("requests", "responses")}
    return "\n".join([INTRODUCTION.format(**counts), *_sections(), BEYOND, _table(beyond())])


def _sections() -> Iterator[str]:
    for section, title in SECTIONS.items():
        yield "\n".join([f"## {title}", "", _table(entry for entry in entries() if entry.section == section)])


def _table(lines: Iterable[Line]) -> str:
    rows = [_row(line) for line in lines]
    return "\n".join(["| what | why | source |", "| --- | --- | --- |", *rows, ""])


def _row(line: Line) -> str:
    what = line.what[0].upper() + line.what[1:] if line.what[0].isalpha() else line.what
    return f"| {what} | {line.why} | {line.source} |"


if __name__ == "__main__":  # pragma: no cover - for people
    PAGE.write_text(page(), encoding="utf-8")
