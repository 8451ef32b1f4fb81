"""Who answers a request that matched a route: the app or the sidecar, and why.

    outcome.py      Target, Reason, Decision
    rollout.py      how much the sidecar may get: off, a share, on
    bucket.py       which users are in a share: the algorithm forst1
    asked.py        what can be read off a request
    conditions.py   what rules ask of it        semver.py   versions, for one of them
    context.py      the app's callable, for conditions
    override.py     the testers' signed header
    spec.py         what flags are compiled from, and what changes them
    flag.py         all of it, compiled per route, and the function that decides
    shown.py        a response field that shows the decision

Nothing in here does I/O; what is known of the outside comes in as values.
"""

from forst_asgi.decision.asked import Asked, ContextSource, ContextUnknown, Match, Peers
from forst_asgi.decision.bucket import bucket_of
from forst_asgi.decision.conditions import ConditionSpec
from forst_asgi.decision.flag import Flag, Standing, Switch, standing
from forst_asgi.decision.outcome import FELL_BACK, Decision, Reason, Target
from forst_asgi.decision.override import OverridePolicy, sign
from forst_asgi.decision.rollout import Mode, Rollout, lower, parse_rollout, rollout_of
from forst_asgi.decision.spec import Advice, Controls, FlagSpec, RuleSpec

__all__ = [
    "FELL_BACK",
    "Advice",
    "Asked",
    "ConditionSpec",
    "ContextSource",
    "ContextUnknown",
    "Controls",
    "Decision",
    "Flag",
    "FlagSpec",
    "Match",
    "Mode",
    "OverridePolicy",
    "Peers",
    "Reason",
    "Rollout",
    "RuleSpec",
    "Standing",
    "Switch",
    "Target",
    "bucket_of",
    "lower",
    "parse_rollout",
    "rollout_of",
    "sign",
    "standing",
]
