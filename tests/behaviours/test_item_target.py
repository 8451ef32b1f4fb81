"""Items 1 to 9 on the wire: which requests go upstream, and with which target."""

import json

import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.types import ASGIApp
from tests.behaviours.conftest import Site, serving_here
from tests.behaviours.served import starlette
from tests.behaviours.wire import Backend, Fields


@pytest.mark.parametrize("method", [b"PURGE", b"PROPFIND", b"M-SEARCH", b"DELETE", b"PATCH"])
def test_item_01_the_method_passes(site: Site, method: bytes) -> None:
    """Known to us or not, it arrives as it came."""
    seen = site.ask(method + b" /go/m HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").seen
    assert seen["method"] == method.decode()


@pytest.mark.parametrize(
    ("start", "statuses"),
    [
        (b"TRACE /go/trace", {405}),
        (b"CONNECT /go/connect", {400, 405}),
        # No route has such a target; the app may answer, which a redirect of Starlette's is.
        (b"CONNECT h:80", {307, 400, 404, 405}),
        (b"TRACE h:80", {307, 400, 404, 405}),
    ],
)
def test_item_01_connect_and_trace_are_refused(site: Site, start: bytes, statuses: set[int]) -> None:
    """By us or by the server; nothing goes upstream."""
    before = len(site.backend.heads)
    answer = site.ask(start + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.status in statuses
    assert len(site.backend.heads) == before


TARGETS = [
    b"/go/a%20b/c;d=e,f?x=%2F%2f&y=1&&=&z=/../",
    b"/go/%C3%A9%e2%82%ac?%C3%A9",
    b"/go/~!$&'()*+,;=:@-._",
    b"/go/%41%7e",
    b"/go/x/?a=b?c=d",
    b"/go/.../..a/.b",
]


@pytest.mark.parametrize("target", TARGETS)
def test_item_02_the_target_passes_byte_for_byte(site: Site, target: bytes) -> None:
    """No escape is added, removed or spelt otherwise."""
    assert site.get(target).seen["target"] == target.decode()


@pytest.mark.parametrize("byte", [b"\x01", b"\t", b"\x0b", b"\x1f", b"\x7f", b"\x80", b"\xe9", b"\xff"])
@pytest.mark.parametrize("where", [b"/go/a%bb", b"/go/a?b%bc"])
def test_item_03_bytes_that_no_target_may_hold(site: Site, byte: bytes, where: bytes) -> None:
    """In path and query: 400, by us or by the server, and nothing goes upstream."""
    before = len(site.backend.heads)
    assert site.get(where % byte).status == 400
    assert len(site.backend.heads) == before


@pytest.mark.parametrize("target", [b"/go/a#b", b"/go/a?b#c", b"/go/a#/../b"])
def test_item_03_a_fragment_never_arrives(site: Site, target: bytes) -> None:
    """Some servers cut it off before the app sees it; from the others it is a 400."""
    before = len(site.backend.heads)
    answer = site.get(target)
    assert [head.target for head in site.backend.heads[before:]] in ([], [target.partition(b"#")[0]])
    assert answer.status == (200 if len(site.backend.heads) > before else 400)


HAZARDS = [
    b"/go/..",
    b"/go/.",
    b"/go/../x",
    b"/go/./x",
    b"/go/a/../../x",
    b"/go/%2e%2e/x",
    b"/go/%2E%2e",
    b"/go/.%2e/x",
    b"/go/%2e/x",
    b"/go//x",
    b"/go/x//",
    b"/go/a%2fb",
    b"/go/a%2Fb",
    b"/go/..%2fx",
    b"/go/a%5cb",
    b"/go/a%5Cb",
    b"/go/a\\b",
    b"/go/..\\x",
    b"/go/..%5cx",
    b"/go/%00",
    b"/go/x%00.json",
    b"/go/%252e%252e/x",
    b"/go/a%252fb",
    b"/go/%25252e",
    b"/go/%c0%ae%c0%ae/x",
    b"/go/%c0%afx",
    b"/go/%e0%80%ae/x",
    b"/go/%f0%80%80%af",
    b"/go/%zz",
    b"/go/%2",
    b"/%67o/a%2fb",
]


@pytest.mark.parametrize("target", HAZARDS)
def test_item_04_what_two_readers_read_differently(site: Site, target: bytes) -> None:
    """400, and nothing goes upstream."""
    before = len(site.backend.heads)
    answer = site.get(target)
    assert (answer.status, len(site.backend.heads)) == (400, before)


@pytest.mark.parametrize(
    "target", [b"//go/x", b"/go%2fx", b"/x/../go/x", b"/./go/x", b"/GO/x", b"/x/..%2fgo"]
)
def test_item_04_what_leads_round_a_route_stays_with_the_app(site: Site, target: bytes) -> None:
    """It falls through or is refused; the upstream never hears of it."""
    before = len(site.backend.heads)
    assert site.get(target).status in {200, 400, 404}
    assert len(site.backend.heads) == before


@pytest.mark.parametrize("target", [b"/pass/a%2fb", b"/pass/a%5cb", b"/pass/%252e"])
def test_item_04_a_route_may_take_encoded_paths(site: Site, target: bytes) -> None:
    """With encoded_path = "pass" they arrive as they came."""
    assert site.get(target).seen["target"] == target.decode()


@pytest.mark.parametrize("target", [b"/goat", b"/GO/x", b"/gop/x", b"/go", b"/strip", b"/Strip/x"])
def test_item_05_a_prefix_ends_with_its_segment(site: Site, target: bytes) -> None:
    """What only begins alike, or has another case, is the app's."""
    assert json.loads(site.get(target).body) == {"python": target.decode(), "body": ""}


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (b"/strip/", "/"),
        (b"/strip/?q", "/?q"),
        (b"/strip/strip/x", "/strip/x"),
        (b"/strip/a/", "/a/"),
        (b"/strip/stripx", "/stripx"),
    ],
)
def test_item_05_a_prefix_is_removed_once(site: Site, target: bytes, sent: str) -> None:
    """What is left begins with one slash."""
    seen = site.get(target).seen
    assert (seen["target"], seen.every("x-forwarded-prefix")) == (sent, ["/strip"])


@pytest.mark.parametrize(
    "start",
    [
        b"OPTIONS *",
        b"GET *",
        b"GET http://other.example/go/x",
        b"GET http://other.example:81/go/x?y",
        b"GET h/go/x",
        b"GET go/x",
    ],
)
def test_item_06_only_paths_go_upstream(site: Site, start: bytes) -> None:
    """Whatever a server makes of another form, the upstream gets a path and the client's Host, or nothing."""
    before = len(site.backend.heads)
    site.ask(start + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    for head in site.backend.heads[before:]:
        assert head.target.startswith(b"/go/x")
        assert head.values(b"host") == [b"h"]


def test_item_07_the_app_gets_the_whole_request(site: Site) -> None:
    """Body and path of what no route takes are as they were, on a connection that then forwards."""
    with site.connect() as client:
        body = b"x" * 100_000
        answer = client.ask(b"POST /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + body)
        assert json.loads(answer.body) == {"python": "/a/b", "body": body.decode()}
        assert client.ask(b"GET /go/x HTTP/1.1\r\nHost: h\r\n\r\n").seen["target"] == "/go/x"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (b"/a?b", b"/strip/a?b"),
        (b"/", b"/strip/"),
        (b"//other.example/a", b"//other.example/a"),
        (b"http://h/a", b"http://h/strip/a"),
        (b"http://h.other.example/a", b"http://h.other.example/a"),
        (b"a", b"a"),
    ],
)
@pytest.mark.parametrize("name", [b"location", b"content-location"])
def test_item_08_a_removed_prefix_comes_back(
    usual: Site, name: bytes, location: bytes, expected: bytes
) -> None:
    """In Location and Content-Location, where the place is the upstream's."""
    head = b"HTTP/1.1 201 Created\r\n%b: %b\r\nContent-Length: 0\r\n\r\n" % (name, location)
    usual.backend.on("/moved", lambda peer, _: peer.send(head))
    assert usual.get(b"/strip/moved").head.values(name) == [expected]


def test_item_09_head_goes_with_get_and_options_does_not(site: Site) -> None:
    """On a route for GET: HEAD is forwarded as HEAD, OPTIONS and POST are the app's."""
    head = site.ask(b"HEAD /get/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert (head.status, head.body, site.backend.seen("/get/x")[-1].method) == (200, b"", b"HEAD")
    before = len(site.backend.heads)
    for method in (b"OPTIONS", b"POST"):
        request = method + b" /get/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        assert json.loads(site.ask(request).body)["python"] == "/get/x"
    assert len(site.backend.heads) == before


PREFLIGHT = b"Origin: http://a.example", b"Access-Control-Request-Method: PUT"


def with_cors(app: ASGIApp) -> ASGIApp:
    """Put an app behind a CORS middleware that allows everything."""
    return CORSMiddleware(app, allow_origins=["*"], allow_methods=["*"])


def forwarding(app: ASGIApp, backend: Backend, *methods: str) -> SidecarMiddleware:
    """Put an app behind a route for those methods, or for any."""
    route = RouteConfig(id="go", path="/go/{rest:path}", methods=methods or None, mode="on", auth="none")
    return SidecarMiddleware(app, Config(sidecar=UpstreamConfig(address=backend.address), routes=[route]))


def allowed(fields: Fields) -> list[bytes]:
    """Return who may ask from elsewhere."""
    return [value for name, value in fields if name == b"access-control-allow-origin"]


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("methods", [(), ("GET", "PUT")])
@pytest.mark.parametrize("is_inside", [True, False], ids=["inside", "outside"])
def test_item_09_the_app_owns_cors(
    backend: Backend, http: str, methods: tuple[str, ...], *, is_inside: bool
) -> None:
    """A preflight is answered by CORSMiddleware on either side of ours; only from outside it sees answers."""
    app = (
        forwarding(with_cors(starlette), backend, *methods)
        if is_inside
        else with_cors(forwarding(starlette, backend, *methods))
    )
    with serving_here(app, backend, http=http) as site:
        before = len(backend.heads)
        preflight = site.ask(
            b"OPTIONS /go/cors HTTP/1.1\r\nHost: h\r\n" + b"\r\n".join(PREFLIGHT) + b"\r\n\r\n"
        )
        assert (preflight.status, allowed(preflight.head.fields)) == (200, [b"*"])
        assert len(backend.heads) == before
        answer = site.get(b"/go/cors", PREFLIGHT[0])
        assert answer.seen["target"] == "/go/cors"
        assert allowed(answer.head.fields) == ([] if is_inside else [b"*"])


def test_item_09_a_route_may_own_cors(backend: Backend) -> None:
    """A preflight goes upstream where the route lists OPTIONS, and comes back as it is."""
    preflight = (
        b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: http://a.example\r\nVary: Origin\r\n\r\n"
    )
    backend.on("/go/own", lambda peer, _: peer.send(preflight))
    with serving_here(forwarding(with_cors(Starlette()), backend, "GET", "OPTIONS"), backend) as site:
        answer = site.ask(b"OPTIONS /go/own HTTP/1.1\r\nHost: h\r\n" + b"\r\n".join(PREFLIGHT) + b"\r\n\r\n")
    assert (answer.status, allowed(answer.head.fields)) == (204, [b"http://a.example"])
    assert backend.seen("/go/own")[-1].values(b"access-control-request-method") == [b"PUT"]
