"""A pipe that ends when we end.

The sidecar gets the read end (its number is in FORST_LIFELINE) and never anything to read from it: when
it sees the end of file, its parent is gone, by whatever death, and it should go too. This needs no
cooperation from a dying parent, unlike a signal handler, and no thread that must stay alive, unlike
PR_SET_PDEATHSIG.
"""

import os

from forst_asgi.supervisor.handed import not_three


class Lifeline:
    """Both ends of the pipe; neither is inheritable unless it is passed on purpose.

    A plain `fork` without exec (multiprocessing) does inherit the write end: such a process keeps the
    sidecar alive until it ends as well.
    """

    def __init__(self) -> None:
        self.read_fd, self._write_fd = map(not_three, os.pipe())
        self._open = {self.read_fd, self._write_fd}

    def hand_over(self) -> None:
        """Close our copy of the read end; the sidecar has its own by now."""
        self._close(self.read_fd)

    def cut(self) -> None:
        """Close what is still open; idempotent."""
        self._close(self.read_fd)
        self._close(self._write_fd)

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.discard(fd)
            os.close(fd)
