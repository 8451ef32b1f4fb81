"""Flags of an ASGI server that do not go with a sidecar."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from forst_asgi.cli.doctor.finding import Finding, fail, ok, warn
from forst_asgi.cli.doctor.processes import processes
from forst_asgi.config import Config
from forst_asgi.runtime import convert

_UVICORN_VARIABLES = ("LIFESPAN", "LOOP", "HTTP", "WORKERS", "TIMEOUT_GRACEFUL_SHUTDOWN")


def check_server(
    config: Config | None, named: str | None, environ: Mapping[str, str], proc: Path = Path("/proc")
) -> Iterator[Finding]:
    """Look at the command of the server: the named one, or those that run in this folder.

    Args:
        config: None if there is no right one.
        named: as it would be typed.
        environ: variables that servers look at.
        proc: where the system shows processes.
    """
    commands = [shlex.split(named)] if named is not None else [*_running(proc)]
    for command in commands:
        flags = {**_of_environ(environ), **flags_of(command)}
        found = [*_check_flags(flags, config)]
        yield from found or [ok("server flags", f"nothing against: {' '.join(command)}")]
    if not commands:
        found = [*_check_flags(_of_environ(environ), config)]
        text = 'none to look at; name the command: --server "uvicorn app:app ..."'
        yield from found or [ok("server flags", text)]


def _running(proc: Path) -> Iterator[list[str]]:
    here = Path.cwd()
    for each in processes(proc):
        if each.cwd == here and any(Path(word).name == "uvicorn" for word in each.command[:3]):
            start = next(at for at, word in enumerate(each.command) if Path(word).name == "uvicorn")
            yield ["uvicorn", *each.command[start + 1 :]]


def flags_of(command: Sequence[str]) -> dict[str, str]:
    """Return the flags of a command by name, without dashes; "" for one without a value."""
    flags = {}
    for at, word in enumerate(command):
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            after = command[at + 1] if at + 1 < len(command) else "-"
            flags[name[2:]] = value if equals else ("" if after.startswith("-") else after)
        elif word == "-w" and at + 1 < len(command):
            flags["workers"] = command[at + 1]
    return flags


def _of_environ(environ: Mapping[str, str]) -> dict[str, str]:
    flags = {
        name.lower().replace("_", "-"): environ[f"UVICORN_{name}"]
        for name in _UVICORN_VARIABLES
        if f"UVICORN_{name}" in environ
    }
    if "WEB_CONCURRENCY" in environ:
        flags["workers"] = environ["WEB_CONCURRENCY"]
    return flags


def _check_flags(flags: Mapping[str, str], config: Config | None) -> Iterator[Finding]:
    subject = "server flags"
    if flags.get("lifespan") == "off":
        text = "--lifespan off: nothing starts the sidecar, and nothing stops it"
        yield fail(subject, text, "leave it out, or run the sidecar yourself and give its address")
    if flags.get("loop") == "asyncio":
        yield warn(subject, "--loop asyncio is slower than uvloop", "leave it out")
    if flags.get("http") == "h11":
        yield warn(subject, "--http h11 is slower than httptools", "leave it out")
    if config is not None and flags.get("timeout-graceful-shutdown", "").isdigit():
        yield from _check_grace(int(flags["timeout-graceful-shutdown"]), config)
    if flags.get("workers", "1") not in {"", "1"}:
        yield ok(subject, f"{flags['workers']} workers share the sidecars of this host")


def _check_grace(grace_s: int, config: Config) -> Iterator[Finding]:
    for name, upstream in convert.all_upstreams(config).items():
        if upstream.command is not None and upstream.stop_timeout > grace_s:
            text = f"--timeout-graceful-shutdown {grace_s} is shorter than stop_timeout of {name}"
            yield warn("server flags", text, f"give the server more time, or {name} a shorter stop_timeout")
