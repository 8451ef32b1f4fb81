"""What the demo shows: the table, and what to try next."""

from collections.abc import Iterable
from typing import Final

from rich.text import Text

from forst_asgi.cli.demo.server import Server
from forst_asgi.cli.demo.trial import ROUNDS, Outcome
from forst_asgi.cli.output import complain, say, say_table

_COLUMNS: Final = ("request", "by", "over", "answer", "ms", "Python ms", "speed-up")
_NOTE: Final = f"""\
by        who answered, over a unix socket or tcp if it was Go
answer    status, and whether it is the same as Python's
ms        median of {ROUNDS} requests, made one at a time and timed by the client; no load test
Python ms the same endpoint in a second server, all Python and without the middleware
speed-up  below 1 it is a slow-down: where Go computes little, the way through Python costs more"""

_TRY: Final = """\
{url} answers some endpoints in Go (demo_app/forst.toml says which), {python_url} all in Python. Try:

    curl -i {url}/calculate -H 'content-type: application/json' -d '{{"values": [1, 2, 3.5]}}'
    curl -i '{url}/search?q=golden+riv&limit=3'
    curl -iN '{url}/events?n=5&interval_ms=500'
    curl -i {url}/health

or open {url}/docs in a browser. The header x-answered-by says who answered. Ctrl-C ends it."""


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
    verdict = "not as expected" if outcome.problems else "equal"
    return [
        outcome.sample.label,
        Text(by, "cyan" if by == "go" else ""),
        outcome.expected.transport or "-",
        Text(f"{outcome.answer.status} {verdict}", "red" if outcome.problems else ""),
        f"{outcome.duration_ms:.2f}",
        f"{outcome.python_ms:.2f}",
        f"{outcome.python_ms / outcome.duration_ms:.1f}",
    ]
