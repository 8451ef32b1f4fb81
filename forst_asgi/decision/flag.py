"""A route's flag, compiled, and the pure function that reads it.

From the strongest to the weakest:

    kill            the app answers, whoever asks
    override        a tester's signed header
    rolled back     the app answers, testers excepted
    rules           the first one that holds
    rollout         the lowest of the configured mode, the state file and the flag system
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forst_asgi.decision.asked import Asked, ContextUnknown, Match, Peers, reader, unit
from forst_asgi.decision.bucket import CANARY, Bucketing
from forst_asgi.decision.conditions import compile_condition
from forst_asgi.decision.outcome import (
    CONTEXT_FAILED,
    KILLED,
    ROLLED_BACK,
    STATE_UNREADABLE,
    Decision,
    Outcomes,
    Reason,
    outcomes,
)
from forst_asgi.decision.override import Testers
from forst_asgi.decision.rollout import Rollout, lower
from forst_asgi.decision.spec import Controls, FlagSpec, RuleSpec
from forst_asgi.types import Scope

NOTHING_CHANGED: Final = Controls()

ADVISED: Final = outcomes(Reason.OPENFEATURE_OFF)
"""What a rollout can come to that the flag system lowered."""


class Rule:
    """One rule, compiled."""

    __slots__ = ("_conditions", "name", "outcomes", "rollout")

    def __init__(self, spec: RuleSpec, trusted: Peers) -> None:
        self._conditions = tuple(compile_condition(each, trusted) for each in spec.conditions)
        self.name = spec.name
        self.rollout = spec.rollout
        self.outcomes = outcomes(Reason.RULE_OFF, Reason.RULE_ON, spec.name)

    def holds(self, asked: Asked) -> bool:
        """Whether a request meets every condition."""
        return all(condition.holds(asked) for condition in self._conditions)


class Flag:
    """What a route's configuration comes to, compiled once.

    Args:
        spec: what the configuration says.
        now: the time in Unix seconds, for overrides that end.

    Raises:
        ValueError: a key, condition or salt cannot be used.
        ImportError: `regex` without the package google-re2.
    """

    __slots__ = ("_split", "_stick", "advice", "context", "rollout", "route", "rules", "testers")

    def __init__(self, spec: FlagSpec, now: Callable[[], float] = time.time) -> None:
        self.route = spec.route
        self.rollout = spec.configured
        self.testers = None if spec.override is None else Testers(spec.route, spec.override, now)
        self.rules = tuple(Rule(each, spec.trusted) for each in spec.rules)
        self.context = spec.context
        self.advice = spec.advice
        self._stick = tuple(reader(key, spec.trusted) for key in spec.stick)
        self._split = Bucketing(CANARY, spec.salt or spec.route)

    def __repr__(self) -> str:
        return f"<Flag {self.route!r} {self.rollout}>"

    def unit(self, asked: Asked) -> bytes:
        """Return what a request sticks to, b"" for nothing: the first `stick` key that it has."""
        for read in self._stick:
            found = unit(read(asked))
            if found:
                return found
        return b""

    def bucket(self, stuck_to: bytes) -> int:
        """Return the bucket of a unit on this route, 0 to 9999."""
        return self._split.bucket(stuck_to)

    def settle(self, share: Rollout, outcomes: Outcomes, stuck_to: bytes) -> Decision:
        """Return what a rollout comes to for a unit."""
        if share.mode == "on":
            return outcomes.on
        if share.mode == "off":
            return outcomes.off
        if not stuck_to:
            return outcomes.keyless
        is_inside = self._split.bucket(stuck_to) < share.basis_points
        return outcomes.inside if is_inside else outcomes.outside


@dataclass(frozen=True, slots=True)
class Standing:
    """How a flag stands after what was changed while it runs; a change makes another one.

    Attributes:
        fixed: the decision, when it is the same for every request; else None.
        settled: the decision, when it is the same for every request but those of testers; else None.
        controls: what was changed.
        rollout: the configured one, or what was set if that is lower.
        outcomes: what the rollout can come to.
    """

    fixed: Decision | None
    settled: Decision | None
    controls: Controls
    rollout: Rollout
    outcomes: Outcomes


def standing(flag: Flag, controls: Controls = NOTHING_CHANGED) -> Standing:
    """Return how a flag stands.

    Args:
        flag: the flag.
        controls: what was changed.
    """
    share = flag.rollout if controls.rollout is None else lower(flag.rollout, controls.rollout)
    was_set_off = share.mode == "off" and flag.rollout.mode != "off"
    possible = outcomes(Reason.STATE_OFF if was_set_off else Reason.MODE_OFF)
    settled = _settled(flag, controls, share, possible)
    is_fixed = flag.testers is None or controls.is_killed or controls.is_unreadable
    return Standing(settled if is_fixed else None, settled, controls, share, possible)


def _settled(flag: Flag, controls: Controls, share: Rollout, possible: Outcomes) -> Decision | None:
    if controls.is_killed or controls.is_unreadable:
        return KILLED if controls.is_killed else STATE_UNREADABLE
    if controls.is_rolled_back:
        return ROLLED_BACK
    if flag.rules or share.mode == "canary" or (flag.advice is not None and share.mode == "on"):
        return None
    return flag.settle(share, possible, b"")


def decide(flag: Flag, stands: Standing, scope: Scope, match: Match, asked: Asked | None = None) -> Decision:
    """Return who answers a request, and why. Pure but for what the app's context and the flag system say.

    Args:
        flag: the flag of the route that the request belongs to.
        stands: how it stands.
        scope: the request's ASGI scope.
        match: the route's match.
        asked: the request, if something has been asked about it before.
    """
    if stands.fixed is not None:
        return stands.fixed
    if flag.testers is not None:
        wanted = flag.testers.decision(scope)
        if wanted is not None:
            return wanted
    if stands.settled is not None:
        return stands.settled
    try:
        return _by_request(flag, stands, asked or Asked(scope, match, flag.context))
    except ContextUnknown:
        return CONTEXT_FAILED


def _by_request(flag: Flag, stands: Standing, asked: Asked) -> Decision:
    for rule in flag.rules:
        if rule.holds(asked):
            return flag.settle(rule.rollout, rule.outcomes, _unit_for(flag, rule.rollout, asked))
    share = stands.rollout
    if flag.advice is None or share.mode == "off":
        return flag.settle(share, stands.outcomes, _unit_for(flag, share, asked))
    stuck_to = flag.unit(asked)
    advised = flag.advice(asked, stuck_to)
    if advised is None or lower(share, advised) is share:
        return flag.settle(share, stands.outcomes, stuck_to)
    return flag.settle(advised, ADVISED, stuck_to)


def _unit_for(flag: Flag, share: Rollout, asked: Asked) -> bytes:
    """Return what the request sticks to, which only a canary needs to know."""
    return flag.unit(asked) if share.mode == "canary" else b""


class Switch:
    """The live flag of one route: the middleware reads it, whoever watches the state sets it.

    Setting `stands` is one reference, so a request sees either the old or the new, never a mixture.

    Attributes:
        flag: what the configuration says.
        stands: how it stands at present.
    """

    __slots__ = ("flag", "stands")

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        self.stands = standing(flag)

    def __repr__(self) -> str:
        return f"<Switch {self.flag.route!r} {self.stands.rollout} fixed={self.stands.fixed}>"

    def set(self, controls: Controls) -> bool:
        """Put what was changed in force; return whether anything is different now."""
        before, self.stands = self.stands, standing(self.flag, controls)
        return before != self.stands

    def decide(self, scope: Scope, match: Match, asked: Asked | None = None) -> Decision:
        """Return who answers a request, and why; `asked` as for the function."""
        stands = self.stands
        fixed = stands.fixed
        return decide(self.flag, stands, scope, match, asked) if fixed is None else fixed
