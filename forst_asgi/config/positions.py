"""Finds the line of every key in a TOML file, which tomllib does not tell.

It reads only text that tomllib has accepted, so it needs to know where strings, comments and brackets
begin and end, and nothing about values. Section numbers are those of TOML 1.0.0.
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final

from forst_asgi.config.findings import KeyPath

_BLANK: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
_OTHER_VALUE: Final = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every table, key and list element of a valid TOML text."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """Walks once through the text; `_at` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [offset for offset, character in enumerate(text) if character == "\n"]
        self._lines: dict[KeyPath, int] = {}
        self._last_index: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._next():
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _next(self) -> str:
        """Return the next character that is neither blank nor comment, "" at the end."""
        self._skip(_BLANK)
        return self._text[self._at : self._at + 1]

    def _skip(self, what: re.Pattern[str]) -> str:
        found = what.match(self._text, self._at)
        if not found:
            raise ValueError(f"no TOML at offset {self._at}")
        self._at = found.end()
        return found[0]

    def _header(self) -> KeyPath:
        """Read `[a.b]` or `[[a.b]]`; each name of an array of tables stands for its last element."""
        offset = self._at
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *outer, last = self._dotted()
        self._at += brackets
        path = (*self._resolved(outer), last)
        if brackets == 2:
            self._last_index[path] = self._last_index.get(path, -1) + 1
        path = self._resolved_last(path)
        self._note(path, offset)
        return path

    def _resolved(self, names: list[str]) -> KeyPath:
        path: KeyPath = ()
        for name in names:
            path = self._resolved_last((*path, name))
        return path

    def _resolved_last(self, path: KeyPath) -> KeyPath:
        return (*path, self._last_index[path]) if path in self._last_index else path

    def _pair(self, table: KeyPath) -> None:
        offset = self._at
        path = (*table, *self._dotted())
        self._note(path, offset)
        self._at += len("=")
        self._value(path)

    def _dotted(self) -> list[str]:
        """Read a key such as `a."b.c".d` and the blanks around it."""
        names = [self._name()]
        while self._next() == ".":
            self._at += 1
            names.append(self._name())
        return names

    def _name(self) -> str:
        if self._next() not in {'"', "'"}:
            return self._skip(_BARE_KEY)
        return next(iter(tomllib.loads(f"{self._skip(_STRING)} = 0")))

    def _value(self, path: KeyPath) -> None:
        opening = self._next()
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if opening in {'"', "'"} else _OTHER_VALUE)

    def _list(self, path: KeyPath) -> None:
        self._at += len("[")
        index = 0
        while self._next() != "]":
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
            self._skip_comma()
        self._at += len("]")

    def _inline_table(self, path: KeyPath) -> None:
        self._at += len("{")
        while self._next() != "}":
            self._pair(path)
            self._skip_comma()
        self._at += len("}")

    def _skip_comma(self) -> None:
        if self._next() == ",":
            self._at += 1

    def _note(self, path: KeyPath, offset: int) -> None:
        """Remember where a key stands; tables that only its dots bring about stand there as well."""
        line = bisect_right(self._ends, offset - 1) + 1
        self._lines[path] = line
        for depth in range(1, len(path)):
            self._lines.setdefault(path[:depth], line)
