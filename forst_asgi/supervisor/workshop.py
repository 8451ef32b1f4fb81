"""Builds the sidecar's program when it starts, when somebody asks, and when a source file changes.

The process is replaced only by one that was built; while there is a mistake in the source the last good one
goes on, and the mistake is kept in the standing for everybody to see.
"""

import asyncio
import fnmatch
import os
from collections.abc import AsyncIterator
from pathlib import Path

from forst_asgi.errors import SidecarError
from forst_asgi.events import BuildFailed, BuildFinished, milliseconds
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.building import BuildError, BuildSpec, build
from forst_asgi.supervisor.keeper import Keeper
from forst_asgi.supervisor.unforeseen import told

DEBOUNCE_MS = 100


class Workshop:
    """Builds one program.

    Args:
        spec: how.
        keeper: whose process is replaced.
        observer: told how builds went.
    """

    def __init__(self, spec: BuildSpec, keeper: Keeper, observer: Observer) -> None:
        self._spec = spec
        self._keeper = keeper
        self._observer = observer
        self._building = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Build before the first start; a program that is there from before will do if that fails.

        Raises:
            BuildError: it could not be built, and there is none.
        """
        try:
            await self.build()
        except BuildError:
            if not os.access(self._spec.program, os.X_OK) or self._spec.program.is_dir():
                raise

    async def build(self) -> None:
        """Build once; two at a time are one after the other.

        Raises:
            BuildError: it could not be built; the mistake is kept until a build goes well.
        """
        async with self._building:
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                await build(self._spec)
            except BuildError as error:
                self._keeper.note_build(str(error))
                self._observer.observe(BuildFailed(self._spec.name, str(error)))
                raise
            self._keeper.note_build(None)
            self._observer.observe(BuildFinished(self._spec.name, milliseconds(loop.time() - began)))

    def watch(self) -> None:
        """Build and replace the process whenever a source file changes, until `aclose`."""
        if self._spec.watch:
            self._task = asyncio.create_task(self._follow())

    def move(self) -> None:
        """Go on in the running loop, where nothing is watched: the one before is closed."""
        self._task = None
        self._building = asyncio.Lock()

    async def aclose(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _follow(self) -> None:
        try:
            async for _ in changes(self._spec.folder, self._spec.watch):
                await self._renew()
        except (OSError, RuntimeError) as error:  # the folder is gone, or the system has no watches left
            problem = f"{self._spec.folder} is not watched any more: {error}"
            self._observer.observe(BuildFailed(self._spec.name, problem))

    async def _renew(self) -> None:
        try:
            await self.build()
            await self._keeper.restart()
        except SidecarError:
            pass  # told already, and kept in the standing
        except Exception as error:  # noqa: BLE001 - the next change shall be seen all the same
            self._observer.observe(BuildFailed(self._spec.name, told(error)))


async def changes(folder: Path, patterns: tuple[str, ...]) -> AsyncIterator[set[Path]]:
    """Yield the files that changed, together those that change within a moment.

    Args:
        folder: what is watched, with all folders below.
        patterns: as of `fnmatch`, relative to the folder; `**/` may stand for no folder too.
    """
    # Imported when asked for, because it is an extra.
    import watchfiles  # noqa: PLC0415

    def fits(_: object, path: str) -> bool:
        return is_watched(Path(path), folder, patterns)

    async for found in watchfiles.awatch(folder, watch_filter=fits, debounce=DEBOUNCE_MS, step=20):
        yield {Path(path) for _, path in found}


def is_watched(path: Path, folder: Path, patterns: tuple[str, ...]) -> bool:
    """Tell whether a file is one of those; hidden files and folders never are."""
    if not path.is_relative_to(folder):
        return False
    relative = path.relative_to(folder)
    if any(part.startswith(".") for part in relative.parts):
        return False
    text = str(relative)
    return any(fnmatch.fnmatch(text, form) for each in patterns for form in (each, _without_folders(each)))


def _without_folders(pattern: str) -> str:
    """Return the pattern for the case that each `**/` in it stands for no folder."""
    return pattern.replace("/**/", "/").removeprefix("**/")
