"""A configuration file that can be written again, and what is served from it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from forst_asgi import SidecarMiddleware
from forst_asgi.reload import Succession
from forst_asgi.runtime import Runtime
from forst_asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from tests.conftest import Recorder


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer "python"."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"python"})


class Site:
    """A middleware with a file, as a server in this process has it.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, command: list[str], recorder: "Recorder") -> None:
        self.path = path
        self._command = command
        self._recorder = recorder
        self._middleware: SidecarMiddleware | None = None

    def text(self, *routes: str, top: str = "", sidecar: str = "") -> str:
        """Return a file with these routes, each `id path more` or `id path`."""
        lines = [top, "[sidecar]", f"command = {json.dumps(self._command)}", 'ready_timeout = "30s"', sidecar]
        for route in routes:
            name, path, *more = route.split(" ", 2)
            lines += ["[[route]]", f'id = "{name}"', f'path = "{path}"', 'mode = "on"']
            lines += more or ['auth = "none"']
        return "\n".join(lines)

    def write(self, *routes: str, top: str = "", sidecar: str = "") -> None:
        """Write the file anew."""
        self.path.write_text(self.text(*routes, top=top, sidecar=sidecar))

    @property
    def middleware(self) -> SidecarMiddleware:
        """The middleware, made when it is first asked for."""
        if self._middleware is None:
            self._middleware = SidecarMiddleware(app, self.path, observer=self._recorder)
        return self._middleware

    @property
    def succession(self) -> Succession:
        return self.middleware._succession

    @property
    def runtime(self) -> Runtime:
        """The runtime that requests get."""
        assert self.middleware._runtime is self.succession.current
        return self.succession.current

    async def get(self, path: str) -> str:
        """Return what is answered: a process number, or "python"."""
        transport = httpx.ASGITransport(self.middleware)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get(path)).text


@pytest.fixture
def site(
    tmp_path: Path, python_sidecar: list[str], recorder: "Recorder", monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site whose file is not written yet."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield Site(tmp_path / "forst.toml", python_sidecar, recorder)
    assert list(tmp_path.glob("forst-*")) == []


MakeSite = Callable[..., Site]
