"""Where a private directory may be made, and whether one that is there is ours alone.

The directory, not the socket in it, is what keeps others out: on some systems the mode of a socket is
ignored, and a socket that is made first and protected later can be connected to in between.
"""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def default_bases(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where a private directory may be made, the best place first."""
    if environ.get("XDG_RUNTIME_DIR"):
        yield environ["XDG_RUNTIME_DIR"]
    yield f"/run/user/{os.geteuid()}"
    # Resolved, for macOS has /tmp and /var as symlinks of its own; what they lead to is checked.
    yield os.path.realpath(tempfile.gettempdir())
    yield os.path.realpath("/tmp")  # noqa: S108 - the directory in it is made fresh, private, and checked


class Refused(Exception):
    """This base is not safe or not short enough."""


def check_base(base: str) -> None:
    """Make sure that nobody else could replace our directory in this base by one of theirs.

    Raises:
        Refused: somebody could.
        OSError: it is not there.
    """
    if not Path(base).is_absolute():
        raise Refused("is not an absolute path")
    found = os.lstat(base)
    if stat.S_ISLNK(found.st_mode):
        raise Refused("is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise Refused("is not a directory")
    if found.st_uid not in {0, os.geteuid()}:
        raise Refused(f"belongs to user {found.st_uid}, neither to us ({os.geteuid()}) nor to root")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        raise Refused(f"others can write to it (mode {stat.S_IMODE(found.st_mode):04o}, not sticky)")


def check_directory(directory: str) -> None:
    """Make sure that only we can enter a directory.

    Raises:
        Refused: somebody else can, or it is a symbolic link.
        OSError: it is not there.
    """
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
        # A file system that does not keep owners and modes (some network and shared folders).
        raise Refused(f"{directory} is not ours alone (owner {found.st_uid}, mode {found.st_mode:o})")
