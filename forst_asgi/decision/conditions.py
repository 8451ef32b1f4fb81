"""What a rule asks of a request: operators with types, compiled once.

A value that is not there, or not of the type that an operator is about, never holds; only `exists` can ask
for what is not there. Nothing is converted behind your back: 1 is neither true nor "1". Header fields,
cookies and the query are text, and only the operators for numbers, versions and addresses read more into it.
"""

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

from forst_asgi.decision.asked import Asked, Peers, Reader, reader
from forst_asgi.decision.semver import version, version_range

Test: TypeAlias = Callable[[object], bool]
"""Whether a value holds; None is a value that is not there."""

LONGEST_VALUE: Final = 1024
"""Characters; a longer value matches no pattern."""

_CACHED_ADDRESSES: Final = 1024
_LONGEST_ADDRESS: Final = 64

_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_COLLECTIONS: Final = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class ConditionSpec:
    """One condition as plain values.

    Attributes:
        key: what is looked at, such as "header:x-team".
        operator: one of `OPERATORS`.
        operand: what it is compared with.
    """

    key: str
    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, compiled.

    Attributes:
        read: finds the value in a request.
        test: whether the value holds.
    """

    read: Reader
    test: Test

    def holds(self, asked: Asked) -> bool:
        """Whether a request meets the condition."""
        return self.test(self.read(asked))


def compile_condition(spec: ConditionSpec, trusted: Peers = ()) -> Condition:
    """Compile a condition.

    Args:
        spec: the condition.
        trusted: the peers whose X-Forwarded-For is believed.

    Raises:
        ValueError: there is no such key or operator, or the operand does not fit.
        ImportError: `regex` without the package google-re2.
    """
    if spec.operator not in OPERATORS:
        raise ValueError(f'there is no operator "{spec.operator}"')
    return Condition(reader(spec.key, trusted), OPERATORS[spec.operator](spec.operand))


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def plain(value: object) -> object:
    """Return wire bytes as text, anything else as it is."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    text = _text(value)
    return float(text) if text is not None and _NUMBER.fullmatch(text) else None


def _same(value: object, operand: object) -> bool:
    """Whether two values are equal and of one type; Python has 1 == True."""
    try:
        return isinstance(value, bool) is isinstance(operand, bool) and bool(value == operand)
    except Exception:  # noqa: BLE001 - an object of the app's, such as an array, that is neither equal nor not
        return False


def _equals(operand: object) -> Test:
    return lambda value: _same(plain(value), operand)


def _in(operand: Iterable[object]) -> Test:
    members = tuple(operand)
    return lambda value: any(_same(plain(value), member) for member in members)


def _of_text(holds: Callable[[str, str], bool], operand: str) -> Test:
    def test(value: object) -> bool:
        text = _text(value)
        return text is not None and holds(text, operand)

    return test


def _contains(operand: object) -> Test:
    def test(value: object) -> bool:
        if isinstance(value, _COLLECTIONS):
            return any(_same(member, operand) for member in value)
        text = _text(value)
        return text is not None and isinstance(operand, str) and operand in text

    return test


def _regex(operand: str) -> Test:
    """Match the whole value with RE2, whose time is linear in the length of the value."""
    re2 = importlib.import_module("re2")
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(operand.encode(), options)
    except re2.error as error:
        raise ValueError(f"is no pattern that RE2 knows: {error}") from error

    def test(value: object) -> bool:
        text = _text(value)
        if text is None or len(text) > LONGEST_VALUE:
            return False
        return pattern.fullmatch(text.encode("utf-8", "replace")) is not None

    return test


def _semver(operand: str) -> Test:
    is_within = version_range(operand)

    def test(value: object) -> bool:
        text = _text(value)
        found = version(text) if text is not None else None
        return found is not None and is_within(found)

    return test


def _of_number(holds: Callable[[float, float], bool], operand: float) -> Test:
    def test(value: object) -> bool:
        number = _number(value)
        return number is not None and holds(number, operand)

    return test


def _exists(operand: object) -> Test:
    return lambda value: (value is not None) is operand


def _network(operand: Iterable[str]) -> Test:
    networks: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, operand))

    @lru_cache(_CACHED_ADDRESSES)
    def is_within(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in networks)

    def test(value: object) -> bool:
        text = _text(value)
        return text is not None and len(text) <= _LONGEST_ADDRESS and is_within(text)

    return test


OPERATORS: Final[dict[str, Callable[[Any], Test]]] = {
    "equals": _equals,
    "in": _in,
    "prefix": partial(_of_text, str.startswith),
    "suffix": partial(_of_text, str.endswith),
    "contains": _contains,
    "regex": _regex,
    "semver": _semver,
    "below": partial(_of_number, lambda value, bound: value < bound),
    "at_most": partial(_of_number, lambda value, bound: value <= bound),
    "above": partial(_of_number, lambda value, bound: value > bound),
    "at_least": partial(_of_number, lambda value, bound: value >= bound),
    "exists": _exists,
    "network": _network,
}
