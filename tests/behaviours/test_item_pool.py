"""Items 37 to 41 and 45 on the wire: what becomes of the upstream's connections."""

import contextlib
import threading

import pytest

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from tests.behaviours.conftest import Site, serving_here
from tests.behaviours.served import starlette
from tests.behaviours.wire import PATIENCE_S, Backend, Head, Peer, Script, echo, first_to_speak, sending

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def request(method: bytes, path: bytes) -> bytes:
    """Return a request, with a small body if it is one that has a body."""
    body = b"" if method in {b"GET", b"HEAD", b"DELETE"} else b"abc"
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\nHost: h\r\n%b\r\n%b" % (method, path, length, body)


# -- idle connections -----------------------------------------------------------------------------------


def test_item_37_an_idle_connection_expires(site: Site) -> None:
    """Nobody asks again within `keepalive`: our side ends it."""
    ended = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.send(OK)
        assert peer.rest() == b""
        ended.set()

    assert site.get(site.backend.on("/brief/idle", script)).body == b"ok"
    assert ended.wait(PATIENCE_S)


def test_item_37_a_connection_that_has_ended_is_not_used(site: Site) -> None:
    """Not even a POST fails after the upstream has closed an idle connection."""
    closed = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        peer.send(OK)
        peer.sock.close()
        closed.set()

    path = site.backend.on("/narrow/closes", script)
    with site.connect() as client:
        assert client.ask(request(b"GET", path)).body == b"ok"
        assert closed.wait(PATIENCE_S)
        assert client.ask(request(b"GET", b"/elsewhere")).status == 200  # one more turn of the server's loop
        assert client.ask(request(b"POST", b"/narrow/x")).seen["body"] == "abc"


# -- retry ----------------------------------------------------------------------------------------------


class Dying:
    """A script that spoils each request on a connection that was used before, and answers on a new one.

    Args:
        last_words: what is sent before the connection is closed.
    """

    def __init__(self, last_words: bytes = b"", *, always: bool = False) -> None:
        self._last_words = last_words
        self._always = always
        self.came: list[int] = []
        self.used: set[int] = set()

    def first(self, peer: Peer, head: Head) -> None:
        """Answer, and remember the connection."""
        self.used.add(peer.number)
        echo(peer, head)

    def __call__(self, peer: Peer, head: Head) -> None:
        self.came.append(peer.number)
        if peer.number not in self.used and not self._always:
            echo(peer, head)
            return
        peer.body(head)
        if self._last_words:
            peer.send(self._last_words)
        peer.sock.close()


def ask_on_a_used_connection(site: Site, method: bytes, script: Dying) -> int:
    """Have a connection to the upstream used, then ask on it; return the status."""
    first, path = site.backend.on("/narrow/first", script.first), site.backend.on("/narrow/die", script)
    assert site.ask(request(b"GET", first)).status == 200
    answer = site.ask(request(method, path))
    assert script.came[0] in script.used
    return answer.status


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"PUT"])
def test_item_38_a_harmless_request_is_sent_again(site: Site, method: bytes) -> None:
    """The kept connection dies under it without a byte: it goes out once more, on a new one."""
    script = Dying()
    assert ask_on_a_used_connection(site, method, script) == 200
    assert len(script.came) == 2


@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
@pytest.mark.item(39)
def test_item_38_a_request_with_effects_is_not(site: Site, method: bytes) -> None:
    """The upstream may have done it: 502, and it came once."""
    script = Dying()
    assert ask_on_a_used_connection(site, method, script) == 502
    assert len(script.came) == 1


@pytest.mark.item(39)
@pytest.mark.parametrize(
    ("last_words", "status"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503),
        (b"junk\r\n\r\n", 502),
        (b"H", 502),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 502),
    ],
)
def test_item_38_whatever_came_back_is_final(site: Site, last_words: bytes, status: int) -> None:
    """After a single byte of an answer nothing is sent again, not even a GET."""
    script = Dying(last_words)
    assert ask_on_a_used_connection(site, b"GET", script) == status
    assert len(script.came) == 1


def test_item_38_a_streamed_body_is_not_sent_again(site: Site) -> None:
    """A PUT whose body had been read from the client cannot be repeated."""
    script = Dying()
    first, path = site.backend.on("/narrow/first", script.first), site.backend.on("/narrow/die", script)
    assert site.ask(request(b"GET", first)).status == 200
    body = b"x" * 200_000
    answer = site.ask(b"PUT %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body))
    assert (answer.status, len(script.came)) == (502, 1)


@pytest.mark.item(39)
def test_item_38_a_new_connection_is_not_retried(site: Site) -> None:
    """What fails on a connection of its own fails; it comes once, whatever the method."""
    script = Dying(always=True)
    path = site.backend.on("/narrow/dead", script)
    assert site.get(site.backend.on("/narrow/closing", sending(CLOSING))).status == 200
    assert site.ask(request(b"GET", path)).status == 502
    assert len(script.came) == 1


@pytest.mark.item(38)
def test_item_39_there_is_one_retry(site: Site) -> None:
    """An upstream that closes whatever comes sees a GET twice, and then no more."""
    script = Dying(always=True)
    assert ask_on_a_used_connection(site, b"GET", script) == 502
    assert len(script.came) == 2


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_item_39_nothing_is_repeated_after_a_timeout(site: Site, method: bytes) -> None:
    """A sidecar that is slow may be at work: 504, and the request came once."""

    def script(peer: Peer, head: Head) -> None:
        peer.body(head)
        peer.ended()

    path = site.backend.on("/hasty/slow", script)
    before = len(site.backend.seen("/hasty/slow"))
    assert site.ask(request(method, path)).status == 504
    assert len(site.backend.seen("/hasty/slow")) == before + 1


# -- the app answers instead ------------------------------------------------------------------------------

IN_PIECES = b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
IN_ONE = b"Content-Length: 3\r\n\r\nabc"
LARGE = b"Content-Length: 200000\r\n\r\n" + 100_000 * b"ab"
SLOWLY = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT"])
@pytest.mark.parametrize(
    ("rest", "body"),
    [(b"\r\n", ""), (IN_ONE, "abc"), (IN_PIECES, "abc"), (LARGE, 100_000 * "ab"), (SLOWLY, "abc")],
    ids=["none", "small", "chunked", "large", "expected"],
)
@pytest.mark.item(39, 41)
def test_item_39_the_app_answers_what_was_not_sent(site: Site, method: bytes, rest: bytes, body: str) -> None:
    """Nobody can be reached: the app gets the whole request, and the connection goes on as ever."""
    with site.connect() as client:
        for _ in range(2):
            answer = client.ask(b"%b /away/x HTTP/1.1\r\nHost: h\r\n%b" % (method, rest))
            assert (answer.status, answer.seen) == (200, {"python": "/away/x", "body": body})
        assert client.ask(request(b"GET", b"/go/x")).seen["target"] == "/go/x"


@pytest.mark.parametrize(("method", "status"), [(b"GET", 200), (b"PUT", 200), (b"POST", 502)])
def test_item_39_the_app_answers_what_may_happen_twice(site: Site, method: bytes, status: int) -> None:
    """The sidecar took the request and hung up: only what is idempotent is the app's."""
    script = Dying(always=True)
    answer = site.ask(request(method, site.backend.on("/moody/dies", script)))
    assert answer.status == status
    assert len(script.came) == 1
    assert status == 502 or answer.seen == {
        "python": "/moody/dies",
        "body": "" if method == b"GET" else "abc",
    }


# -- the end of a connection ------------------------------------------------------------------------------

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "response",
    [
        CLOSING,
        b"HTTP/1.1 200 OK\r\nConnection: X, Close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["close", "Close in a list", "HTTP/1.0"],
)
def test_item_40_the_connection_is_not_used_again(site: Site, response: bytes) -> None:
    """Our side closes it, and the next request has another one."""
    numbers: list[int] = []
    ended = threading.Event()

    def script(peer: Peer, _: Head) -> None:
        numbers.append(peer.number)
        peer.send(response)
        assert peer.rest() == b""
        ended.set()

    with site.connect() as client:
        answer = client.ask(request(b"GET", site.backend.on("/go/closes", script)))
        assert answer.body == b"ok"
        assert ended.wait(PATIENCE_S)
        assert client.ask(request(b"GET", b"/go/x")).seen["connection"] not in numbers


def test_item_40_an_old_client_gets_what_it_understands(site: Site) -> None:
    """A request in HTTP/1.0 goes up in HTTP/1.1, and a chunked answer comes without chunks."""
    if site.name in {"uvicorn-httptools", "uvicorn-express"}:
        pytest.skip("uvicorn sends chunks to HTTP/1.0 clients when it parses with httptools")
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    path = site.backend.on("/go/old", sending(response))
    with site.connect() as client:
        client.send(b"GET %b HTTP/1.0\r\nHost: h\r\n\r\n" % path)
        head, body = client.head(), client.rest()
    assert site.backend.seen("/go/old")[-1].start == b"GET /go/old HTTP/1.1"
    assert head.values(b"transfer-encoding") == []
    assert body == b"ok"


# -- overload ---------------------------------------------------------------------------------------------


def held(go_on: threading.Event, begun: threading.Event) -> Script:
    """Return a script that answers once it may."""

    def script(peer: Peer, _: Head) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        peer.send(OK)

    return script


def test_item_41_what_is_over_the_limits_gets_a_503_at_once(backend: Backend) -> None:
    """With one connection and one in line, the third is refused while the others are still being served."""
    route = RouteConfig(id="go", path="/go/{rest:path}", mode="on", auth="none")
    upstream = UpstreamConfig(address=backend.address, max_connections=1, max_pending=1)
    go_on, begun = threading.Event(), threading.Event()
    path = backend.on("/go/held", held(go_on, begun))
    with (
        serving_here(SidecarMiddleware(starlette, Config(sidecar=upstream, routes=[route])), backend) as site,
        contextlib.ExitStack() as stack,
    ):
        first, *others = (stack.enter_context(site.connect()) for _ in range(3))
        first.send(request(b"GET", path))
        assert begun.wait(PATIENCE_S)
        for client in others:
            client.send(request(b"GET", b"/go/x"))
        refused = first_to_speak(*others)
        [waiting] = [client for client in others if client is not refused]
        answer = refused.answer()
        assert (answer.status, answer.problem) == (503, "pool-full")
        assert answer.head.values(b"retry-after") == [b"1"]
        assert answer.head.values(b"proxy-status") == [b"forst; error=connection_limit_reached"]
        go_on.set()
        assert first.answer().body == b"ok"
        assert waiting.answer().seen["target"] == "/go/x"


def guarded(backend: Backend, pause: str, on_failure: str = "error") -> SidecarMiddleware:
    """Return an app whose upstream is given a pause after five failures in a row."""
    route = RouteConfig.model_validate(
        {"id": "go", "path": "/go/{rest:path}", "mode": "on", "auth": "none", "on_failure": on_failure}
    )
    upstream = UpstreamConfig.model_validate({"address": backend.address, "breaker_pause": pause})
    return SidecarMiddleware(starlette, Config(sidecar=upstream, routes=[route]))


def test_item_41_a_breaker_opens(backend: Backend) -> None:
    """After some failures in a row requests fail without a connection being tried, and say when to return."""
    path = backend.on("/go/hangup", lambda peer, _: peer.sock.close())
    before = backend.connections
    with serving_here(guarded(backend, "1h"), backend) as site:
        answers = [site.get(path) for _ in range(80)]
    statuses = [answer.status for answer in answers]
    tried = statuses.count(502)
    assert statuses == [502] * tried + [503] * (80 - tried)
    assert 0 < tried < 80
    assert backend.connections == before + tried
    assert answers[-1].problem == "breaker-open"
    assert answers[-1].head.values(b"retry-after") == [b"1"]


def test_item_41_a_probe_closes_it(backend: Backend) -> None:
    """Once the upstream answers again, so does the route, by itself."""
    is_broken = True

    def script(peer: Peer, _: Head) -> None:
        if is_broken:
            peer.sock.close()
        else:
            peer.send(OK)

    path = backend.on("/go/returns", script)
    with serving_here(guarded(backend, "1ms"), backend) as site:
        while site.get(path).status != 503:
            assert is_broken
        is_broken = False
        for _ in range(10_000):  # the pause is over long before
            if (status := site.get(path).status) == 200:
                break
            assert status == 503
        assert {site.get(path).status for _ in range(10)} == {200}


def test_item_41_its_own_failures_do_not_open_it(backend: Backend) -> None:
    """An upstream that answers 500 is there."""
    path = backend.on("/go/500", sending(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))
    with serving_here(guarded(backend, "1h"), backend) as site:
        assert [site.get(path).status for _ in range(20)] == [500] * 20


def test_item_41_behind_it_the_app_answers(backend: Backend) -> None:
    """With `on_failure = "app"` a dead upstream is not seen by the client, whatever the method."""
    path = backend.on("/go/dead", lambda peer, _: peer.sock.close())
    before = backend.connections
    with serving_here(guarded(backend, "1h", "app"), backend) as site:
        answers = [*(site.get(path) for _ in range(80)), site.ask(request(b"POST", path))]
    assert {answer.status for answer in answers} == {200}
    assert answers[-1].seen == {"python": "/go/dead", "body": "abc"}
    assert backend.connections < before + 80


# -- no byte of a request chooses a host ------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
def test_item_45_redirects_are_relayed(site: Site, status: int) -> None:
    """Wherever they lead, the client decides; one request was made."""
    line = b"HTTP/1.1 %d Moved\r\nLocation: http://other.example/go/x\r\nContent-Length: 0\r\n\r\n" % status
    before = len(site.backend.seen("/go/moved"))
    answer = site.get(site.backend.on("/go/moved", sending(line)))
    assert (answer.status, answer.head.values(b"location")) == (status, [b"http://other.example/go/x"])
    assert len(site.backend.seen("/go/moved")) == before + 1


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        (b"/go/http://other.example/", ()),
        (b"/go/@other.example", ()),
        (b"/go/x", (b"X-Forwarded-Host: other.example", b"Forwarded: host=other.example")),
        (b"/go/x?url=http://other.example", (b"X-Original-URL: /admin", b"X-Rewrite-URL: /admin")),
        (b"/go/x", (b"Destination: http://other.example/", b"Alt-Svc: h2=other.example")),
        (b"/go/x", (b"X-HTTP-Method-Override: DELETE",)),
    ],
)
def test_item_45_nothing_in_a_request_leads_elsewhere(
    site: Site, target: bytes, fields: tuple[bytes, ...]
) -> None:
    """What is forwarded arrives where the configuration says, with its own method and target."""
    answer = site.get(target, *fields)
    if b"//" in target.partition(b"?")[0]:
        assert answer.status == 400
    else:
        assert (answer.seen["method"], answer.seen["target"]) == ("GET", target.decode())


@pytest.mark.parametrize("host", [b"other.example", b"127.0.0.1:1", b"[::1]:2", b"h@other.example", b"h:x"])
def test_item_45_host_chooses_nobody(site: Site, host: bytes) -> None:
    """Host is a value that is passed on, or refused."""
    answer = site.ask(b"GET /go/x HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host)
    assert answer.status == 400 or answer.seen.every("host") == [host.decode()]
