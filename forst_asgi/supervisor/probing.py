"""Asks a probe until it says yes; nothing here takes "it has been started" for "it is ready"."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Probe: TypeAlias = Callable[[], Awaitable[bool]]

FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
PROBE_TIMEOUT_S = 1.0
_NO_ANSWER = "the probe got no answer"


class Prober:
    """Asks one probe again and again until it says yes or the process ends.

    A probe that raises, says no, or takes longer than `timeout_s` counts as "not ready"; in the last case it
    is cancelled, which it should honour.

    Attributes:
        seen: what the last answer was, in words, for an error message.
    """

    def __init__(self, probe: Probe, exited: asyncio.Future[Any], timeout_s: float = PROBE_TIMEOUT_S) -> None:
        self._probe = probe
        self._exited = exited
        self._timeout_s = timeout_s
        self.seen = "the probe was never answered"

    async def run(self) -> bool:
        """Return True as soon as the probe says yes, False as soon as the process has ended."""
        pause_s = FIRST_PAUSE_S
        while not self._exited.done():
            if await self._ask() and not self._exited.done():
                return True
            await asyncio.wait({self._exited}, timeout=pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return False

    async def _ask(self) -> bool:
        asking = asyncio.create_task(self._call())
        try:
            await asyncio.wait(
                {asking, self._exited}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not asking.done():
                self.seen = f"the probe gave no answer within {self._timeout_s:g} s"
            # A probe that cancels itself says no; its CancelledError must not pass for one of ours.
            return asking.done() and not asking.cancelled() and asking.result()
        finally:
            asking.cancel()
            await asyncio.wait({asking}, timeout=self._timeout_s)

    async def _call(self) -> bool:
        # Cannot fail, so that the task needs nobody to collect its exception.
        try:
            is_ready = await self._probe()
        except Exception as error:  # noqa: BLE001 - a probe may fail in any way; each one means "not ready"
            self.seen = f"the probe raised {type(error).__name__}: {error}" if str(error) else _NO_ANSWER
            return False
        self.seen = "the probe answered, but not as ready"
        return is_ready
