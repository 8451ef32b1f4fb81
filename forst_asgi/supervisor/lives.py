"""The processes of one sidecar that may be there: the one in use, one that starts, those that drain."""

import asyncio
from collections.abc import Awaitable, Callable

from forst_asgi.errors import SidecarError
from forst_asgi.events import SidecarFailed
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.life import Life
from forst_asgi.supervisor.unforeseen import told


class Lives:
    """Knows of each process from before its start until it is gone, and sees off those that are to go.

    Args:
        name: the upstream's name.
        observer: told what keeps one from being stopped.
    """

    def __init__(self, name: str, observer: Observer) -> None:
        self._name = name
        self._observer = observer
        self._all: set[Life] = set()
        self._leaving: dict[asyncio.Task[None], Life] = {}

    def __repr__(self) -> str:
        return f"<Lives {len(self._all)} leaving={len(self._leaving)}>"

    def add(self, life: Life) -> None:
        """Take note of one that is about to be started."""
        self._all.add(life)

    def discard(self, life: Life) -> None:
        """Forget one that is gone."""
        self._all.discard(life)

    def retire(self, life: Life, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """Stop one beside everything else; `after` is waited for first."""
        task = asyncio.create_task(self._see_off(life, after))
        self._leaving[task] = life
        task.add_done_callback(self._leaving.pop)

    def retire_all_but(self, kept: Life | None) -> None:
        """Stop those that are not in use, and are not leaving already."""
        for life in self._all - {kept} - {*self._leaving.values()}:
            self.retire(life)

    def move(self) -> None:
        """Go on in the running loop: the one before is closed, and so are its tasks."""
        self._leaving.clear()
        for life in self._all:
            life.sidecar.move()

    async def gone(self) -> None:
        """Return when all that leave have left; a cancellation kills them at once."""
        await asyncio.gather(*self._leaving)

    def kill(self) -> None:
        """Kill all; idempotent."""
        for life in self._all:
            life.sidecar.kill()

    def cut(self) -> None:
        """Close our ends of the lifelines, in a forked process."""
        for life in self._all:
            life.sidecar.cut()

    async def _see_off(self, life: Life, after: Callable[[], Awaitable[None]] | None) -> None:
        try:
            if after is not None:
                await after()
        finally:
            try:
                await life.sidecar.aclose()
            except SidecarError as error:
                self._observer.observe(SidecarFailed(str(error)))
            except Exception as error:  # noqa: BLE001 - the end of one must not keep the others from theirs
                problem = f"sidecar {self._name!r}: stopping a process failed: {told(error)}"
                self._observer.observe(SidecarFailed(problem))
            finally:
                self.discard(life)
