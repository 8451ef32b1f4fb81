"""What flags are compiled from, and what changes them: plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from forst_asgi.decision.asked import Asked, ContextSource, Peers
from forst_asgi.decision.conditions import ConditionSpec
from forst_asgi.decision.override import OverridePolicy
from forst_asgi.decision.rollout import Rollout

Advice: TypeAlias = Callable[[Asked, bytes], Rollout | None]
"""What the flag system says for a request and its unit (b"" for none); None when it says nothing."""


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule as plain values: all its conditions have to hold.

    Attributes:
        name: what `Decision.rule` shows.
        conditions: what it asks for.
        rollout: what then becomes of the request.
    """

    name: str
    conditions: tuple[ConditionSpec, ...]
    rollout: Rollout


@dataclass(frozen=True, slots=True)
class FlagSpec:
    """What is known of a route's flag before anything runs.

    Attributes:
        route: the route's id.
        configured: the mode of the configuration or the environment; only rules and testers go over it.
        stick: the keys that a canary sticks to; the first that a request has counts.
        salt: of the buckets, "" for the route's id.
        rules: the rules in their order.
        override: whose override counts, None for nobody's.
        trusted: the peers whose X-Forwarded-For is believed.
        context: what the app says of a request.
        advice: what the flag system says.
    """

    route: str
    configured: Rollout
    stick: tuple[str, ...] = ()
    salt: str = ""
    rules: tuple[RuleSpec, ...] = ()
    override: OverridePolicy | None = None
    trusted: Peers = ()
    context: ContextSource | None = None
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class Controls:
    """What was changed while it runs.

    Attributes:
        is_killed: the route, or every route, is taken off the sidecar.
        is_unreadable: nobody can tell, because the state cannot be read and never could.
        is_rolled_back: the rollout was taken back.
        rollout: what was set; None when nothing was.
    """

    is_killed: bool = False
    is_unreadable: bool = False
    is_rolled_back: bool = False
    rollout: Rollout | None = None
