"""Versions and ranges of versions, in the order of Semantic Versioning 2.0.0 (section 11)."""

import operator
import re
from collections.abc import Callable
from typing import Final, TypeAlias

_VERSION: Final = re.compile(
    r"v?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?"
    r"(?:-([0-9A-Za-z.-]{1,64}))?(?:\+[0-9A-Za-z.-]{1,64})?"
)
_COMPARISON: Final = re.compile(r"(>=|<=|>|<|==?)?\s*(\S+)")
_BY_SIGN: Final[dict[str, Callable[["Version", "Version"], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "==": operator.eq,
}

Part: TypeAlias = tuple[int, int, str]
Version: TypeAlias = tuple[int, int, int, tuple[Part, ...]]
"""Ordered as the specification says: a version that is released has the largest last part."""

_RELEASED: Final[tuple[Part, ...]] = ((2, 0, ""),)


def version(text: str) -> Version | None:
    """Return a version that can be compared, None for what is none.

    "v" in front and parts left out at the end are allowed, "v2" is 2.0.0; build metadata does not count.
    """
    found = _VERSION.fullmatch(text)
    if not found:
        return None
    major, minor, patch = (int(found[number] or 0) for number in (1, 2, 3))
    parts = tuple(map(_part, found[4].split("."))) if found[4] else _RELEASED
    return major, minor, patch, parts


def _part(identifier: str) -> Part:
    """Return a part of a pre-release: numbers are lower than words."""
    return (0, int(identifier), "") if identifier.isdecimal() else (1, 0, identifier)


def version_range(text: str) -> Callable[[Version], bool]:
    """Return whether a version is in a range such as ">=2.1.0, <3".

    Raises:
        ValueError: it is no range.
    """
    comparisons = [_comparison(each.strip()) for each in text.split(",")]
    return lambda each: all(holds(each, bound) for holds, bound in comparisons)


def _comparison(text: str) -> tuple[Callable[[Version, Version], bool], Version]:
    found = _COMPARISON.fullmatch(text)
    bound = version(found[2]) if found else None
    if found is None or bound is None:
        raise ValueError('expected versions with signs such as ">=2.1.0" or ">=2.1.0, <3.0.0"')
    return _BY_SIGN[found[1] or "="], bound
