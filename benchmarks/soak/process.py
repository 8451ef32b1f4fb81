"""The server under soak: a uvicorn in a process of its own, and what the operating system says of it."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
STARTS_S: Final = 30.0

SERVERS: Final = {
    "uvloop+httptools": ["--loop", "uvloop", "--http", "httptools"],
    "asyncio+h11": ["--loop", "asyncio", "--http", "h11"],
    "asyncio+httptools": ["--loop", "asyncio", "--http", "httptools"],
    "uvloop+h11": ["--loop", "uvloop", "--http", "h11"],
}


@dataclass(frozen=True)
class Server:
    """A server process."""

    pid: int
    port: int

    def state(self) -> dict[str, Any]:
        """Return what it says that it holds, over a connection that is closed afterwards."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STARTS_S)
        with contextlib.closing(connection):
            connection.request("GET", "/soak/state", headers={"connection": "close"})
            return dict(json.load(connection.getresponse()))

    def fds(self) -> int:
        """Return how many descriptors it has open (proc(5))."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self, what: str = "VmRSS") -> int:
        """Return its memory in KiB: VmRSS now, or VmHWM at most until now (proc(5))."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
        raise LookupError(what)

    def forget_peak(self) -> None:
        """Let VmHWM begin anew from what is in use now (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def serving(app: str, address: str, options: list[str]) -> Iterator[Server]:
    """Run an app of this package under uvicorn."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log"]
    command += ["--log-level", "critical", "--timeout-keep-alive", "60", *options]
    environ = {**os.environ, "SOAK_ADDRESS": address}
    with subprocess.Popen(command, cwd=ROOT, env=environ) as process:
        try:
            _wait_for(process, port)
            yield Server(process.pid, port)
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    sys.exit("the server does not start")
