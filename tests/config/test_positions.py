"""The scanner that finds the lines of keys, checked against tomllib."""

import random
import re
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forst_asgi.config.findings import KeyPath
from forst_asgi.config.positions import key_lines


def _paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of everything that is in a parsed document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _paths(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _paths(each, (*path, index))


DOCUMENT = '''
# [not.a.table]
a = 1 # b = 2
"quoted.key" = "x = 1"
'literal]' = \'\'\'
fake = 1
[fake]\'\'\'
dotted . "and quoted" . deep = true

[table]
text = """
[fake]
\\"""
""""
list = [ # fake = 1
  "one, ]",

  { x = 1, y.z = [2,
  3] },
  [[4]],
]
after = 1979-05-27 07:32:00

[[route]]
id = "a"
[route.headers]
x = "1"

[[route]] # second
id = "b"
[[route.deep]]
id = "c"
[[route.deep]]
id = "d"

[ table . "sub table" ]
last = -inf'''


def test_lines_of_a_document_with_everything() -> None:
    """Comments, all kinds of strings, dotted keys, lists and arrays of tables leave the lines right."""
    lines = key_lines(DOCUMENT)
    assert set(lines) == set(_paths(tomllib.loads(DOCUMENT)))
    assert {path: line for path, line in lines.items() if path[0] != "table"} == {
        ("a",): 3,
        ("quoted.key",): 4,
        ("literal]",): 5,
        ("dotted",): 8,
        ("dotted", "and quoted"): 8,
        ("dotted", "and quoted", "deep"): 8,
        ("route",): 24,
        ("route", 0): 24,
        ("route", 0, "id"): 25,
        ("route", 0, "headers"): 26,
        ("route", 0, "headers", "x"): 27,
        ("route", 1): 29,
        ("route", 1, "id"): 30,
        ("route", 1, "deep"): 31,
        ("route", 1, "deep", 0): 31,
        ("route", 1, "deep", 0, "id"): 32,
        ("route", 1, "deep", 1): 33,
        ("route", 1, "deep", 1, "id"): 34,
    }
    assert {path[1:]: line for path, line in lines.items() if path[0] == "table"} == {
        (): 10,
        ("text",): 11,
        ("list",): 15,
        ("list", 0): 16,
        ("list", 1): 18,
        ("list", 1, "x"): 18,
        ("list", 1, "y"): 18,
        ("list", 1, "y", "z"): 18,
        ("list", 1, "y", "z", 0): 18,
        ("list", 1, "y", "z", 1): 19,
        ("list", 2): 20,
        ("list", 2, 0): 20,
        ("list", 2, 0, 0): 20,
        ("after",): 22,
        ("sub table",): 36,
        ("sub table", "last"): 37,
    }


def test_windows_line_ends_count_once() -> None:
    """CR LF is one line end."""
    assert key_lines("a = 1\r\n[b]\r\nc = '''\r\n'''\r\nd = 2\r\n") == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "d"): 5,
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "  \t\n# x\n"])
def test_a_file_without_keys_has_no_lines(text: str) -> None:
    """Blank lines and comments bring nothing about."""
    assert key_lines(text) == {}


def test_a_text_that_is_not_toml_is_refused() -> None:
    """The scanner stops where it cannot go on, although tomllib should have seen that before."""
    with pytest.raises(ValueError, match="no TOML at offset 0"):
        key_lines("= 1")


class _Writer:
    """Writes a random TOML document in which each key has a name of its own, `k` and a number."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._count = 0

    def document(self) -> str:
        return "".join([self._pairs(), *(self._table() for _ in range(self._chance.randrange(5)))])

    def _table(self) -> str:
        path = self._key()
        if self._chance.random() < 0.5:
            return f"[{path}]{self._end()}{self._pairs()}"
        inner = f"[{path}.{self._name()}]{self._end()}{self._pairs()}"
        element = f"[[ {path}]]{self._end()}{self._pairs()}"
        again = f"[[{path} ]]{self._end()}"
        return element + self._chance.choice(["", inner]) + self._chance.choice(["", again + self._pairs()])

    def _pairs(self) -> str:
        return "".join(f"{self._pair()}{self._end()}" for _ in range(self._chance.randrange(4)))

    def _pair(self, depth: int = 0) -> str:
        return f"{self._key()}{self._chance.choice(['=', ' = '])}{self._value(depth)}"

    def _key(self) -> str:
        names = [self._name() for _ in range(self._chance.choice([1, 1, 2, 3]))]
        return self._chance.choice([".", " . "]).join(names)

    def _name(self) -> str:
        self._count += 1
        name = f"k{self._count}"
        return self._chance.choice([name, name, f'"{name} \\"]#="', f"'{name} [.\"'"])

    def _value(self, depth: int) -> str:
        kind = self._chance.randrange(10 if depth < 3 else 8)
        if kind == 8:
            return self._list(depth + 1)
        if kind == 9:
            pairs = ", ".join(self._pair(depth + 1) for _ in range(self._chance.randrange(3)))
            return f"{{ {pairs} }}"
        return _SCALARS[kind]

    def _list(self, depth: int) -> str:
        values = [self._value(depth) for _ in range(self._chance.randrange(4))]
        commas = [f",{self._chance.choice(['', ' ', self._end()])}" for _ in values]
        if commas and self._chance.random() < 0.5:
            commas[-1] = ""
        return f"[{''.join(value + comma for value, comma in zip(values, commas, strict=True))}]"

    def _end(self) -> str:
        return self._chance.choice(["\n", "\n\n", " # = [x] {\n", "\n  # '''\n"])


_SCALARS = (
    "1",
    "-1.5e3",
    "true",
    "1979-05-27 07:32:00",
    r'"a # ] } = \" [b]"',
    "'c:\\ # ]'",
    '"""\n[x]\ny = 1 \\""" # ""  \n"""""',
    "''' \n[x] ''\n''''",
)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_a_random_document_has_the_keys_that_tomllib_finds(chance: random.Random, is_windows: bool) -> None:  # noqa: FBT001 - drawn, not called
    """Every key has a line and no other has, and the line is the one on which its name stands."""
    text = _Writer(chance).document()
    lines = key_lines(text.replace("\n", "\r\n") if is_windows else text)
    assert set(lines) == set(_paths(tomllib.loads(text)))
    for path, line in lines.items():
        name = re.match(r"k\d+", str(path[-1]))
        if name:
            assert re.search(rf"\b{name[0]}\b", text.split("\n")[line - 1])
