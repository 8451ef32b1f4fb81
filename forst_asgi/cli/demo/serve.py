"""What runs in a server's process: uvicorn on an inherited socket, until whoever started it is gone.

    python -m forst_asgi.cli.demo.serve module:app FD

Standard input is a lifeline: nothing ever comes through it, and it ends when the starter closes it or dies,
however that happens. Then the server shuts down as if it had been told to, and with it its sidecars.
"""

import os
import socket
import sys
import threading
from typing import Final

import uvicorn

GRACE_S: Final = 3
"""How long requests that are being answered may take at the end."""


def serve(app: str, listener: socket.socket, lifeline: int) -> None:
    """Serve an app until the lifeline ends.

    Args:
        app: where the app is, such as "demo_app.app:app".
        listener: a listening socket.
        lifeline: a file descriptor to read from.
    """
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S))
    threading.Thread(target=_watch, args=(lifeline, server), daemon=True).start()
    server.run(sockets=[listener])


def _watch(lifeline: int, server: uvicorn.Server) -> None:
    # Not through sys.stdin: its lock, held in a blocking read, would make the interpreter's end fatal.
    os.read(lifeline, 1)
    server.should_exit = True


def main(arguments: list[str]) -> None:
    """Serve what the arguments say."""
    app, listener = arguments
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - an entry of sys.path is a str
    with socket.socket(fileno=int(listener)) as inherited:
        serve(app, inherited, sys.stdin.fileno())


if __name__ == "__main__":  # pragma: no cover - the tests call main()
    main(sys.argv[1:])
