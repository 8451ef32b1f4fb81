"""The file that keeps the state: one for all workers of a host, always whole.

A change is: take the lock, read, write beside it, fsync, rename over it, fsync the folder, let the lock go.
A reader needs no lock, since a rename shows it either the old or the new. Whoever is killed in between leaves
the old state and perhaps a file beside it, which the next writer removes; the kernel lets go of the lock.

Who changes it is often somebody else than who reads it: a person with sudo, and the workers of a service.
So rights and owner stay as they were, and what is new can be read by everybody, whatever the umask says: a
worker that cannot read the file would miss a kill.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias

from forst_asgi.errors import StateError
from forst_asgi.flags.codec import NotAState, decode, encode
from forst_asgi.flags.place import Place, content_of, opened
from forst_asgi.flags.state import EMPTY, State, Transition, with_kills

Signature: TypeAlias = tuple[int, ...]
"""What tells one version of the file from another: inode, times of change (ns), size."""

Step: TypeAlias = Literal["locked", "read", "created", "written", "synced", "renamed", "folder synced"]

LARGEST: Final = 32 * 1024 * 1024
"""Bytes; a file that is larger is not ours, and is not written either."""

_RETRY_S: Final = 0.02
_ELSEWHERE: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT})
"""Failures of a place; at another one the same would go through."""
_ASIDE: Final = ".unreadable"
_HINT: Final = '; "state" in the table [flags] names another place'


class BrokenState(StateError):
    """The file can be read, and holds no state.

    Attributes:
        kills: what can be told of it all the same: a state with nothing but the kills that are in the file.
    """

    def __init__(self, problem: str, kills: State) -> None:
        super().__init__(problem)
        self.kills = kills


def _nothing(_step: Step) -> None: ...


class StateFile:
    """The file, for reading and changing. It blocks, so changes belong into a thread or a command.

    Args:
        path: where it is.
        lock_timeout_s: how long a change waits for another one that is being made.
        after: called after each step of a change; a test can end the process there.
    """

    def __init__(
        self, path: Path, *, lock_timeout_s: float = 5.0, after: Callable[[Step], None] = _nothing
    ) -> None:
        self.path = path
        self._lock_timeout_s = lock_timeout_s
        self._after = after

    def __repr__(self) -> str:
        return f"<StateFile {self.path}>"

    @property
    def remains(self) -> Path:
        """Where a file that holds no state is kept when it is put aside."""
        place = Path(os.path.realpath(self.path))
        return place.with_name(f"{place.name}{_ASIDE}")

    def signature(self) -> Signature | None:
        """Return what tells this version of the file from others, None when there is none.

        Raises:
            StateError: nobody can tell, because a folder cannot be entered.
        """
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._error("cannot be looked at", error) from error
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size

    def read(self) -> State | None:
        """Return the state, None when there is no file.

        Raises:
            StateError: there is one, and it cannot be read or holds no state.
        """
        try:
            content = content_of(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._error("cannot be read", error) from error
        return self._state(content)

    def _state(self, content: bytes) -> State:
        if len(content) > LARGEST:
            raise StateError(f"{self.path}: is larger than {LARGEST} bytes")
        try:
            return decode(content)
        except NotAState as error:
            raise BrokenState(f"{self.path}: {error}", error.kills) from error

    def change(self, transition: Transition, *, discards_unreadable: bool = False) -> State:
        """Make a change and return the state after it.

        A link is followed, so that those who come through others find the same file; root follows only those
        that nobody but root can have made.

        Args:
            transition: what to change.
            discards_unreadable: put a file that holds no state aside, instead of refusing, and begin with an
                empty state, or with the kills that can be told of it.

        Raises:
            StateError: it could not be made; the file is as it was.
        """
        try:
            with opened(self.path) as place, self._locked(place):
                self._after("locked")
                state = transition(self._present(place, discards_unreadable=discards_unreadable))
                self._after("read")
                self._write(place, self._checked(encode(state)))
                return state
        except OSError as error:
            hint = _HINT if error.errno in _ELSEWHERE else ""
            raise self._error("cannot be changed", error, hint) from error

    def _present(self, place: Place, *, discards_unreadable: bool) -> State:
        try:
            return self._read_at(place)
        except StateError as error:
            if not discards_unreadable:
                raise
            place.rename(place.name, f"{place.name}{_ASIDE}")
            return with_kills(EMPTY, error.kills) if isinstance(error, BrokenState) else EMPTY

    def _read_at(self, place: Place) -> State:
        try:
            content = place.read(LARGEST + 1)
        except OSError as error:
            raise self._error("cannot be read", error) from error
        return EMPTY if content is None else self._state(content)

    def _checked(self, content: bytes) -> bytes:
        if len(content) > LARGEST:
            raise StateError(f"{self.path}: would be larger than {LARGEST} bytes, and nobody would read it")
        return content

    @contextmanager
    def _locked(self, place: Place) -> Iterator[None]:
        # A file of its own, because the other one is replaced.
        lock = place.lock_file()
        try:
            self._wait_for(lock)
            yield
        finally:
            os.close(lock)

    def _wait_for(self, lock: int) -> None:
        end = time.monotonic() + self._lock_timeout_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    raise StateError(
                        f"{self.path}: another change has been going on for {self._lock_timeout_s:g} s"
                    ) from error
                time.sleep(_RETRY_S)
            else:
                return

    def _write(self, place: Place, content: bytes) -> None:
        place.tidy_up()
        new, beside = place.create()
        try:
            with os.fdopen(new, "wb") as file:
                self._after("created")
                place.dress(new)
                file.write(content)
                file.flush()
                self._after("written")
                os.fsync(new)
            self._after("synced")
            place.rename(beside, place.name)
        except BaseException:
            place.remove(beside)
            raise
        self._after("renamed")
        os.fsync(place.folder)  # so that the rename outlives a power cut
        self._after("folder synced")

    def _error(self, problem: str, error: OSError, hint: str = "") -> StateError:
        return StateError(f"{self.path}: {problem}: {(error.strerror or str(error)).lower()}{hint}")
