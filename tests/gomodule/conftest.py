"""Both twins, side by side: the FastAPI app in this process, the Go program as a real one."""

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from tests.gomodule.twin import app

HERE = Path(__file__).parent

Both: TypeAlias = Callable[..., tuple[httpx.Response, httpx.Response]]


@pytest.fixture(scope="session")
def twin_client(go_build: Callable[[Path], Path]) -> Iterator[httpx.Client]:
    """A client of program/main.go."""
    binary = go_build(HERE / "program")
    with tempfile.TemporaryDirectory(prefix="forst") as folder:
        path = Path(folder) / "s"
        with subprocess.Popen([binary], env={**os.environ, "FORST_LISTEN": f"unix:{path}"}) as process:
            try:
                _wait_until_ready(process, path)
                with httpx.Client(
                    transport=httpx.HTTPTransport(uds=str(path)), base_url="http://t"
                ) as client:
                    yield client
            finally:
                process.terminate()


def _wait_until_ready(process: subprocess.Popen[bytes], path: Path) -> None:
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as knock:
            if knock.connect_ex(str(path)) == 0:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):  # nothing tells of a new socket: ask again
            process.wait(0.01)
    pytest.fail(f"the twin ended with status {process.returncode}")


@pytest.fixture(scope="session")
def both(twin_client: httpx.Client) -> Iterator[Both]:
    """Makes the same request to both and returns Python's answer and Go's."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://t")
    with asyncio.Runner() as runner:

        def request(method: str, url: str, **options: Any) -> tuple[httpx.Response, httpx.Response]:
            return (
                runner.run(client.request(method, url, **options)),
                twin_client.request(method, url, **options),
            )

        yield request
        runner.run(client.aclose())
