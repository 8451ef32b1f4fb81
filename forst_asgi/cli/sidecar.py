"""`forst-asgi sidecar status` and `restart`: ask the worker that runs it, on this host, as its user."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from forst_asgi.cli.options import ConfigOption, JsonOption
from forst_asgi.cli.output import note, say, say_json, say_table
from forst_asgi.config import Config, load
from forst_asgi.errors import SidecarError
from forst_asgi.runtime import running_sidecars
from forst_asgi.supervisor import inquire

UpstreamOption = Annotated[
    str | None,
    typer.Option("--upstream", "-u", metavar="NAME", help="Only this upstream.", show_default=False),
]

app = typer.Typer(
    no_args_is_help=True, help="Look at the sidecar that a running server has started; restart it."
)


@app.command()
def status(file: ConfigOption = None, upstream: UpstreamOption = None, is_json: JsonOption = False) -> None:
    """Show where the sidecars of running servers stand."""
    config = load(file)
    found = [_row(name, home, _standing(home)) for name, home in _homes(config, upstream)]
    if is_json:
        say_json(found)
    else:
        columns = ["upstream", "state", "pid", "generation", "build", "leader", "problem"]
        say_table(columns, [[_cell(row[column]) for column in columns] for row in found])
        for row in found:
            if row["build_problem"] is not None:
                note(row["build_problem"], "yellow")


@app.command()
def restart(file: ConfigOption = None, upstream: UpstreamOption = None) -> None:
    """Start a new process, lead requests to it once it is ready, and let the old one finish its work.

    Where two cannot run at a time, because the program itself listens at a fixed address, the old one is
    stopped first, and requests are refused meanwhile.
    """
    config = load(file)
    for name, home in _homes(config, upstream):
        its = config.upstream(name)
        patience_s = 2 * its.ready_timeout + its.stop_timeout + 5
        answer = asyncio.run(inquire(home, {"do": "restart"}, patience_s))
        if answer is None:
            raise SidecarError(f"{name}: no answer within {patience_s:g} s from the server in {home}")
        if "error" in answer:
            raise SidecarError(f"{name}: not restarted: {answer['error']}")
        standing = answer["standing"]
        say(f"{name}: process {standing['pid']} is ready, generation {standing['generation']}")


def _homes(config: Config, upstream: str | None) -> Iterator[tuple[str, Path]]:
    """Yield the meeting places of running servers, by upstream.

    Raises:
        SidecarError: there are none.
    """
    found = [each for each in running_sidecars(config) if upstream in (None, each[0])]
    if not found:
        which = f"upstream {upstream!r}" if upstream else "sidecar"
        raise SidecarError(
            f"{config.source}: no server on this host runs a {which} from this configuration; looked as the "
            "present user, in XDG_RUNTIME_DIR and the directories for temporary files. If the file was "
            "changed while it ran: forst-asgi reload comes first"
        )
    yield from found


def _standing(home: Path) -> dict[str, Any]:
    answer = asyncio.run(inquire(home, {"do": "status"}))
    return {} if answer is None else dict(answer["standing"])


def _row(name: str, home: Path, standing: dict[str, Any]) -> dict[str, Any]:
    keys = ("pid", "generation", "build", "leader", "starts", "problem", "build_problem")
    state = standing.get("state", "no leader")
    return {
        "upstream": name,
        "state": state,
        **{key: standing.get(key) for key in keys},
        "directory": str(home),
    }


def _cell(value: object) -> str:
    return "" if value is None else str(value)
