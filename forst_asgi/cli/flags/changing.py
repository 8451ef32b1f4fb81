"""What every change of a flag needs: who makes it and when, the file to write, a route that is there."""

import getpass
import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from forst_asgi.config import Config, FlagsConfig, RouteConfig
from forst_asgi.config.document import read_document
from forst_asgi.config.findings import nearest
from forst_asgi.errors import ConfigError
from forst_asgi.flags import Mark, State, StateFile
from forst_asgi.flags.state import LONGEST_WORDS

Why: TypeAlias = Annotated[
    str, typer.Option("--why", help="What it is for; kept with the change.", show_default=False)
]

_USUAL: Final = str(FlagsConfig.model_fields["state"].default)
_SAY_WHERE: Final = "say where the state of the flags is: forst-asgi kill --state FILE"

SOON: Final = "running workers follow within a second"


def mark(why: str) -> Mark:
    """Return who makes a change, now, and why; in one line each."""
    return Mark(_one_line(who()), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", _one_line(why))


def who() -> str:
    """Return the person at the keyboard, also behind sudo and where the system knows no names."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def _one_line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:LONGEST_WORDS]


def state_file(config: Config) -> StateFile:
    """Return the state file of a configuration."""
    return StateFile(config.flags.state)


def state_file_despite(error: ConfigError, config: Path | None) -> StateFile:
    """Return the state file of a configuration that has mistakes in it, for an emergency.

    Args:
        error: what is wrong.
        config: the file, None for the one that was found.

    Raises:
        ConfigError: nobody can tell where it is.
    """
    path = config or (Path(error.mistakes[0].file) if error.mistakes else None)
    where = None if path is None else _state_in(path)
    if path is None or where is None:
        raise ConfigError(f"{error}\n{_SAY_WHERE}") from error
    return StateFile(path.absolute().parent / Path(where).expanduser())


def _state_in(path: Path) -> str | None:
    """Return what a file says about its state file; None when that cannot be told."""
    try:
        content = read_document(path).content
    except ConfigError:
        return None
    flags = content.get("flags") if isinstance(content, dict) else None
    where = flags.get("state", _USUAL) if isinstance(flags, dict) else _USUAL
    return where if isinstance(where, str) else None


def route_of(config: Config, name: str) -> RouteConfig:
    """Return a route by its id.

    Raises:
        ConfigError: there is none of that id.
    """
    for route in config.routes:
        if route.id == name:
            return route
    raise ConfigError(unknown(config, name, [route.id for route in config.routes]))


def unknown(config: Config, name: str, known: Iterable[str]) -> str:
    """Return what to say about a route that is not there."""
    names = list(known)
    close = nearest(name, names)
    hint = f', did you mean "{close}"?' if close else f"; its routes: {', '.join(names) or 'none'}"
    return f'{config.source}: there is no route "{name}"{hint}'


def known_route(config: Config, state: State, name: str) -> None:
    """Make sure that a route is in the configuration, or was when it was changed.

    Raises:
        ConfigError: it is in neither.
    """
    names = dict.fromkeys([*(route.id for route in config.routes), *state.routes])
    if name not in names:
        raise ConfigError(unknown(config, name, names))
