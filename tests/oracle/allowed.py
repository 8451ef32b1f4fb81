"""The allow-list: which differences are meant, why, and whether they still occur."""

import functools
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.oracle.corpus import parser_of

FILE = Path(__file__).parent / "allowed.toml"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the page; allowed.toml says what the attributes are."""

    what: str
    why: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Entry(Line):
    """One difference that is meant."""

    id: str
    of: str
    section: str
    differences: tuple[str, ...]
    cases: tuple[str, ...] = ()
    at: str | None = None

    def matching(self, case: str, site: str, difference: str) -> Iterable[str]:
        """Return the expressions that match a difference, found in that case at that site."""
        if (self.cases and case not in self.cases) or self.at not in (None, parser_of(site)):
            return ()
        return [pattern for pattern in self.differences if re.fullmatch(pattern, difference, re.DOTALL)]


@dataclass
class AllowList:
    """The entries for one corpus, and which of their parts were needed."""

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        self._needed: set[tuple[str, str]] = set()

    def unexplained(self, case: str, site: str, differences: Iterable[str]) -> list[str]:
        """Return the differences that no entry allows."""
        return [each for each in differences if not self._explains(case, site, each)]

    def _explains(self, case: str, site: str, difference: str) -> bool:
        found = False
        for entry in self.entries:
            for pattern in entry.matching(case, site, difference):
                self._needed |= {(entry.id, pattern), (entry.id, case)}
                found = True
        return found

    def stale(self) -> list[tuple[str, str]]:
        """Return the expressions that matched nothing and the cases that needed nothing, by entry."""
        parts = ((entry.id, part) for entry in self.entries for part in (*entry.differences, *entry.cases))
        return [part for part in parts if part not in self._needed]


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Return all entries in the order of the file."""
    return tuple(
        Entry(**{key: _frozen(value) for key, value in entry.items()}) for entry in _written("allow")
    )


def beyond() -> tuple[Line, ...]:
    """Return what is different and seen by no case."""
    return tuple(Line(**line) for line in _written("beyond"))


def _written(kind: str) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))[kind]
    return tables


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def allow_list(kind: str) -> AllowList:
    """Return the allow-list of a corpus: "requests" or "responses"."""
    return AllowList(tuple(entry for entry in entries() if entry.of == kind))
