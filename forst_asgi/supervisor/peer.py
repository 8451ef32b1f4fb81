"""Who is at the other end of a Unix socket, by the word of the kernel (unix(7), SO_PEERCRED).

For the connecting side that is who called `listen`: the program itself, or we, when it got its listener
from us. macOS tells the user and the process by two options of its own.
"""

import os
import socket
import struct
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end.

    Attributes:
        pid: its number; 0 when it is in another PID namespace.
        uid: its effective user.
    """

    pid: int
    uid: int

    @property
    def is_ours(self) -> bool:
        """Whether it runs as our user or as root, who can do everything anyway."""
        return self.uid in {os.geteuid(), 0}

    def is_of(self, leader: int) -> bool:
        """Tell whether it is this very process, or belongs to the session that `leader` leads."""
        if self.pid in {0, os.getpid()}:
            return True
        try:
            return os.getsid(self.pid) == leader
        except (ProcessLookupError, PermissionError):
            return False


if sys.platform == "darwin":
    _SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2

    def peer_of(connected: socket.socket) -> Peer:
        """Return who is at the other end of a connected Unix socket."""
        _, uid = struct.unpack("=II", connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)[:8])
        (pid,) = struct.unpack("=i", connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
        return Peer(pid, uid)

else:

    def peer_of(connected: socket.socket) -> Peer:
        """Return who is at the other end of a connected Unix socket."""
        size = struct.calcsize("=iII")
        pid, uid, _ = struct.unpack("=iII", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return Peer(pid, uid)
