"""`forst-asgi doctor`: the checks, one after the other."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from forst_asgi.cli.doctor.finding import Finding, fail, ok, warn
from forst_asgi.cli.doctor.go import check_builders, check_go
from forst_asgi.cli.doctor.places import check_places
from forst_asgi.cli.doctor.processes import check_orphans
from forst_asgi.cli.doctor.servers import check_server
from forst_asgi.cli.doctor.versions import check_versions
from forst_asgi.cli.inspection import inspect
from forst_asgi.cli.options import ConfigArgument, JsonOption
from forst_asgi.cli.output import say, say_json
from forst_asgi.config import Config, ConfigError, load
from forst_asgi.runtime import convert

AppDir = Annotated[
    Path,
    typer.Option(file_okay=False, exists=True, help="Where the app's modules are, for `auth` callables."),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help='The command of the server, such as "uvicorn app:app --workers 4". Left out: what runs here.',
        show_default=False,
    ),
]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    file: ConfigArgument = None, app_dir: AppDir = Path(), server: Server = None, is_json: JsonOption = False
) -> None:
    """Look for what is missing or in the way: toolchain, configuration, sockets, ports, processes, server."""
    findings = [*examine(file, app_dir.absolute(), server)]
    if is_json:
        say_json([asdict(each) for each in findings])
    else:
        _show(findings)
    if any(each.status == "fail" for each in findings):
        raise typer.Exit(1)


def examine(file: Path | None, app_dir: Path, server: str | None) -> Iterator[Finding]:
    """Yield what was found, in the order in which it is shown.

    Args:
        file: the configuration, looked for if None.
        app_dir: where the app's modules are.
        server: the server's command, None if it is not known.
    """
    yield from check_versions()
    config, of_config = _configuration(file, app_dir)
    needs_go = config is not None and any(each.build for each in convert.all_upstreams(config).values())
    yield from check_go(is_needed=needs_go)
    yield from of_config
    if config is not None:
        yield from check_builders(config)
        yield from check_places(config)
    yield from check_orphans()
    yield from check_server(config, server, os.environ)


def _configuration(file: Path | None, app_dir: Path) -> tuple[Config | None, list[Finding]]:
    """Return the configuration, if it can be loaded, and what is wrong with it."""
    try:
        config = load(file)
    except ConfigError as error:
        return None, [
            fail(
                "configuration",
                str(error).partition("\n\n")[0],
                "forst-asgi check tells the same; forst-asgi init writes one",
            )
        ]
    found = inspect(config, app_dir)
    mistakes = [fail("configuration", each, "see forst-asgi check") for each in found.mistakes]
    doubts = [
        warn("configuration", each.replace(" warning:", ""), "see forst-asgi check")
        for each in found.warnings
    ]
    return config, [*mistakes, *doubts] or [ok("configuration", f"{config.source}: no mistakes")]


def _show(findings: Iterable[Finding]) -> None:
    for each in findings:
        first, *more = each.text.splitlines() or [""]
        say(f"{each.status:<6}{each.subject}: {first}", _STYLES[each.status] if each.status != "ok" else None)
        for line in [*more, *([f"-> {each.remedy}"] if each.remedy else [])]:
            say(f"      {line}")
