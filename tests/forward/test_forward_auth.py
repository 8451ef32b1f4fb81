"""The route's `auth` callable: what it sees, what it may return, and how it refuses (item 44)."""

import asyncio
import json
import re
import threading
import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from forst_asgi.events import RequestFailed
from forst_asgi.forward.policy import AuthCallable
from forst_asgi.identity import RequestLine, RouteSigner, Signer
from forst_asgi.types import Scope
from tests.forward.calls import SECRET, Forwarding, http_scope, piece, sent_for

BEARER = (b"authorization", b"Bearer x")


def identity(auth: AuthCallable, scope: Scope | None = None) -> Any:
    """Return the claims that the upstream got, None when there is no such field."""
    request = sent_for(scope or http_scope(BEARER), auth=auth)
    values = [value for name, value in request.headers if name == b"x-forst-identity"]
    assert len(values) <= 1
    if not values:
        return None
    payload = Signer(SECRET).verify(values[0], RequestLine(request.method, request.target), time.time())
    assert payload["route"] == "quotes"
    return payload["claims"]


def refused(auth: AuthCallable, **scope: Any) -> tuple[Forwarding, Any]:
    """Return what the client got from an `auth` that refuses; nothing was forwarded."""
    forwarding = Forwarding(auth=auth)
    client = asyncio.run(forwarding.answer(http_scope(BEARER, **scope)))
    assert not forwarding.fake.requests
    return forwarding, client


class Checker:
    """An object that can be called."""

    def __call__(self, connection: HTTPConnection) -> dict[str, Any]:
        return {"sub": connection.headers["authorization"]}


class AsyncChecker:
    """An object that can be called and awaited."""

    async def __call__(self, connection: HTTPConnection) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"sub": connection.headers["authorization"]}

    async def method(self, connection: HTTPConnection) -> dict[str, Any]:
        """Be called as a bound method."""
        return await self(connection)


async def plain_async(connection: HTTPConnection) -> dict[str, Any]:
    """Be an async function."""
    return {"sub": connection.headers["authorization"]}


def returns_awaitable(connection: HTTPConnection) -> Any:
    """Be a plain function that returns a coroutine."""
    return plain_async(connection)


@pytest.mark.item(44)
@pytest.mark.parametrize(
    "auth",
    [plain_async, Checker(), AsyncChecker(), AsyncChecker().method, returns_awaitable],
    ids=["function", "object", "async object", "async method", "returns a coroutine"],
)
def test_claims_travel(auth: AuthCallable) -> None:
    """Whatever kind of callable it is, what it returns travels signed in `x-forst-identity`."""
    assert identity(auth) == {"sub": "Bearer x"}


def test_plain_function_gets_a_thread() -> None:
    """A plain function may block, so it does not run in the event loop's thread."""
    threads: list[int] = []

    def auth(_: HTTPConnection) -> None:
        threads.append(threading.get_ident())

    assert identity(auth) is None
    assert threads != [threading.get_ident()]


def test_no_claims() -> None:
    """None passes without a field; an empty mapping is a field; a client's own field is dropped."""

    async def none(_: HTTPConnection) -> None:
        return None

    async def empty(_: HTTPConnection) -> dict[str, Any]:
        return {}

    forged = http_scope((b"x-forst-identity", b"e30"))
    assert identity(none, forged) is None
    assert identity(empty, forged) == {}


@pytest.mark.item(44)
def test_it_sees_what_is_forwarded() -> None:
    """The callable sees the fields that go upstream, not those that are dropped; the scope is not changed."""
    seen: list[Any] = []

    async def auth(connection: HTTPConnection) -> None:
        seen.append((connection.url.path, connection.scope["headers"]))

    scope = http_scope(BEARER, (b"x_user", b"root"), (b"x-forst-identity", b"e30"), (b"connection", b"a"))
    before = list(scope["headers"])
    fields = sent_for(scope, auth=auth).headers
    assert seen[0] == ("/api/quotes/7", list(fields))
    assert {b"x_user", b"x-forst-identity"}.isdisjoint(name for name, _ in seen[0][1])
    assert scope["headers"] == before


@pytest.mark.item(44)
def test_it_is_asked_before_the_body() -> None:
    """A request that is refused has not had its body read: no 100 Continue, no upload for nothing."""

    async def auth(_: HTTPConnection) -> None:
        raise HTTPException(401)

    async def main() -> None:
        forwarding = Forwarding(auth=auth)
        scope = http_scope((b"content-length", b"5"), method="POST")
        client = await forwarding.answer(scope, piece(b"hello"))
        assert (client.status, client.receives) == (401, 0)

    asyncio.run(main())


@pytest.mark.item(44)
@pytest.mark.parametrize("is_async", [True, False])
def test_refusal(*, is_async: bool) -> None:
    """An HTTPException is answered as FastAPI would: its status, its fields, its detail as JSON."""
    challenge = {"www-authenticate": "Bearer"}

    def auth(_: HTTPConnection) -> None:
        raise HTTPException(401, "expired", challenge)

    async def auth_async(connection: HTTPConnection) -> None:
        auth(connection)

    forwarding, client = refused(auth_async if is_async else auth)
    assert client.status == 401
    assert json.loads(client.body) == {"detail": "expired"}
    assert (b"www-authenticate", b"Bearer") in client.headers
    assert forwarding.observer.names == ["forst.request.refused"]


class Expired(HTTPException):
    """An exception of the app's own."""


def in_the_apps_way(_request: Request, error: Exception) -> Response:
    """Answer with the exception's name."""
    return PlainTextResponse(f"app: {type(error).__name__}", 418)


async def in_the_apps_async_way(request: Request, _error: Exception) -> Response:
    """Answer with the path."""
    return PlainTextResponse(f"app: {request.url.path}", 419)


def without_an_answer(_request: Request, _error: Exception) -> Any:
    """Answer nothing."""
    return None


@pytest.mark.parametrize(
    ("handlers", "status", "body"),
    [
        ({HTTPException: in_the_apps_way}, 418, b"app: Expired"),
        ({Expired: in_the_apps_async_way}, 419, b"app: /api/quotes/7"),
        ({HTTPException: in_the_apps_way, Expired: in_the_apps_async_way}, 419, b"app: /api/quotes/7"),
        ({Exception: in_the_apps_way}, 418, b"app: Expired"),
        ({401: in_the_apps_way, Expired: in_the_apps_async_way}, 418, b"app: Expired"),
        ({403: in_the_apps_way}, 401, b'{"detail":"Unauthorized"}'),
        ({HTTPException: without_an_answer}, 401, b'{"detail":"Unauthorized"}'),
        ({}, 401, b'{"detail":"Unauthorized"}'),
    ],
)
def test_refusal_in_the_apps_own_way(handlers: dict[Any, Any], status: int, body: bytes) -> None:
    """The app's own handler for the status or the exception, the nearest class first, makes the answer."""

    async def auth(_: HTTPConnection) -> None:
        raise Expired(401)

    _, client = refused(auth, app=Starlette(exception_handlers=handlers))
    assert (client.status, client.body) == (status, body)


async def raises(_: HTTPConnection) -> Any:
    """Fail."""
    raise KeyError("secret-token")


async def raises_os_error(_: HTTPConnection) -> Any:
    """Fail as a database that is not there."""
    raise ConnectionRefusedError("db.internal:5432")


async def returns_text(_: HTTPConnection) -> Any:
    """Return what is no mapping."""
    return "user-7"


async def returns_objects(_: HTTPConnection) -> Any:
    """Return what JSON has no form for."""
    return {"sub": object()}


async def returns_nan(_: HTTPConnection) -> Any:
    """Return what only Python's JSON has a form for."""
    return {"score": float("nan")}


async def returns_much(_: HTTPConnection) -> Any:
    """Return more than fits in the head of a request."""
    return {"groups": [f"group-{number}" for number in range(2000)]}


@pytest.mark.item(44)
@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (raises, r"the auth callable raised KeyError at \S+test_forward_auth.py:\d+"),
        (raises_os_error, r"the auth callable raised ConnectionRefusedError at \S+test_forward_auth.py:\d+"),
        (returns_text, "an auth callable returns a mapping of claims or None, not str"),
        (returns_objects, "the claims cannot be signed: Object of type object is not JSON serializable"),
        (returns_nan, "the claims cannot be signed: .*"),
        (returns_much, r"the claims take \d+ bytes; at most 16384 can travel"),
    ],
)
def test_failure(auth: AuthCallable, said: str) -> None:
    """Anything else it raises or returns is a 500, with nothing of it in the answer; the log knows why."""
    forwarding, client = refused(auth)
    assert client.status == 500
    assert json.loads(client.body)["detail"] == "auth-failed"
    assert b"secret" not in client.body
    assert b"5432" not in client.body
    [event] = forwarding.observer.events
    assert isinstance(event, RequestFailed)
    assert re.fullmatch(f"auth-failed: {said}", event.error)


def test_handler_that_is_a_plain_function_gets_a_thread() -> None:
    """It may block, as under Starlette itself."""
    threads: list[int] = []

    def handler(_request: Request, _error: Exception) -> Response:
        threads.append(threading.get_ident())
        return PlainTextResponse("no", 401)

    async def auth(_: HTTPConnection) -> None:
        raise HTTPException(401)

    _, client = refused(auth, app=Starlette(exception_handlers={401: handler}))
    assert client.body == b"no"
    assert threads != [threading.get_ident()]


@pytest.mark.parametrize("error", [ValueError("bad"), OSError("disk"), HTTPException(404)])
def test_handler_that_fails(error: Exception) -> None:
    """An exception handler of the app that raises ends in 500, not in silence."""

    async def auth(_: HTTPConnection) -> None:
        raise HTTPException(401)

    async def handler(_request: Request, _error: Exception) -> Response:
        raise error

    forwarding, client = refused(auth, app=Starlette(exception_handlers={HTTPException: handler}))
    assert client.status == 500
    assert forwarding.observer.names == ["forst.request.failed"]


def test_cancelled_while_asking() -> None:
    """A cancellation while the callable runs is passed on."""

    async def auth(_: HTTPConnection) -> None:
        asking.set()
        await asyncio.Event().wait()

    asking = asyncio.Event()

    async def main() -> None:
        forwarding = Forwarding(auth=auth)
        task = asyncio.create_task(forwarding.answer(http_scope()))
        await asking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_refusal_that_is_a_response_of_any_kind() -> None:
    """A handler may answer with any response class."""

    async def auth(_: HTTPConnection) -> None:
        raise HTTPException(401)

    def handler(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"error": "no"}, 403, {"x-mine": "1"})

    _, client = refused(auth, app=Starlette(exception_handlers={HTTPException: handler}))
    assert (client.status, client.body) == (403, b'{"error":"no"}')
    assert (b"x-mine", b"1") in client.headers


@pytest.mark.parametrize("signer", [None, RouteSigner("quotes", lambda: None)])
def test_without_a_secret_claims_do_not_travel(signer: RouteSigner | None) -> None:
    """Nobody could tell them from forged ones."""
    request = sent_for(http_scope(BEARER), auth=Checker(), signer=signer)
    assert b"x-forst-identity" not in dict(request.headers)
