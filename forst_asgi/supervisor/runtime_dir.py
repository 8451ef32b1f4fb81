"""A private place for a Unix socket: a fresh directory that only we can enter.

The directory, not the socket, is the lock: on some systems the mode of a socket is ignored, and a socket
that is made first and protected later can be connected to in between.
"""

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from forst_asgi.errors import SidecarError

# The size of sockaddr_un.sun_path less the closing NUL: unix(7) on Linux, unix(4) on macOS.
SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107


class PrivateSocket:
    """A path for a socket that nobody else can reach; a context manager that removes it.

    Attributes:
        path: where the sidecar shall listen; nothing is there yet.
    """

    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        self.path = str(Path(directory, f"{name}.sock"))

    def __repr__(self) -> str:
        return f"<PrivateSocket {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the directory and what is in it; idempotent."""
        shutil.rmtree(self._directory, ignore_errors=True)

    async def aclose(self) -> None:
        """Do what `remove` does, as the other parts of a runtime are closed."""
        self.remove()


def private_socket(name: str, bases: Iterable[str] | None = None) -> PrivateSocket:
    """Make a fresh directory of mode 0700 and return the path for a socket in it.

    Args:
        name: names the socket file: letters, digits, ".", "_" and "-".
        bases: where the directory may be made, tried in order; by default $XDG_RUNTIME_DIR, /run/user/<uid>,
            the directory for temporary files, /tmp.

    Raises:
        SidecarError: `name` cannot name a file, or no base is private and short enough; says why for each.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
        raise SidecarError(
            f"{name!r} cannot name a socket; expected letters, digits, '.', '_' and '-', no '.' in front"
        )
    refusals = []
    for base in default_bases(os.environ) if bases is None else bases:
        try:
            return _make(base, name)
        except (OSError, _Refused) as error:
            refusals.append(f"{base}: {error}")
    raise SidecarError(
        f"no place for the socket of {name!r}; set XDG_RUNTIME_DIR to a short path to a directory that only "
        "this user can write to, or give the address yourself. Tried:" + "".join(f"\n  {r}" for r in refusals)
    )


def default_bases(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where a private directory may be made, the best place first."""
    if environ.get("XDG_RUNTIME_DIR"):
        yield environ["XDG_RUNTIME_DIR"]
    yield f"/run/user/{os.geteuid()}"
    # Resolved, for macOS has /tmp and /var as symlinks of its own; what they lead to is checked.
    yield os.path.realpath(tempfile.gettempdir())
    yield os.path.realpath("/tmp")  # noqa: S108 - the directory in it is made fresh, private, and checked


class _Refused(Exception):
    """This base is not safe or not short enough."""


def _make(base: str, name: str) -> PrivateSocket:
    _check_base(base)
    directory = tempfile.mkdtemp(prefix="forst-", dir=base)
    with contextlib.ExitStack() as undo:
        socket = undo.enter_context(PrivateSocket(directory, name))
        _check_directory(directory)
        length = len(os.fsencode(socket.path))
        if length > SOCKET_PATH_LIMIT:
            raise _Refused(f"{socket.path} has {length} bytes, a socket path may have {SOCKET_PATH_LIMIT}")
        undo.pop_all()
    return socket


def _check_base(base: str) -> None:
    """Refuse a base in which somebody else could replace our directory by one of theirs."""
    if not Path(base).is_absolute():
        raise _Refused("is not an absolute path")
    found = os.lstat(base)
    if stat.S_ISLNK(found.st_mode):
        raise _Refused("is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise _Refused("is not a directory")
    if found.st_uid not in {0, os.geteuid()}:
        raise _Refused(f"belongs to user {found.st_uid}, neither to us ({os.geteuid()}) nor to root")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        raise _Refused(f"others can write to it (mode {stat.S_IMODE(found.st_mode):04o}, not sticky)")


def _check_directory(directory: str) -> None:
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
        # A file system that does not keep owners and modes (some network and shared folders).
        raise _Refused(f"{directory} is not ours alone (owner {found.st_uid}, mode {found.st_mode:o})")
