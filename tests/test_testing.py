"""The fakes for users' own tests do what they promise, seen from such a test."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from forst_asgi import Config, HttpxTransport, SidecarMiddleware, UpstreamRequest
from forst_asgi.errors import BodyError, ClientDisconnected, ConnectError
from forst_asgi.interfaces import Transport
from forst_asgi.testing import Answer, FakeTransport, RecordingObserver
from forst_asgi.types import ASGIApp
from tests.transport.upstream import Source, turns

CONFIG = Config(
    sidecar={"address": "http://127.0.0.1:9"},
    routes=[
        {"id": "quotes", "path": "/quotes/{id}", "methods": ["GET", "POST"], "mode": "on", "auth": "none"}
    ],
)


async def home(_: Request) -> PlainTextResponse:
    """Be the app's own page."""
    return PlainTextResponse("home")


APP = Starlette(routes=[Route("/", home)])


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    """Return a client that speaks to an app in the same process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def test_as_a_user_would() -> None:
    """A user's test sees what was forwarded, gives the answer, and knows what was reported."""
    sidecar, observer = FakeTransport([Answer.json({"price": 7}, 201)]), RecordingObserver()
    guarded = SidecarMiddleware(APP, CONFIG, transports={"sidecar": sidecar}, observer=observer)

    async def main() -> None:
        async with client_of(guarded) as client:
            assert (await client.get("/")).text == "home"
            response = await client.post("/quotes/7?a=b", content=b"body")
        assert (response.status_code, response.json()) == (201, {"price": 7})
        assert response.headers["content-type"] == "application/json"

    asyncio.run(main())
    (request,) = sidecar.requests
    assert (request.method, request.target, request.body) == (b"POST", b"/quotes/7?a=b", b"body")
    assert "forst.request.forwarded" in observer.names
    assert "forst.request.forwarded" in repr(observer)
    assert repr(sidecar) == "<FakeTransport requests=1>"


def test_an_app_as_the_sidecar() -> None:
    """The one line of the documentation: a whole ASGI app in the sidecar's place."""

    async def quote(request: Request) -> JSONResponse:
        return JSONResponse({"id": request.path_params["id"]})

    fake_app = Starlette(routes=[Route("/quotes/{id}", quote)])
    transports = {"sidecar": HttpxTransport(httpx.ASGITransport(fake_app))}

    async def main() -> None:
        async with client_of(SidecarMiddleware(APP, CONFIG, transports=transports)) as client:
            assert (await client.get("/quotes/7")).json() == {"id": "7"}

    asyncio.run(main())


def asking(body: object = None) -> UpstreamRequest:
    """Return a request."""
    return UpstreamRequest(b"GET", b"/caf\xc3\xa9", [], body)  # type: ignore[arg-type]


def test_answers_in_turn() -> None:
    """A list is answered one by one; exceptions are raised; when nothing is left the test is told."""

    async def main() -> None:
        transport: Transport = FakeTransport([Answer.text("é"), ConnectError("no")])
        response = await transport.send(asking())
        assert (response.status, await response.read(), response.has_ended) == (200, "é".encode(), True)
        assert await response.read() == b""
        with pytest.raises(ConnectError):
            await transport.send(asking())
        with pytest.raises(AssertionError, match="no answer is left for GET /"):
            await transport.send(asking())

    asyncio.run(main())


def test_answers_from_a_function() -> None:
    """A function gets the request with its body read, and makes the outcome."""

    async def main() -> None:
        transport = FakeTransport(lambda request: Answer(200, [(b"a", b"b")], (request.body or b"none",)))  # type: ignore[arg-type]
        for body, whole in ((None, b"none"), (b"x", b"x"), (Source(b"some", b"more"), b"somemore")):
            response = await transport.send(asking(body))
            assert await response.read() == whole
            assert response.headers == [(b"a", b"b")]
        assert [request.body for request in transport.requests] == [None, b"x", b"somemore"]

    asyncio.run(main())


def test_answers_from_an_async_function() -> None:
    """An async function may take its time; the caller is told that it has to wait."""

    async def main() -> None:
        go, waits = asyncio.Event(), []

        async def answer(_: UpstreamRequest) -> Answer:
            await go.wait()
            return Answer(204)

        request = asking()
        request.on_wait = lambda: waits.append(True)
        transport = FakeTransport(answer)
        task = asyncio.create_task(transport.send(request))
        await turns()
        assert waits == [True]
        go.set()
        assert (await task).has_ended
        go.set()
        assert (await transport.send(asking())).status == 204

    asyncio.run(main())


def test_body_that_breaks_off() -> None:
    """An exception among the pieces of a body is raised there."""

    async def main() -> None:
        answer = Answer(body=(b"some", BodyError("cut")), trailers=[(b"x-t", b"1")])
        transport = FakeTransport([answer])
        response = await transport.send(asking())
        assert repr(response) == "<FakeResponse 200 pieces=2>"
        assert await response.read() == b"some"
        with pytest.raises(BodyError):
            await response.read()
        await response.aclose()
        assert transport.responses[0].is_closed
        assert response.trailers == [(b"x-t", b"1")]

    asyncio.run(main())


def test_request_that_breaks_off() -> None:
    """What the request's body raises is raised, and the request does not count as sent."""

    async def main() -> None:
        transport = FakeTransport()
        with pytest.raises(ClientDisconnected):
            await transport.send(asking(Source(b"some", ClientDisconnected("gone"))))
        assert transport.requests == []
        await transport.aclose()
        assert transport.closed == 1

    asyncio.run(main())
