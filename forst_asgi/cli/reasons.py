"""Why a request is decided as it is, in words that go on after "it belongs to route ...,"."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forst_asgi.cli.rehearsal import Silence
from forst_asgi.config import Config, RouteConfig
from forst_asgi.decision import Asked, Decision, Match, Reason, Switch
from forst_asgi.decision.bucket import BUCKETS
from forst_asgi.decision.override import HEADER
from forst_asgi.runtime import flagspec
from forst_asgi.runtime.flags import Flags
from forst_asgi.types import Scope

_WORDS: Final[Mapping[Reason, str]] = {
    Reason.KILLED: "which is killed",
    Reason.STATE_UNREADABLE: "whose state file cannot be read",
    Reason.OVERRIDE: "and the header of a tester asks for this side",
    Reason.ROLLED_BACK: "whose rollout was taken back",
    Reason.CONTEXT_FAILED: "and what the app says of the request is not known",
    Reason.STATE_OFF: "which was set to off while it runs",
    Reason.OPENFEATURE_OFF: "which the flag system has off",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, with what makes it understandable.

    Attributes:
        decision: who answers, and why.
        words: the same as the end of a sentence.
    """

    decision: Decision
    words: str


def judge(config: Config, route: RouteConfig, scope: Scope, match: Match) -> Verdict:
    """Decide a request as a worker on this host would, with the state file as it is.

    Args:
        config: the configuration.
        route: the route that the request belongs to.
        scope: the request's scope.
        match: the route's match.

    Raises:
        ConfigError: what only running shows, such as a context callable that cannot be imported.
    """
    asks = any(name == HEADER for name, _ in scope["headers"])
    # Where no tester asks, the secret need not be at hand.
    flags = Flags(config if asks else flagspec.without_secrets(config), Silence())
    flags.load()
    switch = flags.switches[route.id]
    decision = switch.decide(scope, match)
    return Verdict(decision, _words(route, switch, decision, Asked(scope, match, switch.flag.context)))


def _words(route: RouteConfig, switch: Switch, decision: Decision, asked: Asked) -> str:
    reason = decision.reason
    if reason in _WORDS:
        return _WORDS[reason]
    if reason in (Reason.RULE_ON, Reason.RULE_OFF):
        return f'whose rule "{decision.rule}" holds'
    if reason in (Reason.MODE_ON, Reason.MODE_OFF):
        name = flagspec.variable(route.id)
        by = f", as {name} has it" if name in os.environ else ""
        return f'whose mode is "{"on" if reason is Reason.MODE_ON else "off"}"{by}'
    return _of_canary(route, switch, decision, asked)


def _of_canary(route: RouteConfig, switch: Switch, decision: Decision, asked: Asked) -> str:
    rule = next((each for each in switch.flag.rules if each.name == decision.rule), None)
    share = switch.stands.rollout if rule is None else rule.rollout
    whose = f"whose {share}" if rule is None else f'whose {share} by the rule "{rule.name}"'
    if decision.reason is Reason.NO_STICK_KEY:
        return f"{whose} needs one of: {', '.join(route.stick) or 'no keys are configured'}"
    bucket = switch.flag.bucket(switch.flag.unit(asked))
    side = "includes" if decision.reason is Reason.CANARY_IN else "leaves out"
    return f"{whose} {side} bucket {bucket} of {BUCKETS}"
