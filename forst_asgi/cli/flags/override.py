"""`forst-asgi override`: a signed header with which a tester chooses the side."""

import os
import time
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import typer

from forst_asgi.cli.flags.changing import route_of
from forst_asgi.cli.options import ConfigOption
from forst_asgi.cli.output import note, say
from forst_asgi.config import load
from forst_asgi.config.units import parse_duration
from forst_asgi.decision import Target, sign
from forst_asgi.decision.override import HEADER
from forst_asgi.errors import ConfigError
from forst_asgi.runtime.flagspec import secrets

LONGEST_S: Final = 30 * 24 * 3600

Route = Annotated[str, typer.Option("--route", metavar="ROUTE", help="The route's id.", show_default=False)]
Side = Annotated[Literal["sidecar", "app"], typer.Option("--target", help="Who shall answer.")]
Time = Annotated[str, typer.Option("--for", metavar="TIME", help="How long it counts, at most 30 days.")]


def override(route: Route, target: Side = "sidecar", time_: Time = "1h", config: ConfigOption = None) -> None:
    """Write a header with which the requests of a tester go to one side, for a while.

    Made for: curl -H "$(forst-asgi override --route ROUTE --target sidecar)" URL
    """
    loaded = load(config)
    route_of(loaded, route)
    settings = loaded.flags.override
    found = () if settings is None else secrets(settings, os.environ)
    if not found:
        raise ConfigError(
            f"{loaded.source}: there is no secret to sign with; name one in [flags.override] with "
            '"secret_env" or "secret_file"'
        )
    end = int(time.time() + _seconds(time_))
    say(f"{HEADER.decode()}: {sign(found[0], Target(target), route, end)}")
    note(f"until {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M:%S} UTC, for the route {route}", "dim")


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(
            f'"{text}": expected a duration with a unit such as "1h" or "30m"', param_hint="--for"
        ) from error
    if not 1 <= seconds <= LONGEST_S:
        raise typer.BadParameter(f'"{text}": expected one second to 30 days', param_hint="--for")
    return seconds
