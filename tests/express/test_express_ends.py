"""What happens when the answer does not come at once, or somebody goes: a cycle carries on."""

import contextlib
import threading

import pytest

from forst_asgi.events import RequestAbandoned, RequestFailed, RequestForwarded
from forst_asgi.testing import RecordingObserver
from tests.behaviours.wire import PATIENCE_S, Backend, Head, Peer, Script, sending
from tests.express.conftest import Lane, app, lane_to, only

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Gate:
    """A script that answers once it may.

    Attributes:
        begun: set when a request came.
        go_on: set it, and it is answered.
        gone: set when the other side has ended the connection instead.
    """

    def __init__(self) -> None:
        self.begun, self.go_on, self.gone = threading.Event(), threading.Event(), threading.Event()

    def script(self, *pieces: bytes) -> Script:
        """Answer with these bytes."""

        def script(peer: Peer, head: Head) -> None:
            peer.body(head)
            self.begun.set()
            assert self.go_on.wait(PATIENCE_S)
            for piece in pieces:
                peer.send(piece)

        return script

    def silent(self, *pieces: bytes) -> Script:
        """Send these bytes and wait for the end."""

        def script(peer: Peer, _: Head) -> None:
            for piece in pieces:
                peer.send(piece)
            self.begun.set()
            peer.ended()
            self.gone.set()

        return script


def carried_on(lane: Lane) -> None:
    """Wait until a cycle has taken over, as one does within two looks of the transport."""
    while lane.ways["carried on"] == 0:
        lane.site.get(b"/python")


def test_a_late_answer_is_carried_on(backend: Backend, lane: Lane) -> None:
    """Whoever waits is a cycle, with the body, and another request may follow."""
    gate = Gate()
    path = backend.on("/go/late", gate.script(OK))
    with lane.site.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" % path)
        assert gate.begun.wait(PATIENCE_S)
        carried_on(lane)
        gate.go_on.set()
        assert client.answer().body == b"ok"
        lane.ways.clear()
        assert client.ask(GET % b"/go/x").status == 200
    assert lane.ways == {"lane": 1}


def test_an_answer_that_is_not_whole_is_carried_on(backend: Backend, lane: Lane) -> None:
    """The head is with the client before the rest is there."""
    gate = Gate()
    head, body = OK.split(b"ok")[0], b"ok"

    def script(peer: Peer, _: Head) -> None:
        peer.send(head)
        assert gate.go_on.wait(PATIENCE_S)
        peer.send(body)

    with lane.site.connect() as client:
        client.send(GET % backend.on("/go/torn", script))
        assert client.head().status == 200
        gate.go_on.set()
        assert client.exactly(2) == b"ok"
    assert lane.ways == {"carried on": 1}


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
def test_a_client_that_goes_ends_the_exchange(backend: Backend, lane: Lane, *, is_late: bool) -> None:
    """The upstream's connection is closed, whether or not a cycle has taken over."""
    gate = Gate()
    with lane.site.connect() as client:
        client.send(GET % backend.on("/go/silent", gate.silent()))
        assert gate.begun.wait(PATIENCE_S)
        if is_late:
            carried_on(lane)
    assert gate.gone.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"HTTP/1.1 200 OK\r\nBad\r\n\r\n", 502), (b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", 502)],
)
def test_a_failure_is_answered_as_usual(backend: Backend, lane: Lane, answer: bytes, status: int) -> None:
    """With a problem document; nothing is sent twice."""
    path = backend.on("/go/junk", sending(answer))
    before = len(backend.seen("/go/junk"))
    got = lane.site.get(path)
    assert (got.status, got.problem) == (status, "protocol-error")
    assert len(backend.seen("/go/junk")) == before + 1
    assert lane.ways == {"carried on": 1}


def closing(peer: Peer, head: Head) -> None:
    """Hang up instead of answering, each second time."""
    peer.sock.close()


@pytest.mark.parametrize(("method", "times"), [(b"GET", 2), (b"POST", 1)])
def test_what_was_lost_is_sent_again_only_where_it_may(
    backend: Backend, lane: Lane, method: bytes, times: int
) -> None:
    """One retry of what can be repeated, on another connection; none of anything else."""
    path = backend.on("/go/lost", closing)
    before = len(backend.seen("/go/lost"))
    request = b"%b %b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n" % (method, path)
    assert lane.site.ask(request).status == 502
    assert len(backend.seen("/go/lost")) == before + times
    assert lane.ways["carried on"] == 1


def test_the_deadline_counts_from_the_beginning(backend: Backend) -> None:
    """A request that was carried on has no more time than any other, and its event says how long it took."""
    gate, observer = Gate(), RecordingObserver()
    path = backend.on("/go/silent", gate.silent())
    with lane_to(app(backend, observer=observer, route={"timeout": "300ms"}), backend) as lane:
        lane.warm()
        answer = lane.site.get(path)
        assert (answer.status, answer.problem) == (504, "deadline-exceeded")
        assert lane.ways["carried on"] == 1
    failed = only(observer.events, RequestFailed)
    assert failed.duration_ms >= 299
    assert gate.gone.wait(PATIENCE_S)


def test_a_call_within_its_deadline_leaves_no_timer(backend: Backend) -> None:
    """What was carried on and answered in time is over."""
    gate = Gate()
    path = backend.on("/go/late", gate.script(OK))
    with lane_to(app(backend, route={"timeout": "1h"}), backend) as lane, lane.site.connect() as client:
        lane.warm()
        client.send(GET % path)
        assert gate.begun.wait(PATIENCE_S)
        carried_on(lane)
        gate.go_on.set()
        assert client.answer().body == b"ok"


def test_what_happened_is_told(backend: Backend) -> None:
    """An answer on the lane is an event like any other; a client that went is one, too."""
    gate, observer = Gate(), RecordingObserver()
    path = backend.on("/go/silent", gate.silent())
    with lane_to(app(backend, observer=observer), backend) as lane:
        lane.warm()
        lane.site.get(b"/go/x")
        forwarded = observer.events[-1]
        assert isinstance(forwarded, RequestForwarded)
        assert (forwarded.route, forwarded.target, forwarded.method, forwarded.status) == (
            "go",
            "sidecar",
            "GET",
            200,
        )
        assert forwarded.duration_ms > 0
        with lane.site.connect() as client:
            client.send(GET % path)
            assert gate.begun.wait(PATIENCE_S)
        assert gate.gone.wait(PATIENCE_S)
        lane.site.get(b"/python")
        assert only(observer.events, RequestAbandoned).status is None


def test_the_server_waits_for_an_answer(backend: Backend) -> None:
    """At its end it takes no more requests, and lets the one on the lane be answered."""
    gate = Gate()
    path = backend.on("/go/late", gate.script(OK))
    threads = []

    def release() -> None:
        with contextlib.suppress(OSError):
            while True:  # until nobody listens any more
                lane.site.connect().sock.close()
        gate.go_on.set()

    with lane_to(app(backend), backend) as lane:
        lane.warm()
        client = lane.site.connect()
        client.send(GET % path)
        assert gate.begun.wait(PATIENCE_S)
        threads.append(threading.Thread(target=release))
        threads[0].start()
    with client:
        answer = client.answer()
        assert (answer.body, answer.head.values(b"connection")) == (b"ok", [b"close"])
        assert client.rest() == b""
    threads[0].join()


def test_a_breaker_that_is_open_refuses(backend: Backend) -> None:
    """The lane is for upstreams that can be reached."""
    made = app(backend)
    runtime = made.runtime
    assert runtime is not None
    breaker = runtime.upstreams["sidecar"].gate.breaker
    with lane_to(made, backend) as lane:
        lane.warm()
        breaker.fail(0.0)
        assert breaker.is_tainted
        assert lane.site.get(b"/go/x").status == 200
        assert not breaker.is_tainted
        assert lane.ways == {"left": 1, "lane": 1}
