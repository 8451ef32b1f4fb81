"""Which requests take the lane, and that the others take the usual way untouched."""

import base64
import os
from typing import Any

import pytest

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.testing import Answer, FakeTransport, RecordingObserver
from forst_asgi.types import Scope
from tests.behaviours.wire import Backend
from tests.express.conftest import GO, Lane, app, lane_to, python

GET = b"GET /go/x HTTP/1.1\r\nHost: h\r\n"

BESIDE = {
    "another version": b"GET /go/x HTTP/1.0\r\nHost: h\r\n\r\n",
    "an escape": b"GET /go/%41 HTTP/1.1\r\nHost: h\r\n\r\n",
    "an unusual method": b"PURGE /go/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an upgrade": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "an absolute target": b"GET http://h/go/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a long target": b"GET /go/%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"x" * 9000),
    "no route": b"GET /python HTTP/1.1\r\nHost: h\r\n\r\n",
    "no route below its prefix": b"GET /go HTTP/1.1\r\nHost: h\r\n\r\n",
    "not its method": b"OPTIONS /go/x HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("request_", BESIDE.values(), ids=BESIDE)
def test_what_is_unusual_never_enters(lane: Lane, request_: bytes) -> None:
    """It is answered, and the lane has not seen it."""
    assert lane.site.ask(request_).status == 200
    assert lane.ways == {}


def test_a_request_that_expects_a_go_ahead_gets_it(lane: Lane) -> None:
    """100 Continue is uvicorn's to send."""
    with lane.site.connect() as client:
        client.send(b"POST /go/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert client.head().status == 100
        client.send(b"abc")
        assert client.answer().seen["body"] == "abc"
    assert lane.ways == {}


REFUSED = {
    "two hosts": (GET + b"Host: i\r\n\r\n", 400),
    "too many fields": (GET + b"X: y\r\n" * 300 + b"\r\n", 431),
    "a dot segment": (b"GET /go/../x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target that uvicorn does not take": (
        b"POST /go/%b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n" % (b"x" * 70_000),
        400,
    ),
    "a length that is none": (GET + b"Content-Length: 1_0\r\n\r\n", 400),
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED)
def test_what_must_not_be_sent_is_refused_as_usual(lane: Lane, request_: bytes, status: int) -> None:
    """The answer is the middleware's own, or the server's."""
    assert lane.site.ask(request_).status == status
    assert lane.ways["lane"] == 0


def test_a_body_that_comes_with_its_head_takes_the_lane(lane: Lane) -> None:
    """It is sent together with it, framed by its length."""
    request = b"POST /go/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b"
    for body in (b"", b"abc", b"x" * 30_000):
        seen = lane.site.ask(request % (len(body), body)).seen
        assert (seen["body"], seen.every("content-length")) == (body.decode(), [str(len(body))])
        lane.warm()
    assert lane.ways["lane"] >= 2 + 3


def test_a_body_that_comes_later_takes_the_usual_way(lane: Lane) -> None:
    """With as much of it as was there already, and with nothing."""
    for first, second in ((b"", b"abc"), (b"a", b"bc")):
        with lane.site.connect() as client:
            client.send(b"POST /go/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n" + first)
            lane.site.get(b"/python")  # by then the head has been read
            client.send(second)
            assert client.answer().seen["body"] == "abc"
    assert lane.ways == {"left": 2}


def test_a_chunked_body_takes_the_usual_way(lane: Lane) -> None:
    """Even when it is here as soon as its head."""
    request = b"POST /go/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert lane.site.ask(request).seen["body"] == "abc"
    assert lane.ways == {"left": 1}


def test_a_body_that_cannot_be_parsed_sends_nothing(lane: Lane) -> None:
    """Uvicorn answers with 400, and the upstream hears nothing of it."""
    before = len(lane.site.backend.heads)
    request = b"POST /go/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert lane.site.ask(request).status == 400
    assert len(lane.site.backend.heads) == before
    assert lane.ways == {}


def test_a_large_body_takes_the_usual_way(backend: Backend) -> None:
    """So does one over the route's limit, which gets its 413."""
    request = b"POST /go/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde"
    with lane_to(app(backend, route={"max_body": 4}), backend) as lane:
        lane.warm()
        assert lane.site.ask(request).status == 413
        assert lane.ways == {"left": 2}


def test_without_an_idle_connection_the_usual_way_makes_one(backend: Backend) -> None:
    """The first request of all is one that has to wait."""
    with lane_to(app(backend), backend) as lane:
        lane.warm()
        assert lane.ways == {"left": 1}
        lane.warm()
        assert lane.ways == {"left": 1, "lane": 1}


@pytest.mark.parametrize(
    "config",
    [
        {"route": {"mode": "off"}},
        {"route": {"express": False}},
        {"route": {"mode": "canary", "percent": 1, "stick": "header:x-user"}},
        {"flags": {"show_decision_to": ["127.0.0.1"]}},
    ],
    ids=["off", "not marked", "not in the canary", "decisions are shown"],
)
def test_who_answers_is_decided_as_usual(backend: Backend, config: dict[str, Any]) -> None:
    """A request that is not the sidecar's, or whose decision must be shown, does not take the lane."""
    with lane_to(app(backend, **config), backend) as lane:
        for _ in range(2):
            assert lane.site.get(b"/go/x").status == 200
        assert lane.ways["lane"] == 0


@pytest.mark.parametrize(("lifespan", "ways"), [("on", {"left": 2}), ("off", {})])
def test_a_transport_of_the_users_takes_the_usual_way(
    backend: Backend, lifespan: str, ways: dict[str, int]
) -> None:
    """One that cannot begin a request without waiting is asked as always.

    Without a lifespan nothing comes that far: the flags have to be looked at for each request.
    """
    fake = FakeTransport(lambda _: Answer.text("fake"))
    made = SidecarMiddleware(
        python,
        Config(sidecar=UpstreamConfig(address=backend.address), routes=[RouteConfig(**GO)]),
        transports={"sidecar": fake},
        observer=RecordingObserver(),
    )
    with lane_to(made, backend, lifespan=lifespan) as lane:
        for _ in range(2):
            assert lane.site.get(b"/go/x").body == b"fake"
        assert lane.ways == ways


def test_a_limit_of_connections_holds(backend: Backend) -> None:
    """At `--limit-concurrency` uvicorn answers with 503."""
    request = b"GET /go/x HTTP/1.1\r\nHost: h\r\n\r\n"
    with (
        lane_to(app(backend), backend, limit_concurrency=2) as lane,
        lane.site.connect() as one,
    ):
        assert [one.ask(request).status for _ in range(2)] == [200, 200]
        assert lane.ways["lane"] == 1
        with lane.site.connect() as two:
            assert two.ask(request).status == 503


def test_root_path_is_taken_away(backend: Backend) -> None:
    """As without the lane: the upstream gets the route's path, and a prefix."""
    with lane_to(app(backend), backend, root_path="/app") as lane:
        lane.warm()
        seen = lane.site.get(b"/go/x?y=%20").seen
        assert (seen["target"], seen.every("x-forwarded-prefix")) == ("/go/x?y=%20", ["/app"])
        assert lane.ways["lane"] == 1


def test_a_convertor_that_fails_is_the_apps_affair(backend: Backend) -> None:
    """What user code raises while a request is looked at surfaces where it always has."""
    made = app(backend)
    runtime = made.runtime
    assert runtime is not None

    def fail(scope: Scope) -> Any:
        raise ZeroDivisionError

    with lane_to(made, backend) as lane:
        lane.warm()
        runtime.match = fail
        assert lane.site.get(b"/go/x").status == 500
        assert lane.ways == {"left": 1}


def test_a_websocket_is_handed_over(backend: Backend) -> None:
    """A handshake below a route's path goes to uvicorn's WebSocket protocol, and so to the app."""
    key = base64.b64encode(os.urandom(16))
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    request = GET + fields + b"Sec-WebSocket-Key: %b\r\n\r\n" % key
    with lane_to(app(backend), backend, ws="websockets-sansio") as lane:
        assert lane.site.ask(request).status == 500
        assert lane.ways == {}


def test_the_mark_is_the_routes(backend: Backend) -> None:
    """Beside a marked route, one that is not marked is forwarded as usual."""
    beside = {**GO, "id": "usual", "path": "/go/usual", "express": False}
    config = Config(
        sidecar=UpstreamConfig(address=backend.address), routes=[RouteConfig(**beside), RouteConfig(**GO)]
    )
    with lane_to(SidecarMiddleware(python, config, observer=RecordingObserver()), backend) as lane:
        lane.warm()
        for _ in range(2):
            assert lane.site.get(b"/go/usual").seen["target"] == "/go/usual"
        assert lane.ways == {"left": 1}
