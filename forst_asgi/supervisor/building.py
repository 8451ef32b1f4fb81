"""Builds the program of a sidecar: one command, its mistakes with file and line, the result put in place.

The compiler writes to a file of its own; only what it has finished takes the program's place, by a rename. A
process that runs the one before goes on, and a build that fails changes nothing.
"""

import asyncio
import contextlib
import itertools
import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor.lines import printable

OUT = "{out}"
TIMEOUT_S = 300.0
MOST_LINES = 50
_PROBLEM = re.compile(
    r"^(?:vet: )?(?P<file>[^\s:][^:]*\.\w+):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<message>.+)$"
)


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """How a program is built.

    Attributes:
        name: the upstream's name.
        arguments: the command; OUT in them stands for the file to write.
        folder: where it runs.
        program: where the result is put.
        watch: patterns of files, relative to `folder`, at whose change it is built anew.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    program: Path
    watch: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake that a compiler found."""

    file: str
    line: int
    column: int | None
    message: str


class BuildError(SidecarError):
    """The program could not be built; the text has what the compiler wrote.

    Attributes:
        problems: the mistakes that it gave a place for.
    """

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        self.problems = problems
        super().__init__(message)


async def build(spec: BuildSpec) -> None:
    """Build the program; a cancellation ends the compiler.

    Raises:
        BuildError: it could not be built. The program is what it was before.
    """
    out = spec.program.with_name(f".{spec.program.name}.{os.getpid()}")
    _make_room(spec)
    try:
        await _compile(spec, out)
        _put_in_place(spec, out)
    finally:
        with contextlib.suppress(OSError):
            out.unlink()


def _make_room(spec: BuildSpec) -> None:
    """Make the folder of the program, and see that the program could be put there."""
    try:
        spec.program.parent.mkdir(parents=True, exist_ok=True)
        is_folder = spec.program.is_dir()
    except OSError as error:
        problem = f"expected a folder to write the program {spec.program} to: {_said(error)}"
        raise BuildError(f"{_title(spec)}: {problem}") from error
    if is_folder:
        raise BuildError(f"{_title(spec)}: the program {spec.program} is a directory; name a file inside it")


async def _compile(spec: BuildSpec, out: Path) -> None:
    command = [argument.replace(OUT, str(out)) for argument in spec.arguments]
    try:
        compiler = subprocess.Popen(  # noqa: ASYNC220, S603 - it is waited for in a thread; see `child` on asyncio's
            command,
            cwd=spec.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise BuildError(f"{_title(spec)}: {_said(error)}") from error
    text = await _output(compiler)
    if compiler.returncode:
        text = placed(text, spec)
        raise BuildError(f"{_title(spec)} failed:\n{text}", parse_problems(text))


def _put_in_place(spec: BuildSpec, out: Path) -> None:
    try:
        out.replace(spec.program)
    except FileNotFoundError as error:
        raise BuildError(f"{_title(spec)}: it did not write {OUT}") from error
    except OSError as error:
        raise BuildError(
            f"{_title(spec)}: what it wrote cannot be put at {spec.program}: {_said(error)}"
        ) from error


def parse_problems(text: str) -> tuple[Problem, ...]:
    """Return the mistakes in what a compiler wrote, as Go and most others do: file:line:column: text."""
    found = filter(None, map(_PROBLEM.match, text.splitlines()))
    return tuple(
        Problem(
            each["file"], int(each["line"]), int(each["column"]) if each["column"] else None, each["message"]
        )
        for each in found
    )


def placed(text: str, spec: BuildSpec) -> str:
    """Return what a compiler wrote, with paths that begin in the folder of the build command.

    `go -C` changes to another one, so its paths begin there; nobody else knows where that is.
    """
    folders = [after for word, after in itertools.pairwise(spec.arguments) if word == "-C"]
    if not folders:
        return text

    def path_from_here(line: str) -> str:
        found = _PROBLEM.match(line)
        if found is None:
            return line
        path = os.path.normpath(os.path.join(*folders, found["file"]))  # noqa: PTH118 - a text to show
        if (spec.folder / found["file"]).exists() or not (spec.folder / path).exists():
            return line
        return line.replace(found["file"], path, 1)

    return "\n".join(map(path_from_here, text.splitlines()))


async def _output(compiler: "subprocess.Popen[bytes]") -> str:
    waiting = asyncio.ensure_future(asyncio.to_thread(compiler.communicate))
    try:
        written, _ = await asyncio.wait_for(asyncio.shield(waiting), TIMEOUT_S)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(compiler.pid, signal.SIGKILL)
        await asyncio.wait({waiting})
        if isinstance(error, TimeoutError):
            raise BuildError(f"the build took longer than {TIMEOUT_S:g} s") from error
        raise
    lines = written.decode("utf-8", "replace").strip().splitlines()
    return "\n".join(map(printable, lines[:MOST_LINES]))


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def _title(spec: BuildSpec) -> str:
    command = shlex.join(spec.arguments).replace(shlex.quote(OUT), OUT)
    return f"sidecar {spec.name!r}: `{command}`"
