"""The fields of an order: each function returns the normal form, or raises `Rejected` with a code."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from demo_app.service.text import SPACE, ascii_lower, ascii_upper, trim

RATES = {
    "EUR": 1_000_000,
    "USD": 921_659,
    "GBP": 1_174_329,
    "CHF": 1_036_484,
    "JPY": 6_127,
    "SEK": 87_912,
    "NOK": 85_433,
    "DKK": 134_052,
    "PLN": 231_750,
    "CZK": 39_604,
}
"""The millionths of a euro that one unit of each currency is worth."""

_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_AMOUNT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
_MOMENT = re.compile(
    r"(19[7-9][0-9]|20[0-9]{2})-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_SPACES = re.compile(f"[{SPACE}]+")
_PART = re.compile(r"([ '-])")
_CENT = Decimal("0.01")


class Rejected(ValueError):
    """A field cannot be used; the text is the code of why."""


def identifier(raw: str, seen: set[str]) -> str:
    """Return the trimmed id of 1 to 64 characters, and add it to those seen."""
    text = trim(raw)
    if text in seen:
        raise Rejected("duplicate")
    _check_length(text, 64)
    seen.add(text)
    return text


def name(raw: str) -> str:
    """Return the name with single spaces and capitals where parts begin, 1 to 100 characters."""
    text = trim(_SPACES.sub(" ", raw))
    normal = "".join(ascii_upper(part[:1]) + ascii_lower(part[1:]) for part in _PART.split(text))
    _check_length(normal, 100)
    return normal


def email(raw: str) -> str:
    """Return the address in lower case."""
    text = ascii_lower(trim(raw))
    if len(text) > 254 or not _EMAIL.fullmatch(text):
        raise Rejected("invalid")
    return text


def cents(raw: str) -> int:
    """Return a decimal amount in cents, rounded half to even."""
    text = trim(raw)
    if not _AMOUNT.fullmatch(text):
        raise Rejected("invalid")
    return int(Decimal(text).quantize(_CENT, ROUND_HALF_EVEN) * 100)


def currency(raw: str) -> str:
    """Return the code of a currency that has a rate."""
    code = ascii_upper(trim(raw))
    if code not in RATES:
        raise Rejected("unknown")
    return code


def moment(raw: str) -> str:
    """Return an ISO 8601 time with offset as UTC with six decimals."""
    text = trim(raw)
    if not _MOMENT.fullmatch(text):
        raise Rejected("invalid")
    try:
        there = datetime.fromisoformat(text)
    except ValueError as error:  # such as 31 June
        raise Rejected("invalid") from error
    return there.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def convert(amount_cents: int, source: str, target: str) -> int:
    """Return the amount in the other currency, rounded half to even."""
    divisor = RATES[target]
    quotient, remainder = divmod(amount_cents * RATES[source], divisor)
    is_up = 2 * remainder > divisor or (2 * remainder == divisor and quotient % 2 == 1)
    return quotient + is_up


def _check_length(text: str, most: int) -> None:
    if not text:
        raise Rejected("empty")
    if len(text) > most:
        raise Rejected("too_long")
