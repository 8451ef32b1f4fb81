"""Where one process after the other listens, and the one address at which all of them are reached.

The address that requests go to never changes. What changes is who listens there:

    Unix socket   each process gets a socket of its own beside the address, is asked there whether it is
                  ready, and only then its socket is renamed to the address. That is one atomic step: a
                  connection goes either to the old one or to the new one, and both are alive.
    TCP           there is one port. Passed on, it is shared while the old one drains; else there is a gap
                  between the end of the one and the start of the other.

Who listens on a socket decides what becomes of connections while nobody accepts them. Our own listener,
handed over as descriptor 3, keeps them in its backlog until the next process takes them; one that the
program opened itself is gone with the program.

A program need not say which of the two it knows. On a private socket it is offered both, the listener and,
in FORST_LISTEN, a path that is its own; where it answers is what it took.
"""

import contextlib
import os
import secrets
import socket
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor.asking import is_listening
from forst_asgi.supervisor.place import Place

BACKLOG = 4096  # the kernel lowers it to its own limit (net.core.somaxconn)


class Offer(Enum):
    """How a program comes by its listener."""

    BOTH = "auto"  # as it likes
    PASS = "pass"  # noqa: S105 - no password; ours, as descriptor 3
    OWN = "own"  # it opens one at FORST_LISTEN


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one process listens.

    Attributes:
        listen: what it gets as FORST_LISTEN.
        listener: what it is handed, if anything.
        places: where it may answer, the most telling first.
    """

    listen: Place
    listener: socket.socket | None
    places: tuple[Place, ...]


class Seats:
    """Gives seats to processes, and their places to the public.

    Args:
        public: where requests go.
        folder: where sockets beside it are made: our own directory, or that of a `public` socket elsewhere.
        offer: how programs come by their listener.
    """

    def __init__(self, public: Place, folder: Path, offer: Offer) -> None:
        self.public = public
        self._folder = folder
        self._offer = offer
        self._listener: socket.socket | None = None  # the one that `public` leads to
        self._takes_listener: bool | None = None if offer is Offer.BOTH else offer is Offer.PASS

    def __repr__(self) -> str:
        return f"<Seats {self.public} {self._offer.value} listener={self._listener is not None}>"

    @property
    def listener(self) -> socket.socket | None:
        """Our own listener at the public address, None when there is none."""
        return self._listener

    @property
    def overlaps(self) -> bool:
        """Whether two processes can run at a time, so that one can follow the other without a gap."""
        return self._offer is Offer.PASS or (self._offer is Offer.BOTH and bool(self.public.path))

    @property
    def inode(self) -> int:
        """The inode of the public socket, 0 when there is none; it tells whether a listener belongs to it."""
        with contextlib.suppress(OSError):
            return Path(self.public.path).stat().st_ino if self.public.path else 0
        return 0

    @property
    def is_lost(self) -> bool:
        """Whether there is nothing at the public address, because it was removed or never made."""
        return bool(self.public.path) and not os.path.lexists(self.public.path)

    def move(self, public: Place, folder: Path) -> None:
        """Lead to another address from the next process on."""
        self.public, self._folder = public, folder

    def adopt(self, fd: int, inode: int) -> None:
        """Go on with a listener that another worker made, if the public address still leads to it."""
        listener = socket.socket(fileno=fd)
        if self.public.path and inode != self.inode:
            listener.close()  # its maker died between two steps of a swap
            return
        listener.listen(BACKLOG)  # so that the kernel names us as the one who listens
        self._listener, self._takes_listener = listener, True

    def take(self, *, is_swap: bool) -> Seat:
        """Return the seat for the next process.

        Args:
            is_swap: the process before it lives and is reached at the public address.

        Raises:
            SidecarError: somebody else listens there already.
            OSError: no listener can be made.
        """
        if self.is_lost and not is_swap:
            self.close()  # nobody could reach it
        if not self.overlaps:
            self._clear(self.public)
            return Seat(self.public, None, (self.public,))
        if self._offer is Offer.PASS and self._listener is None and not is_swap:
            self._clear(self.public)
        listener, place = self._listener_for(is_swap=is_swap)
        if self._offer is Offer.PASS:
            return Seat(self.public, listener, (place,))
        own = self._beside("own")
        Path(own.path).unlink(missing_ok=True)
        if self._takes_listener is False:
            return Seat(own, None, (own,))
        return Seat(own, listener, (own, place))

    def publish(self, seat: Seat, answered: Place) -> None:
        """Lead the public address to where the process answered. What was there before serves no more."""
        if answered != self.public and answered.path:
            os.replace(answered.path, self.public.path)  # noqa: PTH105 - the one system call that matters
        before, self._listener = self._listener, None if answered == seat.listen else seat.listener
        if self._offer is Offer.PASS:
            self._listener = seat.listener
        self._takes_listener = self._listener is not None
        for listener in {before, seat.listener} - {self._listener, None}:
            _close(listener)

    def give_up(self, seat: Seat) -> None:
        """Take a seat back whose process failed."""
        if seat.listener is not None and seat.listener is not self._listener:
            _close(seat.listener)

    def close(self) -> None:
        """Close our listener: connections that wait in it are refused now."""
        _close(self._listener)
        self._listener = None

    def _listener_for(self, *, is_swap: bool) -> tuple[socket.socket | None, Place]:
        if self._takes_listener is False:
            return None, self.public
        if self._listener is not None and (not is_swap or not self.public.path):
            return self._listener, self.public
        place = self._beside("our") if self.public.path else self.public
        self._clear(place)
        return _listener_at(place), place

    def _beside(self, prefix: str) -> Place:
        return Place(str(self._folder / f"{prefix}-{secrets.token_hex(4)}.sock"))

    def _clear(self, place: Place) -> None:
        """Make way for a listener: a socket that nobody listens on is removed, anything else is refused."""
        if is_listening(place):
            raise SidecarError(f"somebody else listens on {place} already; stop it or choose another address")
        if place.path and os.path.lexists(place.path):
            if not stat.S_ISSOCK(os.lstat(place.path).st_mode):
                raise SidecarError(
                    f"{place.path} exists and is not a socket; remove it or choose another path"
                )
            Path(place.path).unlink(missing_ok=True)


def _listener_at(place: Place) -> socket.socket:
    if not place.path:
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        return socket.create_server((place.host, place.port), family=family, backlog=BACKLOG)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(place.path)
        Path(place.path).chmod(0o600)  # before anybody can connect, for it does not listen yet
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _close(listener: socket.socket | None) -> None:
    """Close it, and remove its file if it still is at the path that it was bound to."""
    if listener is None:
        return
    if listener.family == socket.AF_UNIX:
        with contextlib.suppress(OSError):
            Path(listener.getsockname()).unlink()
    listener.close()
