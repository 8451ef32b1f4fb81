"""Making one connection to an origin, and what can go wrong with that."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, TypeVar

from forst_asgi.errors import ConnectError, ConnectTimeout, UpstreamError
from forst_asgi.transport.origin import Origin

_BACKLOG_PAUSE_S: Final = 0.005
"""How long to wait before knocking again at a Unix socket whose backlog is full; nothing tells of room."""

P = TypeVar("P", bound=asyncio.Protocol)


class TlsError(ConnectError):
    """The TLS handshake failed."""

    proxy_error = "tls_protocol_error"


async def connect(
    origin: Origin, make_protocol: Callable[[], P], timeout_s: float
) -> tuple[asyncio.Transport, P]:
    """Return a connection to an origin, TLS handshake included.

    Args:
        origin: where to.
        make_protocol: makes what the connection is read by.
        timeout_s: how long that may take, in seconds.

    Raises:
        OSError: it cannot be made; TimeoutError and ssl.SSLError are of that kind. See `connect_failure`.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        if origin.path is not None:
            return await loop.create_unix_connection(make_protocol, sock=await _connected(origin.path))
        return await loop.create_connection(
            make_protocol,
            origin.host,
            origin.port,
            ssl=origin.tls,
            server_hostname=(origin.server_hostname or origin.host) if origin.tls else None,
        )


def connect_failure(error: BaseException) -> UpstreamError | None:
    """Return our own exception for what went wrong; None for what is ours already, or no failure."""
    if isinstance(error, TimeoutError):
        return ConnectTimeout("the upstream could not be connected to in time")
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return TlsError(f"the TLS handshake failed: {error}")
    if isinstance(error, OSError):
        return ConnectError(f"the upstream cannot be connected to: {error.strerror or error}")
    return None


async def _connected(path: str) -> socket.socket:
    """Connect to a Unix socket.

    That is done at once or, with EAGAIN, not at all: the listener's backlog is full (connect(2)). asyncio
    takes that for a connection in progress, and then the unconnected socket for a connected one.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(0)
        while True:
            try:
                made.connect(path)
            except BlockingIOError:
                await asyncio.sleep(_BACKLOG_PAUSE_S)
            else:
                return made
    except BaseException:
        made.close()
        raise
