"""The types of keys that say how much of a route's traffic the sidecar gets, and of whose."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Strict

from forst_asgi.config import names
from forst_asgi.config.findings import Finding, KeyPath, either, nearest, wrong
from forst_asgi.config.shape import Shape
from forst_asgi.config.template import convertors
from forst_asgi.share import LEAST, MOST, NoShare, TooFine, basis_points

STICK_PATTERN: Final = r"^(?:(?:header|cookie|query|path):.+|client)$"
KEY_PATTERN: Final = r"^(?:(?:header|cookie|query|path|context):.+|client)$"

_SOURCES: Final = ("header", "cookie", "query", "path", "client")
_EXAMPLES: Final = ("header:x-user-id", "cookie:sid", "query:user", "path:id", "client", "context:plan")
_COOKIE_NAME: Final = re.compile(names.TOKEN_PATTERN)
_NUMBERS: Final = frozenset({"int", "float"})
_FOR_TEXT: Final = ("prefix", "suffix", "contains", "regex", "semver", "network")
_HALVES: Final = re.compile("[\\ud800-\\udfff]")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _mode(value: object) -> object:
    if value == "shadow":
        raise wrong("comparing in the shadow is not there yet", expected='"off", "canary" or "on"')
    return value


def percentage(value: object) -> float:
    """Return a percentage of requests.

    Raises:
        PydanticCustomError: it is not 0.01 to 100, or finer than the ten thousand buckets.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(expected="a number such as 2.5")
    try:
        basis_points(value)
    except TooFine:
        raise wrong("is finer than 0.01, the smallest share", suggestion=f"{value:.2f}") from None
    except NoShare:
        off = ' (mode "off" is nobody)' if value == 0 else ""
        raise wrong(expected=f"a percentage from 0.01 to 100{off}") from None
    return float(value)


def stick_key(value: str) -> str:
    """Return a key that a client can stick to, in its normal form."""
    return _key(value, _SOURCES)


def rule_key(value: str) -> str:
    """Return a key that a rule can ask for, in its normal form."""
    return _key(value, (*_SOURCES, "context"))


def _key(value: str, sources: tuple[str, ...]) -> str:
    source, colon, name = value.partition(":")
    if value == "client":
        return value
    if not _is_whole(value):
        raise wrong(expected="text that can be written in UTF-8")
    if source not in sources or source == "client" or not colon or not name:
        examples = either(_EXAMPLES[: len(sources)])
        raise wrong(expected=f"a key such as {examples}", suggestion=_probable_key(value, sources))
    if source == "header":
        return f"header:{names.header_name(name)}"
    if source == "cookie" and not _COOKIE_NAME.fullmatch(name):
        raise wrong(f'"{name}" is no name of a cookie', expected='one such as "sid"')
    if source == "path" and not _IDENTIFIER.fullmatch(name):
        raise wrong(f'"{name}" is no path parameter', expected='one such as "id"')
    return value


def _is_whole(text: str) -> bool:
    """Whether a text has no halves of surrogate pairs; a file cannot hold any, but Python can."""
    return not _HALVES.search(text)


def _probable_key(value: str, sources: tuple[str, ...]) -> str | None:
    source, colon, name = value.partition(":")
    close = nearest(source, sources)
    if not colon and re.fullmatch(r"[xX]-[A-Za-z0-9-]+", value):
        return f"header:{value.lower()}"
    if not colon or close == "client":
        return nearest(source, ["client"])
    return f"{close}:{name}" if close and name else None


def _salt(value: str) -> str:
    if not value or "\0" in value or not _is_whole(value):
        raise wrong(expected="text without NUL, at least one character")
    return value


def _strict_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Mode: TypeAlias = Literal["off", "canary", "on"]
ModeField = Annotated[Mode, BeforeValidator(_mode)]
Percent = Annotated[
    float, BeforeValidator(percentage), Shape({"type": "number", "minimum": LEAST, "maximum": MOST})
]
StickKey = Annotated[
    str, Strict(), AfterValidator(stick_key), Shape({"type": "string", "pattern": STICK_PATTERN})
]
RuleKey = Annotated[
    str, Strict(), AfterValidator(rule_key), Shape({"type": "string", "pattern": KEY_PATTERN})
]
_STICK_SCHEMA: Final = {"type": "string", "pattern": STICK_PATTERN}
StickKeys = Annotated[
    tuple[StickKey, ...],
    BeforeValidator(_strict_tuple),
    Shape({"anyOf": [_STICK_SCHEMA, {"type": "array", "items": _STICK_SCHEMA}]}),
]
Salt = Annotated[str, Strict(), AfterValidator(_salt), Shape({"type": "string", "minLength": 1})]


def shares_across(route: Mapping[str, Any]) -> Iterable[Finding]:
    """Yield what is wrong with a route's canary and keys taken together; values may be of any type."""
    stick = route.get("stick")
    yield from _incomplete(route, (), is_sticky=bool(stick))
    for index, rule in enumerate(_listed(route.get("rule", route.get("rules")))):
        yield from _incomplete(rule, ("rule", index), is_sticky=bool(stick))
    yield from _repeated_names(_listed(route.get("rule", route.get("rules"))))
    path = route.get("path")
    if isinstance(path, str):
        yield from _unknown_parameters(route, tuple(convertors(path)))
        yield from _of_another_type(route, convertors(path))


def _incomplete(
    table: Mapping[str, Any], where: tuple[str | int, ...], *, is_sticky: bool
) -> Iterable[Finding]:
    if _said(table, "mode") != "canary":
        return
    if _said(table, "percent") is None:
        yield Finding(
            (*where, "percent"), wrong("is missing", expected='mode "canary" to have one such as 2.5')
        )
    if not is_sticky:
        expected = 'mode "canary" to have keys such as ["header:x-user-id", "cookie:sid"]'
        yield Finding(("stick",), wrong("is missing", expected=expected))


def _repeated_names(rules: list[object]) -> Iterable[Finding]:
    """Yield rules whose name another one has: logs and `explain` could not tell which of them held."""
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        name = _said(rule, "name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Finding(("rule", index, "name"), wrong(f"rule[{first[name]}] has this name already"), name)


def _unknown_parameters(route: Mapping[str, Any], known: tuple[str, ...]) -> Iterable[Finding]:
    for where, key in _keys(route):
        source, _, name = key.partition(":") if isinstance(key, str) else ("", "", "")
        if source == "path" and _IDENTIFIER.fullmatch(name) and name not in known:
            close = nearest(name, known)
            problem = f'the path "{route["path"]}" has no parameter "{name}"'
            yield Finding(where, wrong(problem, suggestion=close and f"path:{close}"), key)


def _of_another_type(route: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterable[Finding]:
    """Yield conditions on path parameters that could never hold, since a number is no text."""
    for at, rule in enumerate(_listed(route.get("rule", route.get("rules")))):
        for number, condition in enumerate(_listed(_said(rule, "when"))):
            key = _said(condition, "key")
            source, _, name = key.partition(":") if isinstance(key, str) else ("", "", "")
            if source == "path" and name in kinds:
                where = ("rule", at, "when", number)
                is_number = kinds[name] in _NUMBERS
                check = _against_number if is_number else _against_text
                yield from check(where, kinds[name], condition)


def _against_number(where: KeyPath, kind: str, condition: object) -> Iterable[Finding]:
    for operator in _FOR_TEXT:
        if _said(condition, operator) is not None:
            problem = f"is about text, and a parameter of the kind {kind} is a number"
            yield Finding((*where, operator), wrong(problem, shows_value=False))
    for operator, operand in _operands(condition):
        if any(isinstance(each, str | bool) for each in operand):
            problem = f"a parameter of the kind {kind} is a number"
            error = wrong(problem, expected="numbers without quotes")
            yield Finding((*where, operator), error, _said(condition, operator))


def _against_text(where: KeyPath, _kind: str, condition: object) -> Iterable[Finding]:
    for operator, operand in _operands(condition):
        if any(isinstance(each, bool | int | float) for each in operand):
            error = wrong("this parameter is text", expected="text in quotes")
            yield Finding((*where, operator), error, _said(condition, operator))


def _operands(condition: object) -> Iterable[tuple[str, list[Any]]]:
    """Yield the operators of a condition that compare as they are, each with what it compares with."""
    equals = _said(condition, "equals")
    yield "equals", [equals] if equals is not None else []
    for operator in ("in", "in_"):
        yield operator, _listed(_said(condition, operator))


def _keys(route: Mapping[str, Any]) -> Iterable[tuple[KeyPath, object]]:
    """Yield every key of a route, and where it stands."""
    stick = route.get("stick")
    for index, key in enumerate([stick] if isinstance(stick, str) else _listed(stick)):
        yield ("stick", index), key
    for at, rule in enumerate(_listed(route.get("rule", route.get("rules")))):
        for number, condition in enumerate(_listed(_said(rule, "when"))):
            yield ("rule", at, "when", number, "key"), _said(condition, "key")


def _said(table: object, key: str) -> object:
    """Return what stands at a key of a table, or of a model built in Python; None for nothing."""
    return table.get(key) if isinstance(table, Mapping) else getattr(table, key, None)


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
