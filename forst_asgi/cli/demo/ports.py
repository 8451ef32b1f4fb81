"""Listening sockets for the demo's servers; only this machine can connect to them."""

import socket
from contextlib import suppress
from typing import Final

from forst_asgi.cli.demo.checkout import DemoError

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
ANY: Final = 0


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


def listen_near(port: int, tries: int = 20) -> socket.socket:
    """Return a socket listening on that port or, if it is taken, on one of the next, or else on any."""
    for each in range(port, port + tries):
        with suppress(OSError):
            return _listen(each)
    return listen_on(ANY)


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    return int(listener.getsockname()[1])


def _listen(port: int) -> socket.socket:
    return socket.create_server((HOST, port))
