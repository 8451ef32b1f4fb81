"""What the app and the client see of a request that the app answers in place of the sidecar."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.errors import ConnectError, ResponseError
from forst_asgi.messages import UpstreamRequest, UpstreamResponse
from forst_asgi.runtime.upstream import Upstream
from forst_asgi.supervisor import Standing, State
from forst_asgi.testing import Answer, FakeTransport, RecordingObserver
from forst_asgi.types import ASGIApp, Message, Receive, Scope, Send

NOWHERE = UpstreamConfig(address="http://127.0.0.1:9")
ROUTE = {"id": "sum", "path": "/sum/{rest:path}", "mode": "on", "auth": "none", "on_failure": "app"}


async def sum_up(request: Request) -> Response:
    """Answer as the Python handler would."""
    if request.url.path.endswith("broken"):
        raise RuntimeError("the app is broken, too")
    return JSONResponse({"body": (await request.body()).decode(), "path": request.url.path})


APP = Starlette(routes=[Route("/sum/{rest:path}", sum_up, methods=["GET", "POST", "PUT"])])


class Unreachable:
    """A transport to nowhere, which reads nothing of a request."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Fail as a real one does that cannot connect."""
        raise ConnectError(f"no, not even for {request.target!r}")

    async def aclose(self) -> None:
        """Close nothing."""


class Site:
    """An app with a middleware whose sidecar has these outcomes, or cannot be reached if there are none.

    Attributes:
        observer: what was told.
    """

    def __init__(self, *outcomes: Answer | Exception, app: ASGIApp = APP, **config: Any) -> None:
        self.observer = RecordingObserver()
        self.sidecar = FakeTransport(outcomes) if outcomes else Unreachable()
        self.app = SidecarMiddleware(
            app,
            Config(sidecar=NOWHERE, routes=[RouteConfig(**ROUTE)], **config),  # type: ignore[arg-type]
            transports={"sidecar": self.sidecar},
            observer=self.observer,
        )

    async def ask(self, method: str, path: str = "/sum/1", **more: Any) -> httpx.Response:
        """Ask once, without a lifespan before."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **more)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(asyncio.wait_for(main, 30))


@pytest.mark.item(39)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_the_python_handler_answers(method: str, size: int) -> None:
    """It gets the request as if nothing had been before, whatever its size."""

    async def main() -> None:
        site = Site()
        answer = await site.ask(method, content=b"x" * size)
        assert answer.json() == {"body": "x" * size, "path": "/sum/1"}
        assert site.observer.names.count("forst.request.fallen_back") == 1
        assert [name for name in site.observer.names if "request" in name] == ["forst.request.fallen_back"]

    run(main())


def test_the_next_request_is_the_sidecars_again() -> None:
    """A failure changes nothing for those that follow."""

    async def main() -> None:
        site = Site(ConnectError("no"), Answer.text("from Go"))
        assert (await site.ask("GET")).json()["path"] == "/sum/1"
        assert (await site.ask("GET")).text == "from Go"

    run(main())


def test_what_the_app_raises_is_the_apps() -> None:
    """It reaches the server as it would without the sidecar, not as a part of the sidecar's failure."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="broken, too") as raised:
            await Site(ConnectError("no")).ask("GET", "/sum/broken")
        assert not isinstance(raised.value.__context__, ResponseError)
        assert raised.value.__context__ is None

    run(main())


def test_the_app_gets_the_servers_own_objects() -> None:
    """Without anything to replay or to show, scope, receive and send are those of the server."""
    calls: list[tuple[Scope, Receive, Send]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append((scope, receive, send))

    async def receive() -> Message:
        raise AssertionError("nobody asks")

    async def send(message: Message) -> None:
        raise AssertionError(f"nobody sends {message}")

    async def main() -> None:
        scope: Scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/sum/1",
            "raw_path": b"/sum/1",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"test")],
        }
        before = dict(scope)
        await Site(ConnectError("no"), app=app).app(scope, receive, send)
        assert calls == [(scope, receive, send)]
        assert calls[0][0] is scope
        assert scope == before

    run(main())


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (Answer.text("from Go"), "sidecar; reason=mode_on"),
        (ConnectError("no"), "app; reason=fell_back"),
    ],
)
def test_who_answered_is_shown(outcome: Answer | Exception, shown: str) -> None:
    """Where decisions are shown, it is the side that answered in the end."""

    async def main() -> None:
        site = Site(outcome, flags={"show_decision_to": ["127.0.0.1/32"]})
        answer = await site.ask("GET")
        assert answer.headers.get_list("x-forst-decision") == [shown]

    run(main())


@pytest.mark.item(41)
def test_another_process_closes_the_breaker() -> None:
    """What the process before could not do says nothing of the one that is there now."""
    observer = RecordingObserver()
    upstream = Upstream("sidecar", UpstreamConfig(command=["sidecar"], breaker_failures=1), observer)
    process = Standing(State.READY, generation=1, pid=7)
    upstream._note(process)
    upstream.gate.fail(ConnectError("no"))
    upstream._note(process)
    assert not upstream.gate.breaker.is_closed
    upstream._note(Standing(State.READY, generation=2, pid=8))
    assert upstream.gate.breaker.is_closed
    assert observer.names == ["forst.breaker.opened", "forst.breaker.closed"]
