"""Listening sockets for the demo's servers; only this machine can connect to them."""

import errno
import socket
from typing import Final

from forst_asgi.cli.demo.checkout import DemoError

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
ANY: Final = 0

_TRIED = 20


def listen_on(port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        port: the port, `ANY` for one that is free.

    Raises:
        DemoError: the port cannot be had.
    """
    try:
        return _listen(port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DemoError(
            f"cannot listen on {HOST}:{port}: {reason}; choose another port with --port, "
            "or leave --port out and one that is free is taken"
        ) from error


def listen_near(port: int) -> socket.socket:
    """Return a socket listening on that port or, if it is taken, on the next one that is free."""
    for each in range(port, port + _TRIED):
        try:
            return _listen(each)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    return listen_on(ANY)


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    return int(listener.getsockname()[1])


def _listen(port: int) -> socket.socket:
    return socket.create_server((HOST, port))
