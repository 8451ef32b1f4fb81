"""Runs a sidecar process: a private place for its socket, start, readiness, output, stop.

    spec -> program (found?) -> child (process, group, lifeline) -> probing (ready?) -> sidecar (its life)
                                  output (always drained)

This is mechanism only. One `Sidecar` is one life of one process; who starts it in which worker, and whether
another follows when it ends, is the business of whoever owns it.
"""

from forst_asgi.supervisor.runtime_dir import PrivateSocket, private_socket
from forst_asgi.supervisor.sidecar import Sidecar
from forst_asgi.supervisor.spec import SidecarSpec

__all__ = ["PrivateSocket", "Sidecar", "SidecarSpec", "private_socket"]
