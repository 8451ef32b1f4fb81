"""Finds the program of a sidecar and says in plain words why it cannot be run.

The search is ours, not the kernel's or the C library's, because those answer "No such file or directory"
to five different mistakes.
"""

import errno
import os
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor.spec import SidecarSpec


def find_program(spec: SidecarSpec, environ: Mapping[str, str]) -> Path:
    """Return the absolute path of the program to run.

    Args:
        spec: `command[0]` and `cwd` are looked at.
        environ: the sidecar's own environment; its PATH is searched.

    Raises:
        SidecarError: there is no such program, or it is not an executable file.
    """
    if not spec.command or not spec.command[0]:
        raise SidecarError(f"sidecar {spec.name!r}: `command` is empty; expected a program and its arguments")
    cwd = _working_directory(spec)
    if "/" in spec.command[0]:
        path = cwd / spec.command[0]
        _check_executable(path, spec, cwd)
        return path
    return _search(spec, environ.get("PATH", os.defpath))


def launch_refused(spec: SidecarSpec, path: Path, error: Exception) -> SidecarError:
    """Return the error that explains why the operating system did not run `path`."""
    return _refused(spec, f"{path}: {_explain(error)}")


def _working_directory(spec: SidecarSpec) -> Path:
    cwd = Path(spec.cwd or os.curdir).absolute()
    if not cwd.is_dir():
        raise _refused(spec, f"its working directory {cwd} is not there or not a directory; correct `cwd`")
    return cwd


def _check_executable(path: Path, spec: SidecarSpec, cwd: Path) -> None:
    looked = f"(looked for from the working directory {cwd})"
    if not path.exists():
        raise _refused(spec, f"there is no file {path} {looked}; build it first or correct `command`")
    if path.is_dir():
        raise _refused(spec, f"{path} is a directory {looked}; name the program inside it")
    if not os.access(path, os.X_OK):
        raise _refused(spec, f"{path} is not executable {looked}; try chmod +x {shlex.quote(str(path))}")


def _search(spec: SidecarSpec, search_path: str) -> Path:
    program = spec.command[0]
    # An empty entry of PATH would mean the current directory: nobody means that, so it is left out.
    for folder in filter(None, search_path.split(os.pathsep)):
        path = Path(folder, program).absolute()
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise _refused(
        spec,
        f"there is no executable file {program!r} in PATH ({search_path}); install it, or write a path with "
        f'a slash ("./{program}") to have it looked for from the working directory',
    )


def _refused(spec: SidecarSpec, reason: str) -> SidecarError:
    return SidecarError(f"sidecar {spec.name!r}: cannot run `{spec.shown}`: {reason}")


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _EXPLANATIONS:
        return _EXPLANATIONS[error.errno]
    return str(error)


_EXPLANATIONS = {
    errno.ENOENT: (
        "the file exists, but what it needs does not: the interpreter in its #! line, or the dynamic loader "
        "of another C library (for Go, build with CGO_ENABLED=0)"
    ),
    errno.ENOEXEC: (
        f"exec format error: not a program for this machine ({platform.system()} {platform.machine()}), or a "
        "script without #! line; for Go, build with the matching GOOS and GOARCH"
    ),
    errno.EACCES: "permission denied: is its file system mounted noexec, or its interpreter not executable?",
}
