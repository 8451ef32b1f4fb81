"""Which processes of ours run (Linux; proc(5))."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forst_asgi.cli.doctor.finding import Finding, ok, warn

_SERVERS = ("python", "uvicorn", "gunicorn", "hypercorn", "granian", "daphne")


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        pid: its number.
        parent: that of its parent.
        command: program and arguments.
        environ: what it found in its environment when it started.
        cwd: its working directory, None if that is not known.
    """

    pid: int
    parent: int
    command: tuple[str, ...]
    environ: dict[str, str]
    cwd: Path | None


def processes(proc: Path = Path("/proc")) -> Iterator[Process]:
    """Yield the processes of this user.

    Args:
        proc: where the system shows them; not there on macOS.
    """
    for folder in proc.glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.geteuid():
                yield _read(folder)
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile, or is not ours to look at


def _read(folder: Path) -> Process:
    command = tuple(map(os.fsdecode, (folder / "cmdline").read_bytes().split(b"\0")[:-1]))
    variables = os.fsdecode((folder / "environ").read_bytes()).split("\0")
    environ = dict(each.split("=", 1) for each in variables if "=" in each)
    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    try:
        cwd = (folder / "cwd").readlink()
    except OSError:
        cwd = None
    return Process(int(folder.name), parent, command, environ, cwd)


def check_orphans(proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Look for sidecars whose app is gone: they have a lifeline, but the system's first process as parent."""
    if not proc.is_dir():
        yield ok("orphans", "not looked for: this system has no /proc")
        return
    found = {each.pid: each for each in processes(proc)}
    orphans = [each for each in found.values() if _is_orphan(each, found)]
    for each in orphans:
        text = f"{Path(each.command[0]).name} (process {each.pid}) was started by an app that is gone"
        yield warn("orphans", text, f"kill {each.pid}")
    if not orphans:
        yield ok("orphans", "none")


def _is_orphan(process: Process, others: dict[int, Process]) -> bool:
    if "FORST_LIFELINE" not in process.environ or not process.command:
        return False
    parent = others.get(process.parent)
    if process.parent != 1:
        return False
    # In a container the app itself may be process 1.
    return parent is None or not any(name in word for word in parent.command[:3] for name in _SERVERS)
