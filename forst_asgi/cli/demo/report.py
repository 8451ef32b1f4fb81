"""What the demo shows: the table, and what to try next."""

from collections.abc import Iterable
from typing import Final

from rich.text import Text

from forst_asgi.cli.demo.server import Server
from forst_asgi.cli.demo.trial import ROUNDS, Outcome
from forst_asgi.cli.output import complain, say, say_table

_TRANSPORTS: Final = {"unix": "unix socket", "tcp": "tcp", "tls": "tls", "": "-"}
_COLUMNS: Final = (
    "request",
    "answered by",
    "over",
    "status",
    "answers",
    "time (ms)",
    "Python only (ms)",
    "times faster",
)
_NOTE: Final = f"""\
Times are medians of {ROUNDS} requests, made one at a time and timed by the client, on this machine, now.
"Python only" is the same endpoint in a second server without the middleware. Not a load test."""

_TRY: Final = """\
{url} answers some endpoints in Go (demo_app/forst.toml says which), {python_url} all in Python. Try:

    curl -i {url}/calculate -H 'content-type: application/json' -d '{{"values": [1, 2, 3.5]}}'
    curl -i '{url}/search?q=golden+riv&limit=3'
    curl -iN '{url}/events?n=5&interval_ms=500'
    curl -i {url}/health
    open {url}/docs in a browser

x-answered-by says who answered. Ctrl-C ends it."""


def show(outcomes: Iterable[Outcome]) -> None:
    """Write the table, and below it what is not as it should be."""
    outcomes = list(outcomes)
    say_table(_COLUMNS, [_row(each) for each in outcomes], right=_COLUMNS[-3:])
    say("")
    say(_NOTE, "dim")
    for outcome in outcomes:
        for problem in outcome.problems:
            complain(f"{outcome.sample.label}: {problem}")


def invite(guarded: Server, python: Server) -> None:
    """Say what there is to try."""
    say("")
    say(_TRY.format(url=guarded.url, python_url=python.url))


def _row(outcome: Outcome) -> list[str | Text]:
    by = outcome.answer.answered_by
    return [
        outcome.sample.label,
        Text(by, "cyan" if by == "go" else ""),
        _TRANSPORTS[outcome.expected.transport],
        str(outcome.answer.status),
        Text("not as expected", "red") if outcome.problems else "equal",
        f"{outcome.duration_ms:.2f}",
        f"{outcome.python_ms:.2f}",
        f"{outcome.python_ms / outcome.duration_ms:.1f}",
    ]
