"""`forst-asgi check`: is the configuration right?"""

import os
from pathlib import Path
from typing import Annotated

import typer

from forst_asgi.cli.inspection import inspect
from forst_asgi.cli.options import ConfigArgument
from forst_asgi.cli.output import complain, note, say
from forst_asgi.cli.words import counted, modes_of
from forst_asgi.config import Config, load
from forst_asgi.runtime import flagspec
from forst_asgi.runtime.convert import all_upstreams

AppDir = Annotated[
    Path,
    typer.Option(file_okay=False, exists=True, help="Where the app's modules are, for `auth` callables."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Let warnings count as mistakes.")]


def check(file: ConfigArgument = None, app_dir: AppDir = Path(), is_strict: Strict = False) -> None:
    """Find the mistakes in a configuration, all at once, without starting anything."""
    config = load(file)
    found = inspect(config, app_dir.absolute())
    for warning in found.warnings:
        note(warning, "yellow")
    for mistake in found.mistakes:
        complain(mistake)
    if found.mistakes or (is_strict and found.warnings):
        raise typer.Exit(1)
    say(_summary(config, len(found.warnings)))


def _summary(config: Config, warnings: int) -> str:
    upstreams = list(all_upstreams(config))
    nothing = "" if flagspec.forwarding(config, os.environ) else ": none is forwarded"
    modes = f" ({modes_of(config)}{nothing})" if config.routes else ""
    names = f" ({', '.join(upstreams)})" if upstreams else ""
    parts = (
        f"{counted(len(config.routes), 'route')}{modes}",
        f"{counted(len(upstreams), 'upstream')}{names}",
        counted(warnings, "warning") if warnings else "no mistakes",
    )
    return f"{config.source}: {', '.join(parts)}"
