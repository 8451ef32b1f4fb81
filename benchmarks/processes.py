"""Starting what is measured, and ending it."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
STARTS_S: Final = 30.0
ENDS_S: Final = 3.0


class StartError(Exception):
    """A process did not come up; the text says which, and what it printed."""


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path, listens: int | str, **env: str) -> Iterator[int]:
    """Run a command in a session of its own until the end of the block; yield its pid once it listens.

    Raises:
        StartError: it ended, or does not listen on that TCP port or Unix socket after 30 s.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(process, listens, log)
        yield process.pid
    finally:
        _end(process)


def _wait_for(process: subprocess.Popen[bytes], listens: int | str, log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), _connected(listens):
            return
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip()[-600:]
    raise StartError(f"{process.args!r} does not listen at {listens}: {said or 'it printed nothing'}")


def _connected(listens: int | str) -> socket.socket:
    if isinstance(listens, int):
        return socket.create_connection(("127.0.0.1", listens), timeout=1)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(listens)
    except OSError:
        connection.close()
        raise
    return connection


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole session: some servers leave their workers behind when they are killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDS_S)
