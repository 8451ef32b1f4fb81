"""`forst-asgi kill` and `unkill`: everything back to the app, at once."""

from pathlib import Path
from typing import Annotated, Final

import typer

from forst_asgi.cli.flags import changing
from forst_asgi.cli.flags.changing import SOON, known_route, mark, state_file, state_file_despite
from forst_asgi.cli.options import ConfigOption
from forst_asgi.cli.output import note, say
from forst_asgi.config import load
from forst_asgi.errors import ConfigError, StateError
from forst_asgi.flags import EMPTY, BrokenState, State, StateFile
from forst_asgi.flags import kill as killing
from forst_asgi.flags import unkill as lifting

_ALL: Final = "for all routes it goes through even so, and puts the file aside: forst-asgi kill"

Route = Annotated[
    str | None,
    typer.Argument(metavar="[ROUTE]", help="The route's id; all routes if left out.", show_default=False),
]
Why = Annotated[str, typer.Option("--why", help="What it is for; kept with the change.", show_default=False)]


StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="FILE", help="The state file; then no configuration is read.", show_default=False
    ),
]


def kill(route: Route = None, why: Why = "", config: ConfigOption = None, state: StateOption = None) -> None:
    """Leave a route, or all of them, to the app, whatever else is set: testers and rules, too.

    A configuration with mistakes in it, and a state file that cannot be read, do not stand in the way.
    """
    file = _file(route, config) if state is None else StateFile(state)
    was_there, before = file.signature(), StateFile(file.remains).signature()
    after = _killed(file, route, why)
    say(f"{route or 'all routes'}: killed (generation {after.generation}); {SOON}")
    if StateFile(file.remains).signature() != before:
        but = " but for its kills" if any(each.killed for each in after.routes.values()) else ""
        note(
            f"{file.path} could not be read; it is kept as {file.remains}, and what it said is over{but}",
            "yellow",
        )
    if state is not None and was_there is None:
        note(f"{file.path} was not there before; is it the one that the workers look at?", "yellow")


def _killed(file: StateFile, route: str | None, why: str) -> State:
    try:
        return file.change(killing(route, mark(why)), discards_unreadable=route is None)
    except BrokenState as error:
        raise StateError(f"{error}\n{_ALL}") from error


def _file(route: str | None, config: Path | None) -> StateFile:
    try:
        loaded = load(config)
    except ConfigError as error:
        file = state_file_despite(error, config)
        note(f"{error}\nso the route's id is not checked, and the state file is {file.path}", "yellow")
        return file
    if route is not None:
        changing.route_of(loaded, route)
    return state_file(loaded)


def unkill(route: Route = None, why: Why = "", config: ConfigOption = None) -> None:
    """Take a kill back. One of all routes and those of single routes are apart."""
    loaded = load(config)
    file = state_file(loaded)
    before = file.read() or EMPTY
    if route is not None:
        known_route(loaded, before, route)
    if (before.killed if route is None else before.route(route).killed) is None:
        say(f"{route or 'all routes'}: not killed, nothing to take back")
    else:
        state = file.change(lifting(route, mark(why)))
        say(f"{route or 'all routes'}: no longer killed (generation {state.generation}); {SOON}")
    left = file.read() or EMPTY
    if route is not None and left.killed is not None:
        note("all routes are still killed; take that back with: forst-asgi unkill", "yellow")
    if route is None:
        single = [name for name, each in left.routes.items() if each.killed is not None]
        if single:
            note(f"still killed by themselves: {', '.join(single)}", "yellow")
