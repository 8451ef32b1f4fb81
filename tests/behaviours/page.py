"""The page of the numbered behaviours and their tests, made from the tests so that it cannot disagree.

A test tells its number by its name, `test_item_27_bytes_after_the_end`, or, when it has several or belongs
to something else in the first place, by the marker `@pytest.mark.item(27, 28)`.

`python -m tests.behaviours.page > docs/behaviours.md` rewrites the checked-in page.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.behaviours.items import ITEMS, SECTIONS, Item

COMMAND: Final = "python -m tests.behaviours.page > docs/behaviours.md"

ROOT: Final = Path(__file__).parents[2]

THROUGH: Final = ("behaviours", "integration", "oracle", "soak", "websocket")
"""Folders whose tests have sockets on both sides: a client, a server in front, an upstream behind."""

_NAME: Final = re.compile(r"test_item_(\d+)_")

_INTRODUCTION: Final = f"""\
# Behaviours and their tests

What forwarding has to do, one number each, and the tests that make it happen. Tests are named by the
number: `test_item_27_...`, or `@pytest.mark.item(27, 28)`. A test fails when a number has no test with real
sockets on both sides, when a test names a number that there is not, or when this page is out of date;
`{COMMAND}` writes it anew.
"""


class Named(NamedTuple):
    """A test that names a behaviour.

    Attributes:
        number: of the behaviour.
        path: the test's file, relative to the repository.
        name: the function's.
    """

    number: int
    path: str
    name: str

    @property
    def is_through(self) -> bool:
        """Whether it has sockets on both sides."""
        return self.path.split("/")[1] in THROUGH


def named_tests(root: Path = ROOT) -> list[Named]:
    """Return every test that names a behaviour, found in the sources; nothing is imported."""
    files = sorted(root.glob("tests/**/test_*.py"))
    return [each for path in files for each in _named_in(path, path.relative_to(root).as_posix())]


def _named_in(path: Path, shown: str) -> Iterator[Named]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for number in sorted({*_by_name(node), *_by_marker(node)}):
                yield Named(number, shown, node.name)


def _by_name(node: ast.FunctionDef) -> Iterator[int]:
    if found := _NAME.match(node.name):
        yield int(found[1])


def _by_marker(node: ast.FunctionDef) -> Iterator[int]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.item":
            yield from (int(ast.literal_eval(argument)) for argument in decorator.args)


def page(named: list[Named]) -> str:
    """Return the whole page."""
    by_number = {number: [each for each in named if each.number == number] for number in ITEMS}
    return "\n".join([_INTRODUCTION, *_sections(by_number)])


def _sections(by_number: Mapping[int, list[Named]]) -> Iterator[str]:
    for heading, items in SECTIONS.items():
        yield f"## {heading}\n"
        for number, item in items.items():
            yield _described(number, item, by_number[number])


def _described(number: int, item: Item, tests: list[Named]) -> str:
    lines = [f"### {number}. {item.title}", "", item.text, ""]
    for path in dict.fromkeys(each.path for each in tests):
        names = ", ".join(f"`{each.name}`" for each in tests if each.path == path)
        lines.append(f"- `{path}`: {names}")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(page(named_tests()))


if __name__ == "__main__":  # pragma: no cover - the tests call main()
    main()
