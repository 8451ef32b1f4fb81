"""Notices that a file is another than before, by `stat`, four times a second.

Links are followed, so a link that is turned to another file counts, as Kubernetes does it with a mounted
ConfigMap; so does a rename over the file, as editors do it. A look costs a system call, needs no library and
works on every file system, which notifications by the kernel do not.

A file that changes is left alone until two looks find the same, because who saves several times in a row, or
writes in pieces, is not done yet. One that is gone gets longer, because some delete it before they write
it anew. Who writes without a pause is not waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

INTERVAL_S: Final = 0.25
SETTLED: Final = 1
"""After how many looks that find the same a change counts."""
GONE: Final = 4
"""The same for a file that is missing."""
MOST: Final = 12
"""After how many looks a change counts, whether or not another follows."""

Signature: TypeAlias = tuple[int, ...]
"""What tells one version of a file from another: device, inode, times of change (ns), size."""

_MISSING: Final[Signature] = ()


class FileWatch:
    """Looks at a file, and tells when it has become another.

    The first look counts as a change: nobody knows what happened between reading the file and that.

    Args:
        path: the file; it need not exist.
        tell: called, and waited for, when there is something new to read, or the file is gone.
        interval_s: how long between two looks.
    """

    def __init__(
        self, path: Path, tell: Callable[[], Awaitable[object]], interval_s: float = INTERVAL_S
    ) -> None:
        self._path = path
        self._tell = tell
        self._interval_s = interval_s
        self._told: Signature | None = None
        self._found: Signature | None = None
        self._same = 0
        self._looks = 0
        self._is_wanted = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<FileWatch {self._path} {'on' if self._is_wanted else 'off'}>"

    def start(self) -> None:
        """Begin to look, in the running event loop; idempotent as long as that loop lives."""
        self._is_wanted = True
        if self._task is None or self._task.done() or self._task.get_loop().is_closed():
            self._told = None
            self._task = asyncio.get_running_loop().create_task(self._run(), name="forst reload")

    def rest(self) -> None:
        """Look no more; a change that is being told of is told to its end."""
        self._is_wanted = False

    async def aclose(self) -> None:
        """Stop at once."""
        self._is_wanted = False
        task, self._task = self._task, None
        if task is not None and not task.get_loop().is_closed():
            task.cancel()
            await asyncio.wait([task])

    def look(self) -> bool:
        """Look once; tell whether there is something new, and it has settled."""
        found = _signature(self._path)
        if found == self._told:
            self._found, self._looks = found, 0
            return False
        self._same = self._same + 1 if found == self._found else 0
        self._found = found
        self._looks += 1
        is_settled = self._same >= (GONE if found == _MISSING else SETTLED)
        if not is_settled and self._looks < MOST:
            return False
        self._told, self._looks = found, 0
        return True

    async def _run(self) -> None:
        while self._is_wanted:
            if self.look():
                await self._tell()
            await asyncio.sleep(self._interval_s)


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
