"""Sees to it that what the workers meet in stays there, and comes back when it is removed all the same.

Cleaners of temporary files remove what is old. systemd-tmpfiles leaves a directory alone that somebody holds
a lock on (flock(2), tmpfiles.d(5) "Age"), so every worker does (`home`); others go by the time stamps, so
these are renewed (the XDG base directory specification asks for that every six hours). Against whoever
removes it regardless, we look: locks, control socket and the sidecar's own socket are made anew.

The process that runs is well; but nobody can connect to it, and a socket cannot get its name back. So it is
replaced as by any restart: requests on connections that are open go on meanwhile.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from forst_asgi.errors import SidecarError
from forst_asgi.events import FolderRestored, SidecarFailed
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor.home import Home

LOOK_S = 0.5
LONGEST_PAUSE_S = 30.0
FRESH_S = 3600.0


class Leads(Protocol):
    """What there is to see to (`leader`)."""

    home: Home

    def missing(self) -> Path | None:
        """Return a file of ours that is not there any more, None when all is well."""
        ...

    async def restore(self, home: Home) -> bool:
        """Lead in a home, with everything that is missing; tell whether we still lead."""
        ...


class Upkeep:
    """What the leader does beside leading.

    Args:
        name: the upstream's name.
        leader: what there is to see to.
        settle: returns the home, a new one if that is gone.
        observer: told when something had to be made anew, or could not be.
    """

    def __init__(self, name: str, leader: Leads, settle: Callable[[], Home], observer: Observer) -> None:
        self._name = name
        self._leader = leader
        self._settle = settle
        self._observer = observer
        self._problem: str | None = None

    async def run(self) -> None:
        """Look again and again; return when another worker leads, because it was there first."""
        loop = asyncio.get_running_loop()
        pause_s, freshened = LOOK_S, loop.time()
        while True:
            await asyncio.sleep(pause_s)
            try:
                if not await self._look():
                    return
            except (OSError, SidecarError) as error:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._complain(str(error))
                continue
            pause_s, self._problem = LOOK_S, None
            if loop.time() >= freshened + FRESH_S:
                freshened = loop.time()
                self._leader.home.freshen()

    async def _look(self) -> bool:
        missing = self._leader.missing()
        if missing is None:
            return True
        leads = await self._leader.restore(self._settle())
        self._observer.observe(FolderRestored(self._name, str(missing)))
        return leads

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            told = f"sidecar {self._name!r}: its private folder was removed and cannot be restored: {problem}"
            self._observer.observe(SidecarFailed(told))
