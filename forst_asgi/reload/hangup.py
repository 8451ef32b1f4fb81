"""SIGHUP means: read the configuration again. But only where it means nothing else.

    somebody handles or ignores it     gunicorn's and uvicorn's parents restart their workers at it, nohup
                                       ignores it; theirs is theirs
    there is a controlling terminal    it says that the terminal is gone, and the server has to end
    not the main thread                signals are none of our business
    otherwise                          a daemon: it would die of the signal, which nobody sends it for

(termio(7): a terminal that hangs up sends it to its session; daemons have none, daemon(7).)
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable


class Hangup:
    """Handles SIGHUP in the running event loop, if that is nobody else's.

    Args:
        wish: called in the loop for each signal.
        has_terminal: tells whether this process has a controlling terminal.
    """

    def __init__(self, wish: Callable[[], object], has_terminal: Callable[[], bool]) -> None:
        self._wish = wish
        self._has_terminal = has_terminal
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<Hangup {'handled' if self._loop else 'left alone'}>"

    def install(self) -> bool:
        """Handle the signal from now on; tell whether that is so."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL or self._has_terminal():
            return False
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self._wish)
        return True

    def remove(self) -> None:
        """Leave the signal alone again; idempotent."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_signal_handler(signal.SIGHUP)


def has_terminal() -> bool:
    """Tell whether this process has a controlling terminal (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
