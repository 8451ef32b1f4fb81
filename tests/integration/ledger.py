"""What the tests' Go program really received: reading its ledger, and killing it without losing that."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PAUSE_S = 0.005
PATIENCE_S = 60.0

ID_FIELD = "x-count-id"
"""The request field that asks to be counted."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger; upstream/ledger.go says what the events mean."""

    event: str
    id: str
    pid: int
    conn: int
    at_ns: int
    bytes: int
    sha256: str = ""
    method: str = ""
    target: str = ""


def read_ledger(path: Path) -> dict[str, list[Entry]]:
    """Return what all processes wrote into a ledger, by request id; not a line that is being written."""
    found: dict[str, list[Entry]] = {}
    whole, _, _ = path.read_text().rpartition("\n")
    for line in whole.splitlines():
        entry = Entry(**json.loads(line))
        found.setdefault(entry.id, []).append(entry)
    return found


class CountedUpstream:
    """The Go program with a ledger, on a Unix socket; it may be killed and started again.

    Args:
        binary: the program in upstream/, built.
        folder: where its sockets and its ledger are; the path must be short.
        idle_timeout: when it hangs up on connections that nobody uses, as Go writes it.
    """

    def __init__(self, binary: Path, folder: Path, idle_timeout: str = "2m") -> None:
        self._binary = binary
        self._folder = folder
        self._idle_timeout = idle_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    @property
    def address(self) -> str:
        """Where a middleware finds it."""
        return f"unix:{self._folder}/go"

    @property
    def ledger(self) -> Path:
        """Where all its processes write down what arrives."""
        return self._folder / "ledger"

    def start(self) -> None:
        """Run the program; return when it listens."""
        control = self._folder / "control"
        control.unlink(missing_ok=True)
        environ = {
            **os.environ,
            "FORST_LISTEN": self.address,
            "CONTROL": str(control),
            "LEDGER": str(self.ledger),
            "IDLE_TIMEOUT": self._idle_timeout,
        }
        self._process = subprocess.Popen([self._binary], env=environ)
        for path in (control, self._folder / "go"):
            self._wait_for(str(path))

    def _wait_for(self, path: str) -> None:
        """Return when somebody listens there; nothing tells of that, so ask again and again."""
        process = self._running
        while process.poll() is None:
            with socket.socket(socket.AF_UNIX) as knock:
                if knock.connect_ex(path) == 0:
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PAUSE_S)
        raise AssertionError(f"the upstream ended with status {process.returncode}")

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """End it as if the power had failed."""
        self._running.send_signal(signal.SIGKILL)
        self._running.wait(PATIENCE_S)
        self.kills += 1

    def restart(self) -> None:
        """Kill it, and start it anew at the same place."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End it for good."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def counts(self) -> dict[str, Any]:
        """Return what the present process counted: events, and connections open, most at once, and ever."""
        transport = httpx.HTTPTransport(uds=str(self._folder / "control"))
        with httpx.Client(transport=transport, base_url="http://control", timeout=PATIENCE_S) as client:
            return dict(client.get("/counts").json())

    def entries(self) -> dict[str, list[Entry]]:
        """Return what all processes wrote down, by request id."""
        return read_ledger(self.ledger)


@contextlib.contextmanager
def counted_upstream(binary: Path, folder: Path, idle_timeout: str = "2m") -> Iterator[CountedUpstream]:
    """Run a counted upstream."""
    upstream = CountedUpstream(binary, folder, idle_timeout)
    try:
        upstream.start()
        yield upstream
    finally:
        upstream.close()
