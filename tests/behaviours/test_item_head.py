"""Items 10 to 16 on the wire: the fields of the request."""

import socket
from pathlib import Path
from typing import Any

import pytest

from forst_asgi import Config, RouteConfig, UpstreamConfig
from tests.behaviours.conftest import Site, configuration, serving_here, serving_on
from tests.behaviours.served import build
from tests.behaviours.wire import PATIENCE_S, Backend, Client, Head, Peer, Seen
from tests.conftest import ROOT
from tests.integration.conftest import start_command, wait_until_listening

HOP_BY_HOP = (
    b"Proxy-Connection: x",
    b"Keep-Alive: timeout=5",
    b"TE: trailers, gzip",
    b"Trailer: x-sum",
    b"Proxy-Authenticate: Basic",
    b"Proxy-Authorization: Basic eDp5",
)


def names(seen: Seen) -> set[str]:
    """Return the names of the fields that came."""
    return {name for name, _ in seen["fields"]}


def test_item_10_hop_by_hop_fields_stay_behind(site: Site) -> None:
    """And so does what Connection nominates, in several lines, any case, between empty tokens."""
    seen = site.get(
        b"/go/hop",
        *HOP_BY_HOP,
        b"Connection: ,X-One,, x-TWO ,",
        b"X-One: 1",
        b"Connection:",
        b"Connection: x-three",
        b"X-Two: 2",
        b"x-Three: 3",
        b"X-Four: 4",
    ).seen
    gone = {field.partition(b":")[0].decode().lower() for field in HOP_BY_HOP}
    assert not names(seen) & (gone | {"connection", "x-one", "x-two", "x-three", "upgrade"})
    assert seen.every("x-four") == ["4"]


def test_item_10_an_upgrade_is_not_passed_on(site: Site) -> None:
    """Upgrade is between the client and the server."""
    fields = b"Connection: Upgrade", b"Upgrade: websocket-but-not-really"
    answer = site.get(b"/go/upgrade", *fields)
    assert (answer.status, names(answer.seen) & {"connection", "upgrade"}) == (200, set())


def test_item_10_nomination_takes_nothing_of_ours(site: Site) -> None:
    """Host, Content-Length and what is injected cannot be nominated away."""
    nominated = (
        b"Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP, Forwarded, Via, "
        b"X-Request-Id, X-Forst-Identity"
    )
    request = b"POST /nasty/x HTTP/1.1\r\nHost: h\r\nConnection: %b\r\nContent-Length: 3\r\n\r\nabc"
    seen = site.ask(request % nominated).seen
    assert seen["body"] == "abc"
    expected = {"host", "content-length", "x-forwarded-for", "x-real-ip", "forwarded", "via"}
    assert expected | {"x-request-id", "x-forst-identity"} <= names(seen)


@pytest.mark.parametrize("hosts", [[], [b""], [b"a", b"b"], [b"a", b"a"]])
def test_item_11_a_request_has_one_host(site: Site, hosts: list[bytes]) -> None:
    """None or two: 400, by us or by the server, and nothing goes upstream."""
    before = len(site.backend.heads)
    lines = b"".join(b"Host: %b\r\n" % host for host in hosts)
    assert site.ask(b"GET /go/host HTTP/1.1\r\n%bConnection: close\r\n\r\n" % lines).status == 400
    assert len(site.backend.heads) == before


def test_item_11_host_is_kept_or_replaced(site: Site) -> None:
    """As the upstream says; the client's is told either way."""
    request = b"GET /%b/host HTTP/1.1\r\nHost: shop.example:8\r\nConnection: close\r\n\r\n"
    kept, named = site.ask(request % b"go").seen, site.ask(request % b"named").seen
    assert (kept.every("host"), named.every("host")) == (["shop.example:8"], ["backend.internal"])
    assert named.every("x-forwarded-host") == ["shop.example:8"]


def test_item_12_order_duplicates_and_bytes_are_kept(site: Site) -> None:
    """End-to-end fields come as they were sent, above 0x7F too."""
    fields = (
        b"X-A: 1",
        b"Cookie: a=1",
        b"X-B: caf\xe9 \xff",
        b"X-A: 2",
        b"X-Empty:",
        b"Cookie: b=2",
        b"x-a:  3  ",
    )
    seen = site.get(b"/go/order", *fields).seen
    came = [field for field in seen.fields if field[0] in {b"x-a", b"x-b", b"cookie", b"x-empty"}]
    expected = [
        (b"x-a", b"1"),
        (b"cookie", b"a=1"),
        (b"x-b", b"caf\xe9 \xff"),
        (b"x-a", b"2"),
        (b"x-empty", b""),
        (b"cookie", b"b=2"),
        (b"x-a", b"3"),
    ]
    if site.name == "granian":  # puts fields of one name together before the app sees them
        came.sort(key=lambda field: field[0])
        expected.sort(key=lambda field: field[0])
    assert came == expected


FORGED = (
    b"Forwarded: for=6.6.6.6",
    b"X-Forwarded-For: 6.6.6.6",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: evil.example",
    b"X-Forwarded-Port: 666",
    b"X-Forwarded-Prefix: /evil",
    b"X-Real-IP: 6.6.6.6",
)


def test_item_13_what_a_client_says_of_itself_is_replaced(site: Site) -> None:
    """All forwarding fields are ours."""
    seen = site.get(b"/strip/who", *FORGED).seen
    told = {name: seen.every(name) for name in names(seen) if name.startswith("x-forwarded")}
    assert told == {
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-proto": ["http"],
        "x-forwarded-host": ["h"],
        "x-forwarded-prefix": ["/strip"],
    }
    assert seen.every("x-real-ip") == ["127.0.0.1"]
    assert seen.every("forwarded") == ["for=127.0.0.1;host=h;proto=http"]


def trusting(backend: Backend, *proxies: str) -> Any:
    """Return an app that trusts those proxies."""
    route = RouteConfig(id="go", path="/go/{rest:path}", mode="on", auth="none")
    upstream = UpstreamConfig(address=backend.address)
    return build(Config(trusted_proxies=proxies, sidecar=upstream, routes=[route]))


def test_item_13_a_trusted_proxy_is_added_to(backend: Backend) -> None:
    """Its lists get longer by itself, the rest stays as it says."""
    with serving_here(trusting(backend, "127.0.0.0/8"), backend) as site:
        seen = site.get(b"/go/who", *FORGED, b"X-Forwarded-For: 7.7.7.7").seen
    assert seen.every("x-forwarded-for") == ["6.6.6.6, 7.7.7.7, 127.0.0.1"]
    assert seen.every("forwarded") == ["for=6.6.6.6, for=127.0.0.1;host=h;proto=http"]
    assert seen.every("x-forwarded-proto") == ["https"]
    assert seen.every("x-forwarded-host") == ["evil.example"]
    assert seen.every("x-real-ip") == ["6.6.6.6"]


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_item_13_what_uvicorn_believes_is_told(backend: Backend, http: str) -> None:
    """With --proxy-headers the client in the scope is the one that uvicorn took from X-Forwarded-For."""
    options = {"proxy_headers": True, "forwarded_allow_ips": "127.0.0.1", "http": http}
    fields = b"X-Forwarded-For: 6.6.6.6, 7.7.7.7", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: e.example"
    with serving_here(trusting(backend), backend, **options) as site:
        seen = site.get(b"/go/who", *fields).seen
    assert seen.every("x-forwarded-for") == ["7.7.7.7"]
    assert seen.every("x-real-ip") == ["7.7.7.7"]
    assert seen.every("x-forwarded-proto") == ["https"]
    assert seen.every("x-forwarded-host") == ["h"]
    assert seen.every("forwarded") == ["for=7.7.7.7;host=h;proto=https"]


def test_item_13_uvicorn_believes_an_ipv6_address(backend: Backend) -> None:
    """It is in brackets and quotes in Forwarded (RFC 7239 section 6)."""
    options = {"proxy_headers": True, "forwarded_allow_ips": "*"}
    with serving_here(trusting(backend), backend, **options) as site:
        seen = site.get(b"/go/who", b"X-Forwarded-For: 2001:db8::1").seen
    assert seen.every("x-forwarded-for") == ["2001:db8::1"]
    assert seen.every("forwarded") == ['for="[2001:db8::1]";host=h;proto=http']


@pytest.mark.parametrize(
    ("trusted", "expected", "forwarded"),
    [
        ([], [], ["for=unknown;host=h;proto=http"]),
        (["unix"], ["6.6.6.6"], ["for=6.6.6.6, for=unknown;host=h;proto=http"]),
    ],
)
@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_item_13_a_client_on_a_unix_socket(
    backend: Backend, folder: Path, http: str, trusted: list[str], expected: list[str], forwarded: list[str]
) -> None:
    """It has no address to tell; a proxy there can be trusted."""
    path = folder / "front"
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as sock,
    ):
        listener.bind(str(path))
        listener.listen()
        with serving_on(listener, trusting(backend, *trusted), http=http):
            sock.connect(str(path))
            sock.settimeout(PATIENCE_S)
            lines = b"\r\n".join(FORGED[:2])
            seen = Client(sock).ask(b"GET /go/who HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n\r\n").seen
    assert seen.every("x-forwarded-for") == expected
    assert seen.every("forwarded") == forwarded
    assert seen.every("x-forwarded-proto") == ["http"]


UNIX = {
    "hypercorn": ("hypercorn", "tests.behaviours.process:app", "--bind", "unix:{path}"),
    "granian": ("granian", "--interface", "asgi", "--uds", "{path}", "tests.behaviours.process:app"),
}


@pytest.mark.parametrize("name", ["hypercorn", "granian"])
def test_item_13_a_client_on_a_unix_socket_of_other_servers(
    backend: Backend, folder: Path, name: str
) -> None:
    """As under uvicorn: no address is made up, and a proxy there can be trusted."""
    path, config = folder / "front", folder / "forst.toml"
    config.write_text(f"trusted_proxies = ['unix']\n{configuration(backend.address)}")
    environ = {"FORST_TEST_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
    command = [each.format(path=path) for each in UNIX[name]]
    with start_command(command, environ) as process, socket.socket(socket.AF_UNIX) as sock:
        wait_until_listening(process.popen, socket.AF_UNIX, str(path))
        sock.connect(str(path))
        with Client(sock) as client:
            seen = client.ask(b"GET /go/who HTTP/1.1\r\nHost: h\r\n" + FORGED[0] + b"\r\n\r\n").seen
    assert seen.every("forwarded") == ["for=6.6.6.6, for=unknown;host=h;proto=http"]
    assert seen.every("x-forwarded-for") == []
    assert seen.every("x-real-ip") == []


@pytest.mark.parametrize(
    "name", [b"x-forst-identity", b"X-FORST-Identity", b"x_forst_identity", b"X-Forst_Identity", b"x-forst-x"]
)
def test_item_14_reserved_names_are_ours(site: Site, name: bytes) -> None:
    """No spelling passes, not even beside the one that we add."""
    assert not [each for each in names(site.get(b"/go/x", name + b": e30").seen) if "forst" in each]
    seen = site.get(b"/nasty/x", name + b": e30").seen
    assert [each for each in names(seen) if "forst" in each] == ["x-forst-identity"]
    assert "e30" not in seen.every("x-forst-identity")


def test_item_14_names_with_an_underscore_are_dropped(site: Site) -> None:
    """CGI-style frameworks cannot tell them from names with a hyphen."""
    assert "x_a" not in names(site.get(b"/go/x", b"x_a: 1").seen)


def test_item_15_nothing_is_invented(site: Site) -> None:
    """A bare request arrives with Host, what says who is asking, and an id."""
    assert names(site.get(b"/go/bare").seen) == {
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-real-ip",
        "forwarded",
        "via",
        "x-request-id",
    }


def test_item_15_via_is_added_to_and_finds_loops(site: Site) -> None:
    """Ours comes last; when it comes back the request is refused."""
    seen = site.get(b"/go/via", b"Via: 1.0 first", b"Via: 1.1 second (x)").seen
    *others, own = ", ".join(seen.every("via")).split(", ")
    assert others == ["1.0 first", "1.1 second (x)"]
    before = len(site.backend.heads)
    answer = site.get(b"/go/via", b"Via: 1.0 first, " + own.encode())
    assert (answer.status, answer.problem, len(site.backend.heads)) == (502, "loop-detected", before)


def expecting(path: bytes, *fields: bytes) -> bytes:
    """Return the head of a request that waits for `100 Continue`."""
    lines = b"".join(field + b"\r\n" for field in fields or (b"Content-Length: 5",))
    return b"POST %b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n%b\r\n" % (path, lines)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (expecting(b"/nobody/x"), 401),
        (expecting(b"/go/a%2fb"), 400),
        (expecting(b"/go//x"), 400),
        (expecting(b"/small/x", b"Content-Length: 5000"), 413),
        (expecting(b"/go/x", b"Content-Length: 5", b"Host: second"), 400),
    ],
    ids=["auth", "encoded slash", "empty segment", "size", "hosts"],
)
def test_item_15_no_continue_for_what_is_refused(site: Site, head: bytes, status: int) -> None:
    """The final answer is the first thing that the client gets, and nothing goes upstream."""
    before = len(site.backend.heads)
    with site.connect() as client:
        client.send(head)
        # Hypercorn says "100 Continue" by itself, before it calls the app.
        answer = client.answer().head if site.name == "hypercorn" else client.head()
        assert answer.status == status
    assert len(site.backend.heads) == before


def test_item_15_continue_comes_once_the_body_is_wanted(site: Site) -> None:
    """A request that passes gets it; Expect does not go upstream."""
    with site.connect() as client:
        client.send(expecting(b"/go/continue"))
        assert client.head().status == 100
        client.send(b"abcde")
        seen = client.answer().seen
    assert (seen["body"], seen.every("expect")) == ("abcde", [])


def test_item_15_an_upstreams_own_continue_is_nobodys(site: Site) -> None:
    """A client that expects it gets the final answer, whatever interim ones the upstream sends."""

    def script(peer: Peer, head: Head) -> None:
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = peer.body(head)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    path = site.backend.on("/go/interim", script)
    with site.connect() as client:
        client.send(expecting(path))
        client.send(b"abcde")
        assert client.answer().body == b"abcde"


def test_item_16_what_auth_claims_stays_one_value(site: Site) -> None:
    """CR, LF and NUL in a claim make no field of their own."""
    seen = site.get(b"/nasty/claims").seen
    assert "x-admin" not in names(seen)
    [value] = seen.every("x-forst-identity")
    assert value.isascii()
    assert value.isprintable()


def test_item_16_too_many_fields(site: Site) -> None:
    """More than 256: 431 (or the server's own refusal), and nothing goes upstream."""
    before = len(site.backend.heads)
    answer = site.get(b"/go/many", *(b"x-%d: 1" % number for number in range(300)))
    assert answer.status in {431, 400}
    assert len(site.backend.heads) == before


def test_item_16_too_large_fields(site: Site) -> None:
    """Over 64 KiB: 431 or 400, by us or by the server, and nothing goes upstream."""
    before = len(site.backend.heads)
    with site.connect() as client:
        fields = b"".join(b"x-%d: %b\r\n" % (number, b"v" * 1000) for number in range(80))
        answer = client.ask(b"GET /go/large HTTP/1.1\r\nHost: h\r\n%b\r\n" % fields)
    assert answer.status in {431, 400}
    assert len(site.backend.heads) == before
