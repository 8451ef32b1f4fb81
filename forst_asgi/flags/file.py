"""The file that keeps the state: one for all workers of a host, always whole.

A change is: take the lock, read, write beside it, fsync, rename over it, fsync the folder, let the lock go.
A reader needs no lock, since a rename shows it either the old or the new. Whoever is killed in between leaves
the old state and perhaps a file beside it, which the next writer removes; the kernel lets go of the lock.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias

from forst_asgi.errors import StateError
from forst_asgi.flags.codec import NotAState, decode, encode
from forst_asgi.flags.state import EMPTY, State, Transition

Signature: TypeAlias = tuple[int, int, int]
"""What tells one version of the file from another: inode, time of change (ns), size."""

Step: TypeAlias = Literal["locked", "read", "created", "written", "synced", "renamed", "folder synced"]

LARGEST: Final = 4 * 1024 * 1024
"""Bytes; a file that is larger is not ours."""

_RETRY_S: Final = 0.02


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
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self) -> State | None:
        """Return the state, None when there is no file.

        Raises:
            StateError: there is one, and it cannot be read or holds no state.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._error("cannot be read", error) from error
        if len(content) > LARGEST:
            raise StateError(f"{self.path}: is larger than {LARGEST} bytes")
        try:
            return decode(content.decode())
        except (NotAState, UnicodeDecodeError) as error:
            raise StateError(f"{self.path}: {error}") from error

    def change(self, transition: Transition, *, discards_unreadable: bool = False) -> State:
        """Make a change and return the state after it.

        Args:
            transition: what to change.
            discards_unreadable: put a file that holds no state aside and begin with an empty one, instead
                of refusing.

        Raises:
            StateError: it could not be made; the file is as it was.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._after("locked")
                state = transition(self._present(discards_unreadable=discards_unreadable))
                self._after("read")
                self._write(encode(state).encode())
                return state
        except OSError as error:
            raise self._error("cannot be changed", error) from error

    def _present(self, *, discards_unreadable: bool) -> State:
        try:
            return self.read() or EMPTY
        except StateError:
            if not discards_unreadable:
                raise
            self.path.replace(self.path.with_name(f"{self.path.name}.unreadable"))
            return EMPTY

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A file of its own, because the other one is replaced; to lock it, reading rights are enough.
        lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDONLY | os.O_CREAT, 0o644)
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

    def _write(self, content: bytes) -> None:
        for left_behind in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            left_behind.unlink()
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with beside.open("xb") as file:
            self._after("created")
            file.write(content)
            file.flush()
            self._after("written")
            os.fsync(file.fileno())
        self._after("synced")
        beside.replace(self.path)
        self._after("renamed")
        _sync_folder(self.path.parent)
        self._after("folder synced")

    def _error(self, problem: str, error: OSError) -> StateError:
        return StateError(f"{self.path}: {problem}: {(error.strerror or str(error)).lower()}")


def _sync_folder(path: Path) -> None:
    """Make a rename outlive a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
