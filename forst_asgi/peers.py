"""Who is at the other end of a connection, as ASGI has it."""

from forst_asgi.types import Scope


def peer_of(scope: Scope) -> str | None:
    """Return the peer's address; None where it has none, as on a Unix socket.

    ASGI says None for the client then; granian says "" for its address.
    """
    client = scope.get("client")
    return (client[0] or None) if client else None
