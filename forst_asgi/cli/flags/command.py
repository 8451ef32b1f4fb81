"""`forst-asgi flag`: set what a route may get, list flags, show their history."""

from typing import Annotated, Any, Final, Literal

import typer

from forst_asgi.cli.flags.changing import SOON, Why, known_route, mark, route_of, state_file
from forst_asgi.cli.flags.listing import ceiling, flag_rows, history_row, stands
from forst_asgi.cli.options import ConfigOption, JsonOption
from forst_asgi.cli.output import note, say, say_json, say_table
from forst_asgi.config import RouteConfig, load
from forst_asgi.decision import Rollout, rollout_of
from forst_asgi.errors import ConfigError
from forst_asgi.flags import EMPTY, State, set_mode

Route = Annotated[str, typer.Argument(metavar="ROUTE", help="The route's id.", show_default=False)]
Mode = Annotated[
    Literal["off", "shadow", "canary", "on"], typer.Argument(metavar="off|canary|on", show_default=False)
]
Percent = Annotated[
    str | None,
    typer.Argument(
        metavar="PERCENT", help="The share of a canary; the file's if left out.", show_default=False
    ),
]
MaybeRoute = Annotated[
    str | None, typer.Argument(metavar="[ROUTE]", help="Only of this route.", show_default=False)
]

_COLUMNS: Final = {
    "route": "route",
    "mode": "mode",
    "set_to": "set to",
    "in_force": "in force",
    "who": "who",
    "when": "when",
    "why": "why",
}

app = typer.Typer(no_args_is_help=True, help="Change flags while the app runs, and see who changed what.")


@app.command("set")
def set_flag(
    route: Route, mode: Mode, why: Why, percent: Percent = None, config: ConfigOption = None
) -> None:
    """Set what a route gets, at once and in all workers; its mode in the file stays the ceiling."""
    loaded = load(config)
    found = route_of(loaded, route)
    share = _share(found, mode, percent)
    state = state_file(loaded).change(
        set_mode(route, share.mode, share.percent if share.mode == "canary" else None, mark(why))
    )
    say(f"{route}: {stands(found, state)} (generation {state.generation}); {SOON}")
    _warn(found, share, state)


def _share(route: RouteConfig, mode: str, percent: str | None) -> Rollout:
    if mode == "shadow":
        raise ConfigError("comparing in the shadow is not there yet")
    if mode == "canary" and not route.stick:
        raise ConfigError(f'route "{route.id}": has no "stick" keys, so nobody would be in its canary')
    try:
        given = None if percent is None else float(percent.removesuffix("%"))
        if mode == "canary" and given is None:
            given = route.percent
        return rollout_of("canary" if mode == "canary" else "on" if mode == "on" else "off", given)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="PERCENT") from error


def _warn(route: RouteConfig, share: Rollout, state: State) -> None:
    """Say what keeps the change from being in force."""
    changed = state.route(route.id)
    if state.killed is not None or changed.killed is not None:
        name = "" if changed.killed is None else f" {route.id}"
        note(
            f"nothing changes as long as it is killed; take that back with: forst-asgi unkill{name}", "yellow"
        )
    elif changed.rolled_back is not None:
        note("nothing changes as long as it is rolled back", "yellow")
    elif stands(route, state) != str(share):
        note(f"set to {share}, but the route's mode is the ceiling: {ceiling(route)}", "yellow")


@app.command("list")
def list_flags(config: ConfigOption = None, is_json: JsonOption = False) -> None:
    """List what each route gets, and who brought that about, when and why. Rules and testers are apart."""
    loaded = load(config)
    rows = flag_rows(loaded, state_file(loaded).read())
    if is_json:
        say_json(rows)
    elif rows:
        say_table(list(_COLUMNS.values()), [[str(row[key]) for key in _COLUMNS] for row in rows])
    else:
        say(f"{loaded.source}: no routes")


@app.command("history")
def show_history(route: MaybeRoute = None, config: ConfigOption = None, is_json: JsonOption = False) -> None:
    """Show the last changes, the latest at the end."""
    loaded = load(config)
    state = state_file(loaded).read() or EMPTY
    if route is not None:
        known_route(loaded, state, route)
    rows = [history_row(change) for change in state.history if route is None or change.route in (route, None)]
    if is_json:
        say_json(rows)
    elif rows:
        _show(rows)
    else:
        say("nothing was changed")


def _show(rows: list[dict[str, Any]]) -> None:
    say_table(list(rows[0]), [list(map(str, row.values())) for row in rows], right=["generation"])
