"""Drains a sidecar's standard output and error, so that it never blocks on a full pipe."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import IO

from forst_asgi.supervisor.lines import LineCutter

CHUNK_BYTES = 16384  # one read per turn of the loop: some milliseconds even if each line is empty
LAST_LINES = 20
REPORT_WIDTH = 300


class Drain:
    """Reads one pipe to its end, line by line, whenever the loop sees something in it.

    A reader callback and not a task: there is nothing to await, cancel or lose.

    Attributes:
        ended: done as soon as the pipe has ended or was closed.
    """

    def __init__(self, stream: IO[bytes], on_line: Callable[[str], None]) -> None:
        """Begin to read `stream`, which it owns from now on; must be called in a running loop."""
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._on_line = on_line
        self._cutter = LineCutter()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(stream.fileno(), False)
        self._loop.add_reader(stream.fileno(), self._read)

    def move(self) -> None:
        """Go on in the running loop: the one before is closed."""
        self._loop = asyncio.get_running_loop()
        had_ended, self.ended = self.ended.done(), self._loop.create_future()
        if had_ended:
            self.ended.set_result(None)
        else:
            self._loop.add_reader(self._stream.fileno(), self._read)

    def close(self) -> None:
        """Stop reading, pass on an unfinished last line, close the pipe; idempotent."""
        if self.ended.done():
            return
        self._loop.remove_reader(self._stream.fileno())
        self._stream.close()
        self.ended.set_result(None)
        for line in self._cutter.flush():
            self._on_line(line)

    def _read(self) -> None:
        # Not `stream.read`: that raises on EAGAIN or returns None depending on its buffering.
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._stream.fileno(), CHUNK_BYTES)
            for line in self._cutter.feed(chunk):
                self._on_line(line)
            if not chunk:
                self.close()


class Output:
    """Both streams of one process, and the last lines of both for an error message."""

    def __init__(self, streams: Iterable[IO[bytes]], on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._drains = [Drain(stream, self._note) for stream in streams]

    async def wait_ended(self, timeout_s: float) -> None:
        """Wait until both streams have ended, at most `timeout_s`: a stray grandchild may hold one open."""
        await asyncio.wait([drain.ended for drain in self._drains], timeout=timeout_s)

    def move(self) -> None:
        """Go on in the running loop: the one before is closed."""
        for drain in self._drains:
            drain.move()

    def close(self) -> None:
        """Stop reading both; idempotent."""
        for drain in self._drains:
            drain.close()

    def report(self) -> str:
        """Return the last lines, ready to end an error message."""
        if not self._last:
            return "it wrote nothing to its standard output or error"
        return "\n  | ".join(("last output:", *(_shortened(line) for line in self._last)))

    def _note(self, line: str) -> None:
        self._last.append(line)
        self._on_line(line)


def _shortened(line: str) -> str:
    return line if len(line) <= REPORT_WIDTH else f"{line[:REPORT_WIDTH]}..."
