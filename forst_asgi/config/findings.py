"""How validators say what is wrong: pydantic errors that carry an expectation and a suggestion.

A validator raises `wrong(...)`; a check across several keys yields a `Finding`, so that it can name the
key that is to blame and so that all of them are reported at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

KIND = "forst"
"""The pydantic error type of everything raised with `wrong`."""

KeyPath = tuple[str | int, ...]
"""Where something stands: table names, list indexes and keys, from the outermost inwards."""


def wrong(
    problem: str = "",
    *,
    expected: str | None = None,
    suggestion: str | None = None,
    shows_value: bool = True,
) -> PydanticCustomError:
    """Return the error that a validator raises for one wrong value.

    Args:
        problem: what is wrong; may be empty when `expected` says it all.
        expected: what may stand there.
        suggestion: what was probably meant.
        shows_value: False when the value would not help the reader, or is a secret.
    """
    text = ", ".join(filter(None, (problem, expected and f"expected {expected}")))
    said = {"problem": problem, "expected": expected, "suggestion": suggestion, "shows_value": shows_value}
    return PydanticCustomError(KIND, "{text}", {"text": text, **said})


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake that a check across several keys found.

    Attributes:
        where: the key to blame, relative to the model that was checked.
        error: what is wrong, made with `wrong`.
        value: what is written there; None when nothing is.
    """

    where: KeyPath
    error: PydanticCustomError
    value: object = None

    def details(self) -> InitErrorDetails:
        """Return the finding in the form in which pydantic takes errors."""
        return InitErrorDetails(type=self.error, loc=self.where, input=self.value)


def raised(title: str, findings: Iterable[Finding]) -> ValidationError:
    """Return one pydantic error that holds all the findings."""
    return ValidationError.from_exception_data(title, [finding.details() for finding in findings])


def nearest(word: object, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` is probably a misspelling of, the first of several equals, or None."""
    matcher = SequenceMatcher(b=str(word).lower(), autojunk=False)
    best, best_ratio = None, 0.6
    for choice in choices:
        matcher.set_seq1(choice)
        if (ratio := matcher.ratio()) > best_ratio:
            best, best_ratio = choice, ratio
    return best


def either(choices: Iterable[str]) -> str:
    """Return `"a", "b" or "c"`."""
    quoted = [f'"{choice}"' for choice in choices]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def carried_over(error: ValidationError) -> list[InitErrorDetails]:
    """Return what a pydantic error holds, so that it can be raised again together with findings."""
    return [_again(details) for details in error.errors(include_url=False)]


def _again(details: Mapping[str, Any]) -> InitErrorDetails:
    kind, context = details["type"], details.get("ctx", {})
    error = PydanticCustomError(kind, "{text}", {**context, "text": details["msg"]})
    return InitErrorDetails(type=error, loc=details["loc"], input=details["input"])
