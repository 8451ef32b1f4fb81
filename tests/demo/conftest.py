"""Both sides of the demo app, side by side: the FastAPI app in this process, the sidecar as a real one."""

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo_app.api import create_app

READY_PAUSE_S = 0.01


@pytest.fixture(scope="session")
def sidecar(sidecar_binary: Path) -> Iterator[tuple[Path, int]]:
    """A running sidecar: its socket and its process number."""
    with tempfile.TemporaryDirectory(prefix="forst") as folder:
        path = Path(folder) / "s"
        environ = {**os.environ, "FORST_LISTEN": f"unix:{path}"}
        with subprocess.Popen([sidecar_binary], env=environ) as process:
            try:
                _wait_until_ready(process, path)
                yield path, process.pid
            finally:
                process.terminate()


def _wait_until_ready(process: subprocess.Popen[bytes], path: Path) -> None:
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as knock:
            if knock.connect_ex(str(path)) == 0:
                return
        # Nothing tells of a new socket; so ask again, unless the process ends meanwhile.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(READY_PAUSE_S)
    pytest.fail(f"the sidecar ended with status {process.returncode}")


@pytest.fixture(scope="session")
def go(sidecar: tuple[Path, int]) -> Iterator[httpx.Client]:
    """A client of the sidecar."""
    transport = httpx.HTTPTransport(uds=str(sidecar[0]))
    with httpx.Client(transport=transport, base_url="http://demo") as client:
        yield client


@pytest.fixture(scope="session")
def python() -> Iterator[Callable[..., httpx.Response]]:
    """Makes a request to the FastAPI app, as `httpx.Client.request` does."""
    transport = httpx.ASGITransport(create_app(), raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://demo")
    with asyncio.Runner() as runner:

        def request(method: str, url: str, **options: Any) -> httpx.Response:
            return runner.run(client.request(method, url, **options))

        yield request
        runner.run(client.aclose())


@pytest.fixture(scope="session")
def both(
    python: Callable[..., httpx.Response], go: httpx.Client
) -> Callable[..., tuple[httpx.Response, httpx.Response]]:
    """Makes the same request to both sides and returns Python's answer and Go's, which must agree.

    They agree if status, content type and content are the same. JSON is compared with its types: 1, 1.0 and
    true are three different values.
    """

    def request(method: str, url: str, **options: Any) -> tuple[httpx.Response, httpx.Response]:
        ours, theirs = python(method, url, **options), go.request(method, url, **options)
        assert essence(theirs) == essence(ours)
        assert (ours.headers["x-answered-by"], theirs.headers["x-answered-by"]) == ("python", "go")
        return ours, theirs

    return request


def essence(response: httpx.Response) -> tuple[int, str | None, object]:
    """Return what both sides must have in common."""
    kind = response.headers.get("content-type")
    content = typed(response.json()) if kind == "application/json" else response.content
    return response.status_code, kind, content


def typed(value: object) -> object:
    """Return the value in a form in which only equal JSON is equal."""
    match value:
        case bool() | int() | float() | str() | None:
            return type(value).__name__, value
        case list():
            return [typed(item) for item in value]
        case {"type": "json_invalid", "loc": ["body", *_]}:
            return "json_invalid"  # each parser has its own words for it, and its own idea of where
        case dict():
            return {key: typed(item) for key, item in value.items()}
    raise AssertionError(f"unreachable: {value!r} is not JSON")
