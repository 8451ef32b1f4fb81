"""A server in a process of its own, which ends with us whatever happens to us."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from forst_asgi.cli.demo.checkout import DemoError
from forst_asgi.cli.demo.ports import HOST, port_of

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
"""More than what requests (serve.GRACE_S) and then sidecars (`stop_timeout`) get to finish."""

_KEPT_LINES = 30


class Server:
    """One app, served on one socket.

    The socket listens before the process runs, so the first request simply waits until it is answered;
    nothing has to be asked again and again.

    Args:
        app: where the app is, such as "demo_app.app:app".
        listener: a listening socket; the process takes it over.
        folder: where its modules are.

    Attributes:
        port: the port it listens on.
    """

    def __init__(self, app: str, listener: socket.socket, folder: Path) -> None:
        self.port = port_of(listener)
        self._app = app
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._is_shown = False
        # A session of its own, so that a terminal's Ctrl-C reaches only us, who then end it in order.
        self._process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "forst_asgi.cli.demo.serve", app, str(listener.fileno())],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
        listener.close()
        self._lifeline = self._process.stdin
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        return f"<Server {self._app} {self.url} pid={self._process.pid}>"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.port}"

    def wait_until_ready(self, path: str = "/health") -> None:
        """Return once it answers.

        Raises:
            DemoError: it ended, or did not answer in `READY_TIMEOUT_S`; with what it wrote.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=READY_TIMEOUT_S)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise DemoError(f"{self._app} could not be started:\n{self._said()}") from error
        finally:
            connection.close()

    def show_output(self) -> None:
        """Pass on to standard error what it writes from now on."""
        self._is_shown = True

    def wait(self) -> None:
        """Return when it ends by itself.

        Raises:
            DemoError: always; nothing but a failure ends it.
        """
        status = self._process.wait()
        self._reader.join()
        raise DemoError(f"{self._app} ended by itself (status {status}):\n{self._said()}")

    def hang_up(self) -> None:
        """Tell it to end, without waiting for it. Idempotent."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            lifeline.close()

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Let it end, by force when it takes too long. Idempotent."""
        self.hang_up()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _said(self) -> str:
        """Return what it wrote last, indented; without the events, which are JSON, if there is more."""
        lines = [line for line in self._lines if not line.startswith("{")] or self._lines
        return "".join(f"    {line}" for line in lines).rstrip() or "    (it wrote nothing)"

    def _read(self, output: IO[bytes]) -> None:
        """Take what it writes, so that it never has to wait for us."""
        with output:
            for line in output:
                text = line.decode(errors="replace")
                self._lines.append(text)
                if self._is_shown:
                    sys.stderr.write(text)


@contextmanager
def serving(*apps: tuple[str, socket.socket], folder: Path) -> Iterator[list[Server]]:
    """Run a server for each pair of an app and a listening socket; in the end none of them is left."""
    servers: list[Server] = []
    try:
        servers += (Server(app, listener, folder) for app, listener in apps)
        yield servers
    finally:
        with _undisturbed():
            for server in servers:
                server.hang_up()
            for server in servers:
                server.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C for the moment: a second one would leave behind what the first one cleans up."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
