"""The place of the state file, held by a descriptor of its folder, so that nobody can exchange it on the way.

Root changes the file in folders where somebody else may put what they like: whoever runs the service, and
whoever has broken into it. So root follows a link only where nobody but root can have made it, in the whole
path. In the folder itself nobody follows any, and rights and owners are given to descriptors, never to names.
Others than root follow links on the way as everybody does.
"""

import contextlib
import errno
import os
import pwd
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from forst_asgi.errors import StateError

_SEARCH: Final[int] = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
"""How folders on the way are opened; with O_PATH, which Linux has, entering them is right enough."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_MOST_LINKS: Final = 40
"""As many as Linux follows."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class Place:
    """A name in a folder that is held open.

    Args:
        folder: a descriptor of the folder.
        path: where it is, for messages; its last part is the name.
    """

    def __init__(self, folder: int, path: Path) -> None:
        self.folder = folder
        self.path = path
        self.name = path.name

    def __repr__(self) -> str:
        return f"<Place {self.path}>"

    def read(self, most: int) -> bytes | None:
        """Return what the file holds, up to so many bytes; None when there is none."""
        try:
            file = self.open(self.name, os.O_RDONLY)
        except FileNotFoundError:
            return None
        return content_of(file, most)

    def open(self, name: str, flags: int) -> int:
        """Open a name in the folder, never a link, and without waiting for the other end of a pipe.

        Raises:
            StateError: it is a link.
        """
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=self.folder)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            at = self.path.with_name(name)
            raise StateError(
                f"{at}: is a symbolic link, and none is followed there; look where it leads, and remove it"
            ) from error

    def lock_file(self) -> int:
        """Open the file that is locked; for writing if that is allowed, because NFS locks nothing else."""
        name = f"{self.name}.lock"
        try:
            return self._present(name)
        except FileNotFoundError:
            pass
        try:
            lock = self.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return self._present(name)  # somebody was quicker
        with _closed_on_error(lock):
            _hand_over(lock, os.fstat(self.folder))
            os.fchmod(lock, 0o644)
        return lock

    def _present(self, name: str) -> int:
        try:
            found = self.open(name, os.O_RDWR)
        except PermissionError:
            found = self.open(name, os.O_RDONLY)
        with _closed_on_error(found):
            _require_regular(found)
        return found

    def create(self) -> tuple[int, str]:
        """Make a new file beside the name, which nobody else can open yet; return it and its name."""
        beside = f".{self.name}.{secrets.token_hex(8)}.tmp"
        return self.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL), beside

    def dress(self, new: int) -> None:
        """Give a new file the rights and the owner of the one that it is to replace."""
        before = self._stat()
        if before is None:
            _hand_over(new, os.fstat(self.folder))
            os.fchmod(new, 0o644)
            return
        _hand_over(new, before)
        with contextlib.suppress(PermissionError):  # the group, where it is one of ours
            os.fchown(new, -1, before.st_gid)
        os.fchmod(new, stat.S_IMODE(before.st_mode) & 0o777)

    def _stat(self) -> os.stat_result | None:
        try:
            found = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def rename(self, before: str, after: str) -> None:
        """Rename within the folder, over what is there; a link itself, and not what it leads to."""
        os.replace(before, after, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def remove(self, name: str) -> None:
        """Remove a name from the folder, as far as that can be done."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self.folder)

    def tidy_up(self) -> None:
        """Remove what writers left behind that were killed."""
        for name in os.listdir(self.folder):  # noqa: PTH208 - a descriptor is no path
            if name.startswith(f".{self.name}.") and name.endswith(".tmp"):
                self.remove(name)


@contextmanager
def opened(path: Path) -> Iterator[Place]:
    """Hold the place of a file; folders that are missing on the way are made.

    Raises:
        StateError: there is a link on the way that root does not follow.
        OSError: it cannot be reached.
    """
    with contextlib.closing(_Walk(path)) as walk:
        name = walk.arrive()
        place = Place(os.open(".", _FOLDER, dir_fd=walk.folder), walk.at / name)
    try:
        yield place
    finally:
        os.close(place.folder)


def content_of(file: int, most: int) -> bytes:
    """Return what a file holds, up to so many bytes, and close it.

    Raises:
        OSError: it cannot be read, or is no regular file: reading a pipe or a device might never end.
    """
    with _closed_on_error(file):
        _require_regular(file)
    with os.fdopen(file, "rb") as readable:
        return readable.read(most)


class _Walk:
    """Goes along a path, step by step from folder to folder.

    Attributes:
        folder: a descriptor of where it is.
        at: the path to there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_root = os.geteuid() == 0
        start, parts = _from_the_top(path) if self._is_root else _from_what_there_is(path)
        self._ahead = [*reversed(parts)]
        self._links = 0
        self.at = start
        self.folder = os.open(start, _SEARCH)
        self._only_root = _is_only_roots(self.folder)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self.folder)

    def arrive(self) -> str:
        """Go as far as the folder of the last name, and return that."""
        while self._ahead:
            name = self._ahead.pop()
            found = self._stat(name)
            if found is not None and stat.S_ISLNK(found.st_mode):
                self._follow(name, found)
            elif self._ahead:
                self._enter(name)
            elif self._links and found is not None and stat.S_ISDIR(found.st_mode):
                break  # a link to a folder, which is not to be put aside
            else:
                return name
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _follow(self, name: str, link: os.stat_result) -> None:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if self._is_root and not (self._only_root and link.st_uid == 0):
            raise StateError(self._refusal(name, link))
        target = Path(os.readlink(name, dir_fd=self.folder))
        self._ahead.extend(part for part in reversed(target.parts) if part != target.anchor)
        if target.is_absolute():
            top = Path(target.anchor)
            self._move(os.open(top, _SEARCH), top)
            self._only_root = _is_only_roots(self.folder)

    def _refusal(self, name: str, link: os.stat_result) -> str:
        who = _user(link.st_uid or os.fstat(self.folder).st_uid)
        return (
            f"{self._path}: {self.at / name} is a symbolic link that {who} can direct anywhere, so root "
            'does not follow it; change the flags as the user of the service, with "sudo -u", or name the '
            'file that is meant: "state" in the table [flags], or in an emergency '
            '"forst-asgi kill --state FILE"'
        )

    def _enter(self, name: str) -> None:
        try:
            folder = os.open(name, _SEARCH, dir_fd=self.folder)
        except FileNotFoundError:
            folder = self._make(name)
        self._move(folder, self.at / name)
        self._only_root = self._only_root and _is_only_roots(folder)

    def _move(self, folder: int, at: Path) -> None:
        os.close(self.folder)
        self.folder, self.at = folder, at

    def _make(self, name: str) -> int:
        try:
            os.mkdir(name, 0o755, dir_fd=self.folder)
        except FileExistsError:
            return os.open(name, _SEARCH, dir_fd=self.folder)  # somebody was quicker
        made = os.open(name, _FOLDER, dir_fd=self.folder)
        with _closed_on_error(made):
            self._require_ours(made)
            _hand_over(made, os.fstat(self.folder))
            os.fchmod(made, 0o755 | os.fstat(made).st_mode & stat.S_ISGID)
        return made

    def _require_ours(self, made: int) -> None:
        """Make sure that nobody has put another folder of root's in the place of the new one."""
        if self._is_root and not self._only_root and (os.fstat(made).st_uid != 0 or os.listdir(made)):
            raise FileExistsError(errno.EEXIST, "somebody else is making its folder; try again")


def _from_the_top(path: Path) -> tuple[Path, Sequence[str]]:
    whole = path.absolute()
    return Path(whole.anchor), whole.parts[1:]


def _from_what_there_is(path: Path) -> tuple[Path, Sequence[str]]:
    """Return the last folder on the way that exists, and what follows; folders above need not be readable."""
    real = Path(os.path.realpath(path))
    if path.is_symlink() and real.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    start = next((each for each in real.parents if each.is_dir()), real)
    return start, real.relative_to(start).parts


def _is_only_roots(folder: int) -> bool:
    """Whether nobody but root can put links into a folder, or move those of root that are there."""
    found = os.fstat(folder)
    return found.st_uid == 0 and (not found.st_mode & _OTHERS_WRITE or bool(found.st_mode & stat.S_ISVTX))


def _user(number: int) -> str:
    if number == 0:
        return "somebody else"
    try:
        return f'the user "{pwd.getpwuid(number).pw_name}"'
    except KeyError:
        return f"the user {number}"


def _hand_over(what: int, like: os.stat_result) -> None:
    """Give a file or folder the owner that another one has; only root can, and only root has to."""
    if os.geteuid() == 0:
        os.fchown(what, like.st_uid, like.st_gid)


def _require_regular(file: int) -> None:
    kind = os.fstat(file).st_mode
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(kind):
        raise OSError(errno.EINVAL, "it is no regular file")


@contextmanager
def _closed_on_error(descriptor: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise
