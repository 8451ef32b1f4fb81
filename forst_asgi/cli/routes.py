"""`forst-asgi routes`: what is in the configuration?"""

from typing import Any

from forst_asgi.cli.options import ConfigArgument, JsonOption
from forst_asgi.cli.output import say, say_json, say_table
from forst_asgi.cli.words import conditions_of, methods_of, place_of
from forst_asgi.config import Config, RouteConfig, load

_CONDITIONS = "host, headers"
_ON_FAILURE = "on_failure"


def routes(file: ConfigArgument = None, is_json: JsonOption = False) -> None:
    """List the routes in the order in which they are tried."""
    config = load(file)
    if is_json:
        say_json([_as_json(config, route) for route in config.routes])
    elif config.routes:
        _show(config)
    else:
        say(f"{config.source}: no routes")


def _show(config: Config) -> None:
    rows = [_row(config, route) for route in config.routes]
    columns = list(rows[0])
    if not any(row[_CONDITIONS] for row in rows):
        columns.remove(_CONDITIONS)
    if all(row[_ON_FAILURE] == "error" for row in rows):
        columns.remove(_ON_FAILURE)
    say_table(columns, [[row[column] for column in columns] for row in rows])


def _row(config: Config, route: RouteConfig) -> dict[str, str]:
    return {
        "id": route.id,
        "methods": methods_of(route),
        _CONDITIONS: conditions_of(route),
        "path": route.path,
        "mode": route.mode,
        "auth": route.auth or "(not said)",
        _ON_FAILURE: route.on_failure,
        "upstream": f"{route.upstream} ({place_of(config.upstream(route.upstream))})",
    }


def _as_json(config: Config, route: RouteConfig) -> dict[str, Any]:
    upstream = config.upstream(route.upstream)
    return {
        "id": route.id,
        "methods": None if route.methods is None else sorted(route.methods),
        "host": list(route.host),
        "headers": dict(route.headers),
        "path": route.path,
        "mode": route.mode,
        "auth": route.auth,
        "on_failure": route.on_failure,
        "upstream": route.upstream,
        "address": None if upstream.address is None else str(upstream.address),
        "program": None if upstream.command is None else upstream.command[0],
    }
