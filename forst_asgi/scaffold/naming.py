"""Go identifiers for names that come from Python, from paths, or from a schema."""

import re
from collections.abc import Iterable
from typing import Final

INITIALISMS: Final = frozenset(
    {"API", "CPU", "CSS", "DB", "DNS", "HTML", "HTTP", "HTTPS", "ID", "IP", "JSON", "OS", "SQL", "SSH"}
    | {"TLS", "TTL", "UI", "UID", "URI", "URL", "UTC", "UUID", "VAT", "XML", "YAML"}
)
"""Words that Go writes in capitals (https://go.dev/wiki/CodeReviewComments#initialisms)."""

_GO_WORDS: Final = frozenset(
    [
        "break",
        "case",
        "chan",
        "const",
        "continue",
        "default",
        "defer",
        "else",
        "fallthrough",
        "for",
        "func",
        "go",
        "goto",
        "if",
        "import",
        "interface",
        "map",
        "package",
        "range",
        "return",
        "select",
        "struct",
        "switch",
        "type",
        "var",
    ]
)
_TAKEN_PACKAGES: Final = _GO_WORDS | {
    *("main", "internal", "vendor", "testdata", "forstsidecar", "http", "context", "json", "bin", "forst"),
    "documentation",  # go build takes no notice of such a package (go/build, Context.Import)
    *("init", "mux"),  # which main.go has for something else
}
_LONGEST_ABBREVIATION: Final = 4
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(text: str) -> list[str]:
    """Return the words in a name of any style: snake_case, kebab-case, CamelCase."""
    # Go's identifiers have letters and decimal digits (Go specification, "Identifiers"); Python's have more.
    letters = "".join(char if char.isalpha() or char.isdecimal() else " " for char in text)
    return [word for part in letters.split() for word in (_WORD.findall(part) if part.isascii() else [part])]


def camel(text: str, default: str) -> str:
    """Return the words of a name in CamelCase, "EUR" as it is; the default where there are none."""
    found = words(text)
    if len(found) == 1 and found[0].isupper() and len(found[0]) <= _LONGEST_ABBREVIATION:
        return found[0]
    return "".join(map(_in_camel_case, found)) or default


def exported(text: str, default: str = "Field") -> str:
    """Return an exported Go name, such as "OrderID" for "order_id"."""
    name = camel(text, default)
    # What has no case (a digit, a Chinese character) cannot be exported as it stands.
    return name if name[0].isupper() else f"X{name}"


def package(text: str) -> str:
    """Return a name for a package and its folder: lower case, ASCII, none that Go gives a meaning."""
    name = "".join(re.findall(r"[a-z0-9]+", text.lower()))
    if not name or name[0].isdigit():
        name = f"op{name}"
    return f"{name}op" if name in _TAKEN_PACKAGES or name.endswith("test") else name


def kebab(text: str) -> str:
    """Return a route's id, such as "get-order"."""
    return "-".join(word.lower() for word in words(text) if word.isascii()) or "route"


def unique(name: str, taken: Iterable[str]) -> str:
    """Return the name, with a number behind it if it is taken."""
    used = set(taken)
    number, made = 2, name
    while made in used:
        made, number = f"{name}{number}", number + 1
    return made


def _in_camel_case(word: str) -> str:
    return word.upper() if word.upper() in INITIALISMS else word[0].upper() + word[1:].lower()
