"""`forst-asgi kill` and `unkill`: everything back to the app, at once."""

from typing import Annotated

import typer

from forst_asgi.cli.flags import changing
from forst_asgi.cli.flags.changing import SOON, known_route, mark, state_file
from forst_asgi.cli.options import ConfigOption
from forst_asgi.cli.output import note, say
from forst_asgi.config import load
from forst_asgi.flags import EMPTY
from forst_asgi.flags import kill as killing
from forst_asgi.flags import unkill as lifting

Route = Annotated[
    str | None,
    typer.Argument(metavar="[ROUTE]", help="The route's id; all routes if left out.", show_default=False),
]
Why = Annotated[str, typer.Option("--why", help="What it is for; kept with the change.", show_default=False)]


def kill(route: Route = None, why: Why = "", config: ConfigOption = None) -> None:
    """Leave a route, or all of them, to the app, whatever else is set: testers and rules, too."""
    loaded = load(config)
    if route is not None:
        changing.route_of(loaded, route)
    # A file that cannot be read must not stand in the way of an emergency.
    state = state_file(loaded).change(killing(route, mark(why)), discards_unreadable=route is None)
    say(f"{route or 'all routes'}: killed (generation {state.generation}); {SOON}")


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
