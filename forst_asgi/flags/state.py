"""What was changed while it runs: per route and for all, with who, when and why, and a bounded history.

Pure: a change is a function from a state to the next. `codec.py` writes it down, `file.py` keeps it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from forst_asgi.share import NoShare, is_share

Mode: TypeAlias = Literal["off", "canary", "on"]
MODES: Final[tuple[Mode, ...]] = ("off", "canary", "on")

MOST_HISTORY: Final = 200
"""Changes that are remembered."""

LONGEST_WORDS: Final = 500
"""Characters of `who` and `why` that are kept."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Who changed something, when, and why.

    Attributes:
        who: a name such as "ada@build-7".
        when: in UTC, as "2025-01-31T12:00:00Z".
        why: what the person said.
    """

    who: str
    when: str
    why: str


@dataclass(frozen=True, slots=True)
class RouteState:
    """What was changed about one route.

    Attributes:
        mode: what the route was set to, None if it was not.
        percent: the share of a canary.
        marked: who set it.
        killed: who took the route off the sidecar; None when nobody did.
        rolled_back: who, or what, took its rollout back; None when nothing did.

    Raises:
        ValueError: there is no such mode, or the share does not go with it.
    """

    mode: Mode | None = None
    percent: float | None = None
    marked: Mark | None = None
    killed: Mark | None = None
    rolled_back: Mark | None = None

    def __post_init__(self) -> None:
        if self.mode is not None and self.mode not in MODES:
            raise ValueError(f"mode: {self.mode!r} is not known")
        if self.mode == "canary":
            is_right, expected = is_share(self.percent), str(NoShare())
        else:
            is_right, expected = self.percent is None, "expected none"
        if not is_right:
            raise ValueError(f"percent: {self.percent!r} does not go with the mode {self.mode!r}, {expected}")


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history.

    Attributes:
        generation: the generation that it led to.
        route: the route, None for all of them.
        did: what was done, such as "set canary 5 %" or "killed".
        mark: who, when and why.
    """

    generation: int
    route: str | None
    did: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class State:
    """Everything that was changed.

    Attributes:
        generation: how many changes there were; 0 for none.
        killed: who took every route off the sidecar; None when nobody did.
        routes: by route id.
        history: the last changes, the latest at the end.
    """

    generation: int = 0
    killed: Mark | None = None
    routes: Mapping[str, RouteState] = field(default_factory=dict)
    history: tuple[Change, ...] = ()

    def route(self, name: str) -> RouteState:
        """Return what was changed about a route."""
        return self.routes.get(name, UNCHANGED)

    def latest(self, name: str) -> Change | None:
        """Return the last change that is remembered and that concerns a route."""
        return next((each for each in reversed(self.history) if each.route in (name, None)), None)


UNCHANGED: Final = RouteState()
EMPTY: Final = State()

Transition: TypeAlias = Callable[[State], State]


def set_mode(route: str, mode: Mode, percent: float | None, mark: Mark) -> Transition:
    """Set what a route may at most get.

    Raises:
        ValueError: there is no such mode, or the share does not go with it.
    """
    RouteState(mode, percent)  # refused here, and not when somebody is about to write it down
    share = f" {percent:g} %" if percent is not None else ""

    def apply(state: State) -> State:
        changed = replace(state.route(route), mode=mode, percent=percent, marked=mark)
        return _next(state, route, changed, f"set {mode}{share}", mark)

    return apply


def kill(route: str | None, mark: Mark) -> Transition:
    """Take a route off the sidecar, or all of them for None."""
    return _marked("killed", route, mark, "killed")


def unkill(route: str | None, mark: Mark) -> Transition:
    """Take back a kill of the same extent; a kill of all and kills of single routes are apart."""
    return _marked("killed", route, mark, "unkilled", is_lifted=True)


def roll_back(route: str, mark: Mark) -> Transition:
    """Take a rollout back until somebody acknowledges it; testers still get through."""
    return _marked("rolled_back", route, mark, "rolled back")


def acknowledge(route: str, mark: Mark) -> Transition:
    """Let a rolled back route go on."""
    return _marked("rolled_back", route, mark, "acknowledged", is_lifted=True)


def with_kills(state: State, kills: State) -> State:
    """Return a state with what another one has taken off the sidecar added to it, and nothing else."""
    added = state
    if kills.killed is not None and state.killed is None:
        added = kill(None, kills.killed)(added)
    for name, each in kills.routes.items():
        if each.killed is not None and state.route(name).killed is None:
            added = kill(name, each.killed)(added)
    return replace(added, generation=state.generation)


def _marked(
    what: Literal["killed", "rolled_back"],
    route: str | None,
    mark: Mark,
    did: str,
    *,
    is_lifted: bool = False,
) -> Transition:
    value = None if is_lifted else mark

    def apply(state: State) -> State:
        if route is None:
            return _next(replace(state, killed=value), None, None, did, mark)
        now = state.route(route)
        changed = replace(now, killed=value) if what == "killed" else replace(now, rolled_back=value)
        return _next(state, route, changed, did, mark)

    return apply


def _next(state: State, route: str | None, changed: RouteState | None, did: str, mark: Mark) -> State:
    generation = state.generation + 1
    history = (*state.history, Change(generation, route, did, mark))[-MOST_HISTORY:]
    routes = dict(state.routes)
    if route is not None and changed is not None:
        routes[route] = changed
    return State(generation, state.killed, routes, history)
