"""Flags and their history, as rows for tables and for programs."""

import os
from typing import Any

from forst_asgi.config import Config, RouteConfig
from forst_asgi.decision import Flag, FlagSpec, Rollout, Switch
from forst_asgi.flags import EMPTY, Change, Mark, State
from forst_asgi.runtime.flags import controls, in_force
from forst_asgi.runtime.flagspec import configured

ALL = "(all)"


def ceiling(route: RouteConfig) -> Rollout:
    """Return what a route may get at most, as the environment of this command has it."""
    return configured(route, os.environ)


def stands(route: RouteConfig, state: State) -> str:
    """Return what a route gets under a state, rules and testers aside."""
    switch = Switch(Flag(FlagSpec(route.id, ceiling(route))))
    switch.set(controls(state, route.id))
    return in_force(switch)


def flag_rows(config: Config, state: State | None) -> list[dict[str, Any]]:
    """Return a row for each route, and one for each that was changed and is not configured any more."""
    known = state or EMPTY
    routes = [_row(route, known) for route in config.routes]
    names = {route.id for route in config.routes}
    return routes + [_stray(name, known) for name in known.routes if name not in names]


def _row(route: RouteConfig, state: State) -> dict[str, Any]:
    return {
        "route": route.id,
        "mode": str(ceiling(route)),
        "in_force": stands(route, state),
        **_changed(route.id, state),
    }


def _stray(name: str, state: State) -> dict[str, Any]:
    return {"route": name, "mode": "(not configured)", "in_force": "", **_changed(name, state)}


def _changed(name: str, state: State) -> dict[str, Any]:
    mark = _telling(name, state) or Mark("", "", "")
    return {"set_to": _set_to(name, state), "who": mark.who, "when": mark.when, "why": mark.why}


def _set_to(name: str, state: State) -> str:
    found = state.route(name)
    if found.mode is None:
        return ""
    return found.mode if found.percent is None else f"{found.mode} {found.percent:g} %"


def _telling(name: str, state: State) -> Mark | None:
    """Return who brought about what is in force: the strongest has the last word."""
    found = state.route(name)
    return state.killed or found.killed or found.rolled_back or found.marked


def history_row(change: Change) -> dict[str, Any]:
    """Return a change as a row."""
    mark = change.mark
    return {
        "when": mark.when,
        "route": change.route or ALL,
        "did": change.did,
        "who": mark.who,
        "why": mark.why,
        "generation": change.generation,
    }
