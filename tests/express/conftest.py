"""Uvicorn with the lane, in front of a scripted upstream; and uvicorn without it, to compare with."""

import contextlib
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from forst_asgi import Config, Event, SidecarMiddleware
from forst_asgi.express import Protocol
from forst_asgi.express.passage import Passage
from forst_asgi.messages import UpstreamResponse
from forst_asgi.testing import RecordingObserver
from forst_asgi.types import ASGIApp, RawHeaders, Receive, Scope, Send
from tests.behaviours.conftest import Site, serving_on
from tests.behaviours.wire import Backend

GO: dict[str, Any] = {"id": "go", "path": "/go/{rest:path}", "mode": "on", "auth": "none", "express": True}


async def python(scope: Scope, receive: Receive, send: Send) -> None:
    """Be the app: say so."""
    if scope["type"] != "http":
        raise NotImplementedError
    body = b""
    message: Any = {"more_body": True}
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % (6 + len(body)))],
        }
    )
    await send({"type": "http.response.body", "body": b"python" + body})


E = TypeVar("E", bound=Event)


def only(events: list[Event], kind: type[E]) -> E:
    """Return the one event of a kind."""
    (found,) = (event for event in events if isinstance(event, kind))
    return found


def app(backend: Backend, *, observer: RecordingObserver | None = None, **config: Any) -> SidecarMiddleware:
    """Return the middleware around that app."""
    route = {**GO, **config.pop("route", {})}
    given = {"sidecar": {"address": backend.address}, "routes": [route], **config}
    return SidecarMiddleware(python, Config(**given), observer=observer or RecordingObserver())


@dataclass
class Lane:
    """A server with the lane.

    Attributes:
        site: the server.
        ways: how many requests were answered on the lane, carried on by a cycle, or left the lane unsent.
    """

    site: Site
    ways: Counter[str] = field(default_factory=Counter)

    def warm(self) -> None:
        """Let there be an idle connection to the upstream."""
        assert self.site.get(b"/go/warm").status == 200


def counting(ways: "Counter[str]") -> type[Protocol]:
    """Return a protocol that counts which way requests took."""

    class Counting(Protocol):
        def answer(self, passage: Passage, response: UpstreamResponse, fields: RawHeaders) -> None:
            ways["lane"] += 1
            super().answer(passage, response, fields)

        def carry_on(self, passage: Passage) -> None:
            ways["carried on"] += 1
            super().carry_on(passage)

        def _leave(self, passage: Passage, *, is_whole: bool) -> None:
            ways["left"] += 1
            super()._leave(passage, is_whole=is_whole)

    return Counting


@contextlib.contextmanager
def lane_to(app: ASGIApp, backend: Backend, **options: Any) -> Iterator[Lane]:
    """Serve an app with uvicorn and the lane."""
    ways: Counter[str] = Counter()
    given = {"http": counting(ways), "loop": "uvloop", "lifespan": "on", **options}
    with socket.create_server(("127.0.0.1", 0)) as listener, serving_on(listener, app, **given):
        yield Lane(Site("uvicorn-express", listener.getsockname()[1], backend), ways)


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    """The upstream."""
    with tempfile.TemporaryDirectory(prefix="fe-", dir="/tmp") as folder:
        made = Backend(Path(folder, "s"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def shared(backend: Backend) -> Iterator[Lane]:
    """One server for all tests that leave it as it was."""
    with lane_to(app(backend), backend) as made:
        yield made


@pytest.fixture
def lane(shared: Lane) -> Lane:
    """The same, with an idle connection to the upstream and nothing counted."""
    shared.warm()
    shared.ways.clear()
    return shared


@pytest.fixture(scope="module")
def usual(backend: Backend) -> Iterator[Site]:
    """Uvicorn without the lane."""
    options: dict[str, Any] = {"http": "httptools", "loop": "uvloop"}
    with socket.create_server(("127.0.0.1", 0)) as listener, serving_on(listener, app(backend), **options):
        yield Site("uvicorn", listener.getsockname()[1], backend)
