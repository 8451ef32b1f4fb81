"""How the commands write: for people on a terminal, for other programs in a pipe.

In a pipe there are no colours and no lines around tables, and nothing is wrapped: one row is one line.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNWRAPPED: Final = 100_000
"""More columns than any line has."""


def console(*, is_stderr: bool = False) -> Console:
    """Return a console that takes text as it is: brackets, colons and numbers mean nothing."""
    made = Console(stderr=is_stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNWRAPPED
    return made


def say(text: str, style: str | None = None) -> None:
    """Write a line of the result."""
    console().print(text, style=style, soft_wrap=True)


def note(text: str, style: str | None = None) -> None:
    """Write a line that is not the result: progress, warnings."""
    console(is_stderr=True).print(text, style=style, soft_wrap=True)


def complain(text: str) -> None:
    """Write what is wrong."""
    note(text, "red")


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Show that something is being done, and afterwards how long it took."""
    out, begin = console(is_stderr=True), time.monotonic()
    if out.is_terminal:
        with out.status(text):
            yield
    else:
        note(f"{text} ...")
        yield
    note(f"{text}: {time.monotonic() - begin:.1f} s", "dim")


def say_json(value: Any) -> None:
    """Write the result for programs."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def say_table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Sequence[str] = ()
) -> None:
    """Write a table with headings.

    Args:
        columns: the headings.
        rows: a cell for each heading.
        right: the headings of columns that hold numbers.
    """
    out = console()
    # The frame on a terminal puts a space between columns itself.
    table = Table(
        box=SIMPLE_HEAD if out.is_terminal else None,
        padding=(0, 1 if out.is_terminal else 2, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        justify = "right" if column in right else "left"
        table.add_column(column, overflow="fold", justify=justify)  # type: ignore[arg-type] # a str, not a Literal
    for row in rows:
        table.add_row(*row)
    _print(out, table)


def say_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Write names and what they stand for, the latter under each other; "" goes on with the last name."""
    out = console()
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in pairs:
        grid.add_row(name, text)
    _print(out, grid)


def _print(out: Console, table: Table) -> None:
    """Print a table; in a pipe without the spaces that fill up each line."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as capture:
        out.print(table)
    out.print("\n".join(line.rstrip() for line in capture.get().splitlines()), soft_wrap=True)
