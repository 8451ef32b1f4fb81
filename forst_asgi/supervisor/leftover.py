"""Makes sure that the process of a leader that died goes too.

Its lifeline has ended with the leader, and it should be on its way out. One that hangs cannot see that.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

GONE_WITHIN_S = 1.5

if sys.platform == "linux":

    async def see_gone(pid: int, nonce: str, within_s: float = GONE_WITHIN_S) -> None:
        """Kill a process and its group if it does not end by itself in time.

        Args:
            pid: its number, which may be somebody else's by now.
            nonce: what it was given as FORST_NONCE; a process without that is left alone.
            within_s: how long it has, in seconds.
        """
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return
        try:
            # The handle is taken first: if the number was given away since, what we read is not the nonce.
            if nonce and f"FORST_NONCE={nonce}".encode() in Path(f"/proc/{pid}/environ").read_bytes():  # noqa: ASYNC240 - no disk
                await _end_within(handle, pid, within_s)
        except OSError:
            return
        finally:
            os.close(handle)

    async def _end_within(handle: int, pid: int, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(handle, ended.set)  # pidfd_open(2): readable once the process has ended
        try:
            async with asyncio.timeout(within_s):
                await ended.wait()
        except TimeoutError:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        finally:
            loop.remove_reader(handle)

else:

    async def see_gone(pid: int, nonce: str, within_s: float = GONE_WITHIN_S) -> None:
        """Do nothing: without a handle on it, the number could be somebody else's."""
