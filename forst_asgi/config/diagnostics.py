"""From pydantic's errors to mistakes in plain words: where, which key, what was written, what was expected.

Every kind of pydantic error that the models can raise has words of its own in `_EXPECTED` or `_WORDS`;
values that may be secrets are never repeated.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from forst_asgi.config.findings import KIND, KeyPath, either, nearest
from forst_asgi.config.origin import Origin
from forst_asgi.errors import Mistake

Words: TypeAlias = tuple[str, str | None, str | None]
"""A problem, what was expected, a suggestion."""

MAX_SHOWN: Final = 60
"""How many characters of a value are repeated."""

_SECRET_NAME: Final = re.compile(
    r"secret|token|passw|key|credential|authorization|cookie|session", re.IGNORECASE
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

_EXPECTED: Final = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "mapping_type": "a table of names and values",
    "dict_type": "a table of names and values",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
"""What should have been written, by the kind of pydantic error."""


def mistakes_in(error: ValidationError, origin: Origin, written: object) -> tuple[Mistake, ...]:
    """Return the mistakes that a pydantic error tells of, in the order of their lines.

    Args:
        error: what validation raised.
        origin: where the configuration was written.
        written: the configuration as it was validated.
    """
    told = error.errors(include_url=False)
    found = {_mistake(each, origin, written): None for each in told if not _is_consequence(each, told)}
    return tuple(sorted(found, key=lambda mistake: mistake.line or 0))


def _is_consequence(details: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is called too short because pydantic counts only those of its members that are right."""
    where = details["loc"]
    return details["type"] == "too_short" and any(
        len(each["loc"]) > len(where) and each["loc"][: len(where)] == where for each in told
    )


def shown(value: object) -> str:
    """Return a value as TOML would have it, in one line of at most `MAX_SHOWN` characters."""
    text = _printable(_as_toml(value))
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def key_text(path: KeyPath) -> str:
    """Return the path of a key as people write it: `route[2].headers."x y"`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _BARE_KEY.fullmatch(part) else f".{json.dumps(part)}"
    return text.removeprefix(".")


def _mistake(details: Mapping[str, Any], origin: Origin, written: object) -> Mistake:
    where = _as_written(details["loc"], written)
    problem, expected, suggestion = _words(details, where)
    return Mistake(
        file=origin.name,
        line=origin.line_of(where),
        column=None,
        key=_printable(key_text((*origin.prefix, *_as_shown(where, origin)))),
        value=_value(details, where),
        problem=_printable(problem),
        expected=expected,
        suggestion=suggestion and _printable(suggestion),
    )


def _printable(text: str) -> str:
    """Return the text with line ends, terminal sequences and the like escaped; they may be in any value."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _as_written(where: KeyPath, written: object) -> KeyPath:
    """Return the path less what validation brought in: indexes of a lone value, pydantic's "[key]"."""
    where = tuple(part for part in where if part != "[key]")
    for depth, part in enumerate(where):
        if isinstance(part, int) and isinstance(written, str):
            return where[:depth]
        written = _inside(written, part)
    return where


def _inside(container: object, part: str | int) -> object:
    if isinstance(container, Mapping):
        return container.get(part)
    if isinstance(container, list | tuple) and isinstance(part, int) and part < len(container):
        return container[part]
    return None


def _as_shown(where: KeyPath, origin: Origin) -> KeyPath:
    if where and isinstance(where[0], str):
        return (origin.shown_as.get(where[0], where[0]), *where[1:])
    return where


def _words(details: Mapping[str, Any], where: KeyPath) -> Words:
    kind, context = details["type"], details.get("ctx", {})
    if kind == KIND:
        return context["problem"], context["expected"], context["suggestion"]
    if kind in _EXPECTED:
        return "", _EXPECTED[kind] + _hint(kind, where, details["input"]), None
    if kind in _WORDS:
        return _WORDS[kind](context, details["input"])
    return str(details["msg"]), None, None


def _hint(kind: str, where: KeyPath, value: object) -> str:
    """Return how to write the two commonest mistakes right: `[route]`, and a lone text for a list."""
    if _EXPECTED[kind] != "a list":
        return ""
    if where == ("route",):
        return " of tables; write [[route]] with two brackets"
    if not isinstance(value, str) or _may_be_secret(where):
        return ""
    return f" such as {shown(_words_of(value) if where[-1:] == ('command',) else [value])}"


def _words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def _choice(context: Mapping[str, Any], value: object) -> Words:
    choices = re.findall(r"'([^']*)'", context["expected"])
    word = ("on" if value else "off") if isinstance(value, bool) else value
    return "", either(choices), nearest(word, choices)


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any], object], Words]]] = {
    "missing": lambda _context, _value: ("is missing", None, None),
    "extra_forbidden": lambda _context, _value: ("unknown key", None, None),
    "literal_error": _choice,
    "greater_than_equal": lambda context, _value: ("", f"a whole number of at least {context['ge']}", None),
    "too_short": lambda _context, _value: ("must not be empty", None, None),
    "string_too_short": lambda _context, _value: ("must not be empty", None, None),
}


def _value(details: Mapping[str, Any], where: KeyPath) -> str | None:
    value = details["input"]
    is_absent = value is None or details["type"] in {"missing", "extra_forbidden"}
    if is_absent or not details.get("ctx", {}).get("shows_value", True):
        return None
    return "…" if _may_be_secret(where) else shown(value)


def _may_be_secret(where: KeyPath) -> bool:
    """Whether the value comes from the environment or a header whose name sounds like a secret."""
    names = [part for part in where if isinstance(part, str)]
    return "env" in names or ("headers" in names and bool(_SECRET_NAME.search(names[-1])))


def _as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{…}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    if isinstance(value, int) and abs(value) >= 10**18:
        return hex(value)  # str() refuses integers of more than 4300 digits
    return str(value) if isinstance(value, int | float | date | time) else repr(value)
