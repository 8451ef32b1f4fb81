"""`forst-asgi reload`: let the servers that run from a configuration take in its file, as it is now."""

import asyncio
import os
from typing import Annotated, Any

import typer

from forst_asgi.cli.options import ConfigArgument, JsonOption
from forst_asgi.cli.output import complain, say, say_json
from forst_asgi.config import Config, load
from forst_asgi.errors import ForstError
from forst_asgi.reload import ask_workers
from forst_asgi.runtime import convert
from forst_asgi.supervisor import building

AllowOption = Annotated[
    bool,
    typer.Option(
        "--allow", help="Also when a route loses its auth callable or takes more requests than before."
    ),
]
StatusOption = Annotated[bool, typer.Option("--status", help="Only show which generation each worker has.")]

_REMAINDER_S = 10.0


def reload(
    file: ConfigArgument = None,
    is_allowed: AllowOption = False,
    is_status: StatusOption = False,
    is_json: JsonOption = False,
) -> None:
    """Put the file in force in all workers of the servers that run from it, without ending a request.

    A file with a mistake changes nothing.
    """
    config = load(file)
    question = {"do": "status"} if is_status else {"do": "reload", "allow": is_allowed}
    source = convert.source(config)
    answers = asyncio.run(ask_workers(source, question, _patience_s(config)))
    if not answers:
        raise ForstError(_nobody(config, source))
    if is_json:
        say_json({"generation": convert.generation(config), "workers": answers})
    else:
        _show(answers, convert.generation(config), is_status=is_status)
    if any("error" in answer or answer["outcome"] == "refused" for answer in answers):
        raise typer.Exit(1)


def _show(answers: list[dict[str, Any]], generation: str, *, is_status: bool) -> None:
    for answer in answers:
        if "error" not in answer and answer["outcome"] != "refused":
            outcome = "has" if is_status else f"{answer['outcome']}, has"
            say(f"process {answer['pid']}: {outcome} generation {answer['generation']}")
    if is_status:
        say(f"the file: is generation {generation}")
    for problem, pids in _problems(answers).items():
        complain(f"{', '.join(f'process {pid}' for pid in pids)}: {problem}")


def _problems(answers: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return each problem once, with the processes that have it."""
    found: dict[str, list[int]] = {}
    for answer in answers:
        if "error" in answer:
            found.setdefault(answer["error"], []).append(answer["pid"])
        elif answer["outcome"] == "refused":
            stays = f"refused, generation {answer['generation']} stays in force:\n{answer['problem']}"
            found.setdefault(stays, []).append(answer["pid"])
    return found


def _patience_s(config: Config) -> float:
    """Return how long the new processes of a configuration may take to start, and a little more."""
    started = [each for each in convert.all_upstreams(config).values() if each.command is not None]
    builds_s = building.TIMEOUT_S if any(each.build is not None for each in started) else 0.0
    return (
        _REMAINDER_S
        + builds_s
        + max((2 * each.ready_timeout + each.stop_timeout for each in started), default=0.0)
    )


def _nobody(config: Config, source: str) -> str:
    return (
        f"{config.source}: no server on this host runs from this file ({source}); looked as user "
        f"{os.geteuid()}, in XDG_RUNTIME_DIR and the directories for temporary files. A server whose "
        "configuration is built in Python, or that runs without a lifespan, cannot reload it: restart it"
    )
