"""What a check came to."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result.

    Attributes:
        status: "fail" keeps the app from working, "warn" may be meant.
        subject: what was looked at, in a word or two.
        text: what was found.
        remedy: what to do about it; "" when there is nothing to do.
    """

    status: Status
    subject: str
    text: str
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding("ok", subject, text)


def warn(subject: str, text: str, remedy: str) -> Finding:
    """Return what may be meant so."""
    return Finding("warn", subject, text, remedy)


def fail(subject: str, text: str, remedy: str) -> Finding:
    """Return what keeps the app from working."""
    return Finding("fail", subject, text, remedy)
