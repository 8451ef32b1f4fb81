"""The private directory that all workers of one app meet in, and who among them leads.

    <base>/forst-<digest>-<process group>/      mode 0700, ours
        members       held shared (flock) by every worker as long as it lives, and so is the directory itself
        leader        held exclusively by the one that runs the sidecar
        control       the leader's socket for the others
        <name>.sock   where the sidecar is reached; its other sockets beside it

The digest is of the user, the configuration file and the upstream. The process group tells apart several
servers that run from the same file: a server and all of its workers are in one group, be it uvicorn,
gunicorn, hypercorn or granian, while a shell, systemd and every other supervisor give each service one of
its own. The kernel gives no number away that a living group has. So one server's workers find the same
directory, and no two servers do, unless both were started in the background by one script without job
control; they then share a sidecar.

Locks belong to open files and are let go of by the kernel, whatever a process dies of. They are taken by the
worker itself, after every fork; no program that is started inherits them. A directory whose `members`
nobody holds is dead and removed at the next start of anybody. Who waits for a lock of a directory that is
just being removed finds another file at the path afterwards, or none, and begins anew.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from forst_asgi.errors import SidecarError
from forst_asgi.sockets import SOCKET_PATH_LIMIT
from forst_asgi.supervisor.bases import (
    Refused,
    check_base,
    check_directory,
    default_bases,
)
from forst_asgi.supervisor.handed import not_three

_NAME = re.compile(r"forst-[0-9a-f]{10}-[0-9]+")
_LONGEST_OTHER = "own-01234567"  # as `seats` has them
_ATTEMPTS = 100  # each further one means that somebody removed the directory in that very moment


@dataclass(frozen=True, slots=True)
class HomeKey:
    """What the workers of one server have in common.

    Attributes:
        config: the absolute path of the configuration file, or any other text that stands for it.
        upstream: the upstream's name: letters, digits, ".", "_" and "-".
        group: the process group; None for all groups, when looking for homes.
    """

    config: str
    upstream: str
    group: int | None = None

    @property
    def prefix(self) -> str:
        """The directory's name but for the process group."""
        text = f"{os.geteuid()}\0{self.config}\0{self.upstream}"
        return f"forst-{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:10]}-"

    @property
    def directory_name(self) -> str:
        """The directory's name."""
        return f"{self.prefix}{os.getpgrp() if self.group is None else self.group}"


class Lock:
    """An exclusive lock on a file; the kernel lets go of it when we end, by whatever death."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def is_still(self, path: Path) -> bool:
        """Tell whether we have it, and it is on the file that others find at a path."""
        return self._fd >= 0 and _is_still(path, self._fd)

    def release(self) -> None:
        """Let go; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Home:
    """The directory, as one worker lives in it.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: Path, members_fd: int) -> None:
        self.path = path
        self._members_fd = members_fd
        self._folder_fd = _hold(path)

    def __repr__(self) -> str:
        return f"<Home {self.path}>"

    @property
    def members(self) -> Path:
        """The file that every worker holds."""
        return self.path / "members"

    @property
    def leader(self) -> Path:
        """The file that the leader holds."""
        return self.path / "leader"

    @property
    def is_there(self) -> bool:
        """Whether others find us here: nobody has removed it, or made another in its place."""
        return self._members_fd >= 0 and _is_still(self.members, self._members_fd)

    def freshen(self) -> None:
        """Renew all time stamps, for cleaners that go by them."""
        with contextlib.suppress(OSError):
            for path in (self.path, *self.path.iterdir()):
                os.utime(path)

    def try_lead(self) -> Lock | None:
        """Return the leader's lock, None when another worker has it."""
        fd = _open_lock(self.leader)
        if _lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return Lock(fd)
        os.close(fd)
        return None

    def is_alone(self) -> bool:
        """Tell whether nobody else lives here, or we do not either."""
        if self._members_fd < 0:
            return True
        try:
            return _lock(self._members_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            # Also when it was refused: the attempt may have cost us the lock that we had (flock(2)).
            fcntl.flock(self._members_fd, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Move out, and remove the directory if nobody else lives in it; idempotent.

        Returns:
            Whether we were the last.
        """
        fd, self._members_fd = self._members_fd, -1
        self._let_go()
        if fd < 0:
            return False
        try:
            return _remove_if_deserted(self.path, fd)
        finally:
            os.close(fd)

    def abandon(self) -> None:
        """Let go of the lock in a forked process, so that it does not keep its parent's place alive."""
        fd, self._members_fd = self._members_fd, -1
        self._let_go()
        if fd >= 0:
            os.close(fd)

    def _let_go(self) -> None:
        fd, self._folder_fd = self._folder_fd, None
        if fd is not None:
            os.close(fd)


def move_in(key: HomeKey, bases: Iterable[str] | None = None) -> Home:
    """Return the home for a key, made if need be; dead ones beside it are removed.

    Args:
        key: whose home.
        bases: where it may be made, tried in order, the same for all workers; by default those of
            `default_bases`.

    Raises:
        SidecarError: no base is private and short enough; says why for each.
    """
    refusals = []
    for base in default_bases(os.environ) if bases is None else bases:
        try:
            check_base(base)
            sweep(base)
            return _move_in(Path(base, key.directory_name), key)
        except (OSError, Refused) as error:
            refusals.append(f"{base}: {error}")
    raise SidecarError(
        f"no place for the socket of {key.upstream!r}; set XDG_RUNTIME_DIR to a short path to a directory "
        "that only this user can write to, or give the address yourself. Tried:"
        + "".join(f"\n  {refusal}" for refusal in refusals)
    )


def find_homes(key: HomeKey, bases: Iterable[str] | None = None) -> list[Path]:
    """Return the homes of that configuration and upstream, of whatever process group."""
    found = []
    for base in default_bases(os.environ) if bases is None else bases:
        with contextlib.suppress(OSError, Refused):
            check_base(base)
            found += [path for path in _ours(Path(base)) if path.name.startswith(key.prefix)]
    return sorted(set(found))


def sweep(base: str) -> None:
    """Remove the homes in a base that nobody lives in."""
    for path in _ours(Path(base)):
        with contextlib.suppress(OSError):
            fd = os.open(path / "members", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                _remove_if_deserted(path, fd)
            finally:
                os.close(fd)


def _ours(base: Path) -> Iterator[Path]:
    for path in base.glob("forst-*-*"):
        with contextlib.suppress(OSError, Refused):
            if _NAME.fullmatch(path.name):
                check_directory(str(path))
                yield path


def _move_in(path: Path, key: HomeKey) -> Home:
    longest = f"{path}/{max(key.upstream, _LONGEST_OTHER, key=len)}.sock"
    length = len(os.fsencode(longest))
    if length > SOCKET_PATH_LIMIT:
        raise Refused(f"{longest} has {length} bytes, a socket path may have {SOCKET_PATH_LIMIT}")
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            check_directory(str(path))
            fd = _open_lock(path / "members")
            if _lock(fd, fcntl.LOCK_SH) and _is_still(path / "members", fd):
                return Home(path, fd)
            os.close(fd)
    raise Refused(f"{path} is removed each time that it is made")


def _hold(path: Path) -> int | None:
    """Lock the directory itself, shared: systemd-tmpfiles asks for that (see `upkeep`); best effort."""
    try:
        fd = not_three(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return fd


def _open_lock(path: Path) -> int:
    return not_three(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _lock(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, fd: int) -> bool:
    """Tell whether the file that was locked is the one that everybody else will find."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False


def _remove_if_deserted(path: Path, members_fd: int) -> bool:
    is_deserted = _lock(members_fd, fcntl.LOCK_EX | fcntl.LOCK_NB) and _is_still(path / "members", members_fd)
    if is_deserted:
        shutil.rmtree(path, ignore_errors=True)
    return is_deserted
