"""What a decision is: who answers, and why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Target(StrEnum):
    """Who answers."""

    APP = "app"
    SIDECAR = "sidecar"


class Reason(StrEnum):
    """Why; each one shows in logs, events and `forst-asgi explain`."""

    KILLED = "killed"
    """The route, or every route, was taken off the sidecar by hand."""
    STATE_UNREADABLE = "state_unreadable"
    """The state file cannot be read and never was; it may hold a kill."""
    OVERRIDE = "override"
    """A tester's signed header says so."""
    ROLLED_BACK = "rolled_back"
    """The rollout was taken back and nobody has acknowledged it yet."""
    CONTEXT_FAILED = "context_failed"
    """The app's context callable failed, so the rules cannot be told."""
    RULE_ON = "rule_on"
    """A rule gives the request to the sidecar."""
    RULE_OFF = "rule_off"
    """A rule leaves the request to the app."""
    MODE_ON = "mode_on"
    """The route is on, and nothing lowers it."""
    MODE_OFF = "mode_off"
    """The route is off in the configuration or the environment."""
    STATE_OFF = "state_off"
    """Somebody set the route off while it ran."""
    OPENFEATURE_OFF = "openfeature_off"
    """The flag system says off."""
    CANARY_IN = "canary_in"
    """The request's bucket is within the percentage."""
    CANARY_OUT = "canary_out"
    """The request's bucket is outside the percentage."""
    NO_STICK_KEY = "no_stick_key"
    """None of the `stick` keys is in the request, so it has no bucket."""
    FELL_BACK = "fell_back"
    """It was the sidecar's, which did not answer, so the app does (`on_failure = "app"`)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one request.

    Decisions are made when flags are compiled, not per request; each is handed out many times.

    Attributes:
        target: who answers.
        reason: why.
        rule: the name of the rule that decided, None when none did.
    """

    target: Target
    reason: Reason
    rule: str | None = None


KILLED: Final = Decision(Target.APP, Reason.KILLED)
STATE_UNREADABLE: Final = Decision(Target.APP, Reason.STATE_UNREADABLE)
ROLLED_BACK: Final = Decision(Target.APP, Reason.ROLLED_BACK)
CONTEXT_FAILED: Final = Decision(Target.APP, Reason.CONTEXT_FAILED)
FELL_BACK: Final = Decision(Target.APP, Reason.FELL_BACK)
OVERRIDDEN: Final = {target: Decision(target, Reason.OVERRIDE) for target in Target}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The decisions that one rollout can come to, made once.

    Attributes:
        on: for mode `on`.
        off: for mode `off`.
        inside: for `canary`, within the percentage.
        outside: for `canary`, outside of it.
        keyless: for `canary`, without a key to stick to.
    """

    on: Decision
    off: Decision
    inside: Decision
    outside: Decision
    keyless: Decision


def outcomes(off: Reason = Reason.MODE_OFF, on: Reason = Reason.MODE_ON, rule: str | None = None) -> Outcomes:
    """Return the decisions of a rollout.

    Args:
        off: the reason that mode `off` gives.
        on: the reason that mode `on` gives.
        rule: the name of the rule whose rollout it is.
    """
    return Outcomes(
        on=Decision(Target.SIDECAR, on, rule),
        off=Decision(Target.APP, off, rule),
        inside=Decision(Target.SIDECAR, Reason.CANARY_IN, rule),
        outside=Decision(Target.APP, Reason.CANARY_OUT, rule),
        keyless=Decision(Target.APP, Reason.NO_STICK_KEY, rule),
    )
