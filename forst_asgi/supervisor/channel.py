"""A connection between two workers of one host: JSON lines both ways, file descriptors beside them.

Plain sockets and reader callbacks, because asyncio's streams cannot take descriptors (SCM_RIGHTS, unix(7)).
Messages are small and the other side reads at once, so nothing is ever buffered for writing: who does not
read is cut off.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from forst_asgi.supervisor.handed import not_three
from forst_asgi.supervisor.peer import peer_of
from forst_asgi.supervisor.standing import decode, encode

CHUNK_BYTES = 65536
LINE_LIMIT = 1 << 20
MOST_FDS = 4


class Channel:
    """One end of a connection, in the running event loop.

    Attributes:
        fds: descriptors that came and that nobody took yet; the channel closes them with itself.
    """

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connected Unix socket."""
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(fileno=not_three(connected.detach()))
        self._pending = b""
        self._messages: deque[dict[str, Any]] = deque()
        self._changed = asyncio.Event()
        self._is_closed = False
        self.fds: list[int] = []
        self._socket.setblocking(False)  # noqa: FBT003 - the only way to say it
        self._loop.add_reader(self._socket.fileno(), self._read)

    def __repr__(self) -> str:
        return f"<Channel {'closed' if self._is_closed else 'open'} messages={len(self._messages)}>"

    @property
    def is_closed(self) -> bool:
        """Whether this end is closed, which also follows the end of the other."""
        return self._is_closed

    def send(self, message: dict[str, Any], fds: Iterable[int] = ()) -> None:
        """Send a message, and copies of descriptors with it; closes the channel when that cannot be done."""
        if self._is_closed:
            return
        line, fds = encode(message), list(fds)
        try:
            sent = socket.send_fds(self._socket, [line], fds) if fds else self._socket.send(line)
        except OSError:
            sent = 0
        if sent != len(line):
            self.close()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message, None at the end."""
        while not self._messages:
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._messages.popleft()

    def take_fd(self) -> int | None:
        """Return the last descriptor that came, which is the caller's from now on; None if there is none."""
        fd = self.fds.pop() if self.fds else None
        self._close_fds()
        return fd

    def close(self) -> None:
        """Close this end; idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._close_fds()
        self._changed.set()

    def abandon(self) -> None:
        """Close our copy, and leave the loop alone: its poll set is our parent's, or it is closed."""
        self._is_closed = True
        self._socket.close()
        self._close_fds()

    def _close_fds(self) -> None:
        while self.fds:
            os.close(self.fds.pop())

    def _read(self) -> None:
        try:
            chunk, fds, _, _ = socket.recv_fds(self._socket, CHUNK_BYTES, MOST_FDS)
        except BlockingIOError:
            return
        except OSError:
            chunk, fds = b"", []
        for fd in fds:
            os.set_inheritable(fd, False)  # noqa: FBT003 - the only way to say it
            self.fds.append(fd)
        if not chunk or not self._take(chunk):
            self.close()

    def _take(self, chunk: bytes) -> bool:
        """Keep what was read; False when it is no message of ours."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        with contextlib.suppress(Exception):
            self._messages.extend(decode(line) for line in lines)
            self._changed.set()
            return len(self._pending) <= LINE_LIMIT
        return False


class Door:
    """A listening control socket; hands each connection of our own user to `on_channel`.

    Args:
        path: where; what is there is removed, so the caller has to hold the leader's lock.
        on_channel: called in the loop.
    """

    def __init__(self, path: Path, on_channel: Callable[[Channel], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._on_channel = on_channel
        path.unlink(missing_ok=True)
        self._socket = socket.socket(fileno=not_three(socket.socket(socket.AF_UNIX).detach()))
        self._socket.setblocking(False)  # noqa: FBT003 - the only way to say it
        self._socket.bind(str(path))
        self._inode = path.stat().st_ino
        path.chmod(0o600)
        self._socket.listen(128)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Take no more connections, remove the socket; idempotent."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            if self.is_there:
                self._path.unlink(missing_ok=True)
            self._socket.close()

    @property
    def is_there(self) -> bool:
        """Whether it is what others find at its path."""
        try:
            return self._socket.fileno() >= 0 and self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def abandon(self) -> None:
        """Close our copy in a forked process; see `Channel.abandon`."""
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connected, _ = self._socket.accept()
            if peer_of(connected).is_ours:
                self._on_channel(Channel(connected))
            else:
                connected.close()


def knock(path: Path) -> Channel | None:
    """Return a channel to the leader, None when nobody answers the door."""
    made = socket.socket(socket.AF_UNIX)
    try:
        made.setblocking(False)  # noqa: FBT003 - the only way to say it
        made.connect(str(path))
        if peer_of(made).is_ours:
            return Channel(made)
    except OSError:
        pass
    made.close()
    return None
