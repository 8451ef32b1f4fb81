"""`on_failure = "app"`: when the app may answer instead (item 39)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from forst_asgi import errors
from forst_asgi.errors import ResponseError, UpstreamError
from forst_asgi.events import RequestFellBack
from forst_asgi.testing import FakeTransport
from forst_asgi.types import Message, Scope
from tests.forward.calls import Client, http_scope, piece
from tests.forward.falling import CHUNKED, Fallible, hang_up, length, whole
from tests.transport.upstream import OK, Peer, Run, Upstream, answering

IDEMPOTENT = ["GET", "HEAD", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH", "MADE-UP"]

NOTHING_SENT = {"ConnectError", "ConnectTimeout", "TlsError", "PoolFull", "PoolTimeout"} | {
    "SidecarNotReady",
    "BreakerOpen",
}
NOTHING_CAME = {"HeadError", "FirstByteTimeout", "WriteError", "WriteTimeout", "TransportClosed"}
FINAL = {"UpstreamError", "ProtocolError", "BodyError", "IdleTimeout", "DeadlineExceeded"}


def failing_with(error: ResponseError) -> FakeTransport:
    """Return a transport that fails."""
    return FakeTransport(lambda _: error)


def all_kinds(base: type[UpstreamError]) -> set[type[UpstreamError]]:
    """Return a class and all below it."""
    return {base}.union(*map(all_kinds, base.__subclasses__()))


# -- which failures, for which methods --------------------------------------------------------------------


@pytest.mark.item(39)
@pytest.mark.parametrize("kind", sorted(all_kinds(UpstreamError), key=str))
def test_every_failure_is_classified(kind: type[UpstreamError]) -> None:
    """What was not sent is the app's by any method, what may have been sent by idempotent ones only."""

    async def is_the_apps(method: str) -> bool:
        fallible = Fallible(failing_with(kind("no")))
        client = Client(piece(b"abc"))
        receive = await fallible.receive_of(http_scope(length(3), method=method), client)
        assert len(fallible.observer.events) == 1
        if receive is None:
            assert client.status == kind.status
            return False
        assert await whole(receive, client) == [piece(b"abc")]
        return True

    async def main() -> None:
        found = {method: await is_the_apps(method) for method in IDEMPOTENT + OTHERS}
        name = kind.__name__
        assert (name in NOTHING_SENT) + (name in NOTHING_CAME) + (name in FINAL) == 1
        assert {found[method] for method in IDEMPOTENT} == {name not in FINAL}
        assert {found[method] for method in OTHERS} == {name in NOTHING_SENT}

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("error", [errors.RequestError("no"), errors.AuthFailed(), errors.LoopDetected()])
def test_what_is_not_the_upstreams_failure_is_final(error: ResponseError, method: str) -> None:
    """A request that must not be sent is not the app's either."""

    async def main() -> None:
        client = Client()
        assert await Fallible(failing_with(error)).receive_of(http_scope(method=method), client) is None
        assert client.status == error.status

    asyncio.run(main())


def test_a_route_without_it_never_asks_the_app() -> None:
    """`on_failure = "error"` is the default."""

    async def main() -> None:
        client = Client()
        forwarding = Fallible(failing_with(errors.ConnectError("no")), falls_back=False)
        assert await forwarding.receive_of(http_scope(), client) is None
        assert client.status == 502

    asyncio.run(main())


def test_the_event_says_what_went_wrong() -> None:
    """There is one event, with the decision as it was, the stage and the error."""

    async def main() -> None:
        fallible = Fallible(failing_with(errors.ConnectError("refused")))
        await fallible.receive_of(http_scope(method="POST"), Client())
        (event,) = fallible.observer.events
        assert isinstance(event, RequestFellBack)
        assert (event.route, event.target, event.reason) == ("quotes", "sidecar", "mode_on")
        assert (event.method, event.status) == ("POST", None)
        assert (event.stage, event.error) == ("connect", "connect-error: refused")

    asyncio.run(main())


# -- the same with real faults ----------------------------------------------------------------------------


async def hang_up_at_once(peer: Peer) -> None:
    """Read a head, then close without a word."""
    await peer.head()


def saying(*pieces: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Return a script that reads a request, sends this and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)

    return script


@pytest.mark.item(39)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "messages"),
    [
        ([], [piece(b"")]),
        ([length(3)], [piece(b"abc")]),
        ([length(3)], [piece(b"ab", more=True), piece(b"c")]),
        ([length(70_000)], [piece(b"x" * 65_536, more=True), piece(b"y" * 4_464)]),
        ([CHUNKED], [piece(b"a", more=True), piece(b"b", more=True), piece(b"")]),
        ([CHUNKED, (b"upgrade", b"x")], [piece(b"a", more=True), piece(b"b")]),
    ],
    ids=["none", "small", "small in two", "large", "chunked", "asks for an upgrade"],
)
def test_nobody_listens(run: Run, method: str, headers: list[Any], messages: list[Message]) -> None:
    """Whatever the method and however long the body: the app gets all of it, and then the disconnect."""

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            await upstream.stop_listening()
            client = Client(*messages)
            fallible = Fallible(upstream.transport())
            receive = await fallible.receive_of(http_scope(*headers, method=method), client)
            assert await whole(receive, client) == messages
            assert len(fallible.observer.events) == 1

    run(main())


@pytest.mark.item(39)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(("headers", "body"), [([], b""), ([length(0)], b""), ([length(3)], b"abc")])
def test_a_post_that_was_sent_is_not_the_apps(run: Run, method: str, headers: list[Any], body: bytes) -> None:
    """The sidecar may have done it, so the client is told that nobody knows."""

    async def main() -> None:
        async with Upstream(hang_up) as upstream:
            client = Client(piece(body))
            fallible = Fallible(upstream.transport())
            assert await fallible.receive_of(http_scope(*headers, method=method), client) is None
            assert client.status == 502
            assert fallible.observer.names == ["forst.request.failed"]
            assert len(upstream.requests) == 1

    run(main())


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("headers", [[CHUNKED], [length(70_000)]])
def test_a_body_that_was_begun_is_nobodys(run: Run, method: str, headers: list[Any]) -> None:
    """What was read from the client and sent on is not kept, so there is nothing to give to the app."""

    async def some(peer: Peer) -> None:
        await peer.head()
        await peer.some()

    async def main() -> None:
        async with Upstream(some) as upstream:
            client = Client(piece(b"x" * 1000, more=True))
            fallible = Fallible(upstream.transport())
            assert await fallible.receive_of(http_scope(*headers, method=method), client) is None
            assert client.status == 502

    run(main())


def test_a_body_of_which_nothing_came_yet_is_nobodys(run: Run) -> None:
    """The sidecar hangs up while the body is waited for: with some servers the next piece is lost then."""

    async def main() -> None:
        async with Upstream(hang_up_at_once) as upstream:
            client = Client(asyncio.Event())
            fallible = Fallible(upstream.transport())
            assert await fallible.receive_of(http_scope(CHUNKED, method="PUT"), client) is None
            assert client.status == 502

    run(main())


def test_a_chunked_body_without_a_byte_is_the_apps(run: Run) -> None:
    """A body that turned out to be empty is given to the app as such."""

    async def main() -> None:
        async with Upstream(hang_up) as upstream:
            client = Client(piece(b"", more=True), piece(b""))
            receive = await Fallible(upstream.transport()).receive_of(
                http_scope(CHUNKED, method="PUT"), client
            )
            assert await whole(receive, client) == [piece(b"")]

    run(main())


@pytest.mark.parametrize(("size", "is_the_apps"), [(99, True), (100, True), (101, False)])
def test_replay_max(run: Run, size: int, *, is_the_apps: bool) -> None:
    """A body that was sent is kept for the app up to that size."""

    async def main() -> None:
        async with Upstream(hang_up) as upstream:
            body = b"x" * size
            client = Client(piece(body))
            fallible = Fallible(upstream.transport(), replay_max=100)
            receive = await fallible.receive_of(http_scope(length(size), method="PUT"), client)
            assert (receive is not None) is is_the_apps
            assert not is_the_apps or await whole(receive, client) == [piece(body)]

    run(main())


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"junk\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 401),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404),
    ],
)
def test_an_answer_is_an_answer(run: Run, answer: bytes, status: int) -> None:
    """Neither the sidecar's own failures nor its junk are hidden behind the app, not even for a GET."""

    async def main() -> None:
        async with Upstream(saying(answer)) as upstream:
            client = Client()
            assert await Fallible(upstream.transport()).receive_of(http_scope(), client) is None
            assert client.status == status

    run(main())


def test_an_answer_that_breaks_off_is_not_continued_by_the_app(run: Run) -> None:
    """Once its head was sent to the client nobody else can answer."""

    async def main() -> None:
        async with Upstream(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")) as upstream:
            fallible = Fallible(upstream.transport())
            client = Client()
            with pytest.raises(errors.BodyError):
                await fallible(http_scope(), client)
            assert client.status == 200
            assert fallible.observer.names == ["forst.request.failed"]

    run(main())


@pytest.mark.parametrize("answer", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize(("method", "is_the_apps"), [("GET", True), ("POST", False)])
def test_half_a_head_is_no_answer(run: Run, answer: bytes, method: str, *, is_the_apps: bool) -> None:
    """What is idempotent may be done again as long as nothing of an answer reached the client."""

    async def main() -> None:
        async with Upstream(saying(answer)) as upstream:
            fallible = Fallible(upstream.transport())
            receive = await fallible.receive_of(http_scope(method=method), Client())
            assert (receive is not None) is is_the_apps

    run(main())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_routes_deadline_is_final(run: Run, method: str) -> None:
    """The client has waited for long enough; the app does not begin then."""

    async def main() -> None:
        async with Upstream(Peer.end) as upstream:
            client = Client()
            fallible = Fallible(upstream.transport(), timeout_s=0.05)
            assert await fallible.receive_of(http_scope(method=method), client) is None
            assert client.status == 504

    run(main())


def test_a_client_that_left_is_nobodys(run: Run) -> None:
    """There is nobody to answer, so the app is not asked."""

    async def main() -> None:
        async with Upstream(Peer.end) as upstream:
            client = Client()
            client.gone.set()
            fallible = Fallible(upstream.transport())
            assert await fallible.receive_of(http_scope(), client) is None
            assert client.status == 499
            assert fallible.observer.names == ["forst.request.abandoned"]

    run(main())


def test_a_cancelled_call_is_nobodys(run: Run) -> None:
    """A server that stops does not begin with the app."""

    async def main() -> None:
        asked = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            asked.set()
            await peer.end()

        async with Upstream(script) as upstream:
            fallible = Fallible(upstream.transport())
            task = asyncio.create_task(fallible.receive_of(http_scope(), Client()))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fallible.observer.events == []

    run(main())


@pytest.mark.parametrize(("raised", "status"), [(HTTPException(403), 403), (RuntimeError("broken"), 500)])
def test_who_may_not_is_not_sent_to_the_app(raised: Exception, status: int) -> None:
    """What `auth` refuses stays refused, and so does what it fails at."""

    async def auth(_: Any) -> None:
        raise raised

    async def main() -> None:
        fallible, client = Fallible(auth=auth), Client()
        assert await fallible.receive_of(http_scope(), client) is None
        assert client.status == status
        assert fallible.fake.requests == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (http_scope(host=False), 400),
        (http_scope(length(9), method="PUT"), 400),
        (http_scope(length(900), method="PUT"), 413),
        (http_scope(method="TRACE"), 405),
    ],
)
def test_a_request_that_is_refused_is_not_the_apps(scope: Scope, status: int) -> None:
    """A fault of the client's is answered as on any other route."""

    async def main() -> None:
        client = Client(piece(b"abc"))
        assert await Fallible(max_body=100).receive_of(scope, client) is None
        assert client.status == status

    asyncio.run(main())
