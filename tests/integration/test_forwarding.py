"""What clients and Go see of forwarded requests: uvicorn in front, a real Go program behind."""

import contextlib
import gzip
import http.client
import os
import signal
import socket
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.events import RequestFailed, RequestForwarded, RequestRefused, SidecarExited, SidecarStopped

if TYPE_CHECKING:
    from tests.conftest import Recorder
    from tests.integration.conftest import Running, RunUpstream, Serve

SECRET = Path(__file__).with_name("secret.txt")
PLAIN = RouteConfig(id="go", path="/{rest:path}", mode="on", auth="none")


def authenticate(connection: HTTPConnection) -> dict[str, Any]:
    """Know one user, refuse everybody else."""
    if connection.headers.get("authorization") != "Bearer ada":
        raise HTTPException(401, "who are you?", {"www-authenticate": "Bearer"})
    return {"sub": "ada", "path": connection.url.path, "reserved": "x-forst-identity" in connection.headers}


def fail(connection: HTTPConnection) -> None:
    """Have a bug."""
    raise ZeroDivisionError("secret text")


def python_routes() -> list[Route]:
    """Return the endpoints that stay in Python."""

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("python")

    return [Route("/python", answer)]


def own(name: str) -> str:
    """Return how a route names something in this module."""
    return f"{__name__}:{name}"


def wrapped(address: str, *routes: RouteConfig, **options: Any) -> SidecarMiddleware:
    """Return an app whose routes are forwarded to that address."""
    config = Config(
        sidecar=UpstreamConfig(address=address, secret_file=SECRET), routes=list(routes or [PLAIN])
    )
    return SidecarMiddleware(Starlette(routes=python_routes()), config, **options)


@pytest.fixture(scope="module")
def client(go: "Running", serve: "Serve") -> Iterator[httpx.Client]:
    """A client of a server that forwards under several prefixes, each with rules of its own."""
    routes = [
        RouteConfig(id="get", path="/get/{rest:path}", methods=["GET"], strip_prefix="/get", mode="on"),
        RouteConfig(id="small", path="/small", mode="on", rewrite="/echo", max_body="1KiB"),
        RouteConfig(id="auth", path="/auth", mode="on", rewrite="/echo", auth=own("authenticate")),
        RouteConfig(id="bug", path="/bug", mode="on", rewrite="/echo", auth=own("fail")),
        RouteConfig(id="rewrite", path="/v/{a}/{b}", mode="on", rewrite="/echo/{b}/of/{a}"),
        RouteConfig(id="options", path="/all/{rest:path}", methods=["OPTIONS"], rewrite="/echo", mode="on"),
        RouteConfig(id="all", path="/all/{rest:path}", mode="on", strip_prefix="/all"),
    ]
    with (
        serve(wrapped(go.address, *routes), proxy_headers=False) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as made,
    ):
        yield made


# -- requests as Go sees them ----------------------------------------------------------------------


@pytest.mark.item(14, 44)
def test_claims_of_the_app_arrive_in_go(client: httpx.Client) -> None:
    """What the route's `auth` returned is what `forstsidecar.Identity` returns; the client's own never is."""
    forged = {"X-Forst-Identity": "eyJzdWIiOiJyb290In0", "x_forst_identity": "eyJzdWIiOiJyb290In0"}
    seen = client.get("/auth", headers={"authorization": "Bearer ada", **forged}).json()
    assert seen["identity"] == {"sub": "ada", "path": "/echo", "reserved": False}
    assert len(seen["headers"]["X-Forst-Identity"]) == 1
    assert "X_forst_identity" not in seen["headers"]


@pytest.mark.item(14)
def test_reserved_fields_of_a_client_never_arrive(client: httpx.Client) -> None:
    """No spelling of x-forst-* passes, on a route with auth or without."""
    names = [
        "x-forst-identity",
        "X-FORST-IDENTITY",
        "x-forst-anything",
        "x_forst_identity",
        "X-Forst_Identity",
    ]
    seen = client.get("/get/echo", headers=[(name, "eyJzdWIiOiJyb290In0") for name in names]).json()
    assert seen["identity"] is None
    assert not [name for name in seen["headers"] if "forst" in name.lower()]


@pytest.mark.item(44)
def test_a_refusal_of_the_app_is_the_answer(client: httpx.Client, go: "Running") -> None:
    """An HTTPException of the route's `auth` becomes its response, and Go hears nothing."""
    before = len(go.diary.targets())
    answer = client.get("/auth?refused")
    assert (answer.status_code, answer.json()) == (401, {"detail": "who are you?"})
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "/echo?refused" not in go.diary.targets()[before:]


@pytest.mark.item(44)
def test_a_bug_in_auth_forwards_nothing(client: httpx.Client, go: "Running") -> None:
    """Any other exception is a 500 that tells nothing, and Go hears nothing."""
    answer = client.get("/bug?buggy")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "/echo?buggy" not in go.diary.targets()


@pytest.mark.item(13)
def test_forwarding_fields_tell_of_the_client_not_by_the_client(client: httpx.Client) -> None:
    """X-Forwarded-* are ours: a client's own are dropped."""
    forged = {"x-forwarded-for": "1.2.3.4", "x-real-ip": "1.2.3.4", "forwarded": "for=1.2.3.4"}
    seen = client.get("/get/echo", headers=forged).json()["headers"]
    assert seen["X-Forwarded-For"] == ["127.0.0.1"]
    assert seen["X-Real-Ip"] == ["127.0.0.1"]
    assert not [name for name, values in seen.items() if "1.2.3.4" in " ".join(values)]
    assert seen["X-Forwarded-Prefix"] == ["/get"]
    assert seen["X-Forwarded-Proto"] == ["http"]


@pytest.mark.item(2, 5)
def test_a_rewrite_moves_the_bytes_of_the_client(client: httpx.Client) -> None:
    """Parameters arrive percent-encoded as they were, and the query stays."""
    assert client.get("/v/a%20b/%C3%A9?q=%2F").json()["target"] == "/echo/%C3%A9/of/a%20b?q=%2F"


@pytest.mark.item(11)
def test_hosts_and_request_ids_arrive(client: httpx.Client) -> None:
    """Go sees the client's Host and the request's id."""
    headers = {"host": "shop.example", "x-request-id": "id-1"}
    seen = client.get("/get/echo", headers=headers).json()
    assert seen["host"] == "shop.example"
    assert seen["headers"]["X-Request-Id"] == ["id-1"]
    assert client.get("/get/echo").json()["headers"]["X-Request-Id"][0]


@pytest.mark.item(9, 25)
def test_head_is_forwarded_with_get(client: httpx.Client) -> None:
    """HEAD on a GET route reaches Go and has GET's length and no body, on a connection that goes on."""
    got, asked = client.get("/get/text"), client.head("/get/text")
    assert asked.status_code == 200
    assert asked.content == b""
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert client.get("/get/echo").json()["method"] == "GET"


@pytest.mark.item(9)
def test_options_is_the_apps_unless_listed(client: httpx.Client) -> None:
    """OPTIONS falls through on a route for GET, and is forwarded where every method is."""
    assert client.options("/get/echo").status_code == 404
    assert client.options("/all/echo").json()["method"] == "OPTIONS"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_other_methods_on_a_get_route_are_the_apps(client: httpx.Client, method: str) -> None:
    """A method that the route does not list falls through."""
    assert client.request(method, "/get/echo").status_code == 404
    assert client.request(method, "/all/echo").json()["method"] == method


@pytest.mark.item(19)
def test_a_body_that_is_too_large_is_refused(client: httpx.Client, go: "Running") -> None:
    """Over `max_body` is a 413, by its length as by its bytes; at the limit it passes."""
    assert client.post("/small", content=b"x" * 1024).json()["length"] == 1024
    assert client.post("/small?by-length", content=b"x" * 1025).status_code == 413
    assert "/echo?by-length" not in go.diary.targets()
    answer = client.post("/small", content=iter([b"x" * 1000, b"x" * 1000]))
    assert answer.status_code == 413


# -- responses as the client sees them -------------------------------------------------------------


@pytest.mark.item(26)
def test_cookies_stay_apart(client: httpx.Client) -> None:
    """Several Set-Cookie lines stay several, in order."""
    answer = client.get("/get/cookies")
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; HttpOnly", "a=3; Path=/x"]


@pytest.mark.item(8, 45)
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/echo", "/get/echo"),
        ("https://elsewhere.example/echo", "https://elsewhere.example/echo"),
        ("//elsewhere.example/echo", "//elsewhere.example/echo"),
        ("echo", "echo"),
    ],
)
def test_a_stripped_prefix_is_put_back_into_location(
    client: httpx.Client, location: str, expected: str
) -> None:
    """A path that Go made without the prefix gets it back; other places stay as they are."""
    answer = client.get("/get/moved", params={"to": location})
    assert (answer.status_code, answer.headers["location"]) == (303, expected)


@pytest.mark.item(26)
def test_there_is_one_date_and_one_server(client: httpx.Client) -> None:
    """Go's Date does not come beside the server's own."""
    answer = client.get("/get/echo")
    assert len(answer.headers.get_list("date")) == 1
    assert len(answer.headers.get_list("server")) == 1


# -- targets that two parsers could read differently ------------------------------------------------

UNSAFE = [
    "/get/../python",
    "/get/a/..",
    "/get/./echo",
    "/get//echo",
    "/get/echo//x",
    "/get/%2e%2e/python",
    "/get/%2E./python",
    "/get/a%2fb",
    "/get/a%5cb",
    "/get/a\\b",
    "/get/%00",
    "/get/%252e%252e/x",
    "/get/%c0%ae%c0%ae/x",
    "/get/%zz",
    "/get/echo?a=\x7f",
]


def send_raw(client: httpx.Client, request: bytes) -> http.client.HTTPResponse:
    """Send bytes as they are and return the answer, with its body read."""
    url = client.base_url
    with socket.create_connection((url.host, url.port or 80), 60) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        return answer


@pytest.mark.item(3, 4)
@pytest.mark.parametrize("target", UNSAFE)
def test_unsafe_targets_are_refused(client: httpx.Client, go: "Running", target: str) -> None:
    """A target that Go could read otherwise is a 400, from us or from the server, and Go hears nothing."""
    before = len(go.diary.targets())
    request = f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".encode("latin-1")
    assert send_raw(client, request).status == 400
    assert go.diary.targets()[before:] == []


@pytest.mark.item(11)
@pytest.mark.parametrize("hosts", ["", "host: a\r\nhost: b\r\n"])
def test_a_request_needs_one_host(client: httpx.Client, go: "Running", hosts: str) -> None:
    """No Host, or two, is a 400, and Go hears nothing."""
    before = len(go.diary.targets())
    request = f"GET /get/echo?hosts HTTP/1.1\r\n{hosts}connection: close\r\n\r\n".encode()
    assert send_raw(client, request).status == 400
    assert go.diary.targets()[before:] == []


@pytest.mark.item(1)
def test_connect_and_trace_are_never_forwarded(client: httpx.Client, go: "Running") -> None:
    """TRACE on a route for every method is a 405, and Go hears nothing."""
    before = len(go.diary.targets())
    assert client.request("TRACE", "/all/echo").status_code == 405
    assert go.diary.targets()[before:] == []


# -- where Go is ------------------------------------------------------------------------------------


@pytest.mark.item(11)
def test_two_upstreams_have_their_own_routes(
    go: "Running", run_upstream: "RunUpstream", serve: "Serve", folder: Path, free_tcp_port: int
) -> None:
    """Each route goes to its upstream: one on a Unix socket, one on TCP, one of them through httpx."""
    with run_upstream(folder, f"tcp:127.0.0.1:{free_tcp_port}") as other:
        config = Config(
            sidecar=UpstreamConfig(address=go.address),
            upstreams={
                "tcp": UpstreamConfig(address=other.address),
                "slow": UpstreamConfig(address=go.address, transport="httpx", host="slow.internal"),
            },
            routes=[
                RouteConfig(id=name, path=f"/{name}", rewrite="/echo", upstream=name, mode="on", auth="none")
                for name in ("sidecar", "tcp", "slow")
            ],
        )
        with serve(SidecarMiddleware(Starlette(), config)) as url:
            seen = {name: httpx.get(f"{url}/{name}").json() for name in ("sidecar", "tcp", "slow")}
    assert [seen[name]["pid"] for name in seen] == [go.process.pid, other.process.pid, go.process.pid]
    assert seen["slow"]["host"] == "slow.internal"


@pytest.mark.parametrize("place", ["auto", "socket", "address"])
def test_a_sidecar_of_our_own_is_started(
    upstream_binary: Path,
    serve: "Serve",
    folder: Path,
    recorder: "Recorder",
    free_tcp_port: int,
    place: str,
) -> None:
    """With a command the middleware starts Go where it is told to, forwards to it, and stops it again."""
    places: dict[str, dict[str, Any]] = {
        "auto": {},
        "socket": {"socket": folder / "own.sock"},
        "address": {"address": f"http://127.0.0.1:{free_tcp_port}"},
    }
    config = Config(
        sidecar=UpstreamConfig(command=[upstream_binary], ready_path="/.forst/ready", **places[place]),
        routes=[PLAIN],
    )
    with serve(SidecarMiddleware(Starlette(), config, observer=recorder)) as url:
        assert httpx.get(f"{url}/echo").json()["target"] == "/echo"
    assert len(recorder.of(SidecarStopped)) == 1
    [event] = recorder.of(RequestForwarded)
    assert (event.route, event.upstream, event.target, event.reason) == (
        "go",
        "sidecar",
        "sidecar",
        "mode_on",
    )
    assert (event.method, event.status) == ("GET", 200)


# -- Go that dies -----------------------------------------------------------------------------------


@pytest.mark.item(29)
@pytest.mark.parametrize("transport", ["http1", "httpx"])
def test_a_killed_upstream_is_a_problem_answer_and_python_goes_on(
    run_upstream: "RunUpstream", serve: "Serve", folder: Path, recorder: "Recorder", transport: Any
) -> None:
    """A request under way gets a 502, so do later ones, and routes of the app are answered as ever."""
    route = RouteConfig(id="go", path="/{rest:path}", headers={"x-go": "1"}, mode="on", auth="none")
    with run_upstream(folder, f"unix:{folder}/s") as upstream:
        config = Config(sidecar=UpstreamConfig(address=upstream.address, transport=transport), routes=[route])
        app = SidecarMiddleware(Starlette(routes=python_routes()), config, observer=recorder)
        with serve(app) as url, httpx.Client(base_url=url, timeout=60, headers={"x-go": "1"}) as client:
            assert client.get("/echo").status_code == 200
            answers = list(killed_while_held(upstream, client))
            answers.append(client.get("/echo"))
            assert client.get("/python", headers={"x-go": "0"}).text == "python"
    assert [answer.status_code for answer in answers] == [502, 502]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["proxy-status"].startswith("forst; error=")
        assert set(answer.json()) == {"type", "title", "status", "detail", "request_id"}
    assert len(recorder.of(RequestFailed)) == 2


def killed_while_held(upstream: "Running", client: httpx.Client) -> Iterator[httpx.Response]:
    """Kill Go while it works on a request, and yield the answer to that."""
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.get, "/hold?key=killed")
        upstream.diary.wait("killed", "begun")
        upstream.process.kill()
        yield held.result(60)


@pytest.mark.item(28)
def test_a_response_torn_by_a_kill_is_torn_for_the_client(
    run_upstream: "RunUpstream", serve: "Serve", folder: Path, recorder: "Recorder"
) -> None:
    """After the head nothing can be said any more: the connection is cut, so that the client can tell."""
    with (
        run_upstream(folder, f"unix:{folder}/s") as upstream,
        serve(wrapped(upstream.address, observer=recorder)) as url,
    ):
        with httpx.stream("GET", f"{url}/events?key=torn&n=2", timeout=60) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "data: 1"
            upstream.process.kill()
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        [failed] = recorder.wait_for(RequestFailed)
    assert (failed.status, failed.stage) == (200, "body")


@pytest.mark.item(49)
def test_a_sidecar_of_our_own_that_dies_is_replaced(
    upstream_binary: Path, serve: "Serve", recorder: "Recorder"
) -> None:
    """Another process answers soon; until then requests wait for it, or get a 503 with Retry-After."""
    config = Config(
        sidecar=UpstreamConfig(command=[upstream_binary], ready_path="/.forst/ready"), routes=[PLAIN]
    )
    with serve(SidecarMiddleware(Starlette(), config, observer=recorder)) as url:
        first = httpx.get(f"{url}/echo").json()["pid"]
        os.kill(first, signal.SIGKILL)
        recorder.wait_for(SidecarExited)
        while (answer := httpx.get(f"{url}/echo", timeout=60)).status_code != 200:
            assert (answer.status_code, answer.json()["detail"]) == (503, "sidecar-not-ready")
            assert answer.headers["retry-after"] == "1"
    assert answer.json()["pid"] != first


# -- what stands around and above -------------------------------------------------------------------


@pytest.mark.item(5, 8)
def test_a_mounted_app_forwards_its_own_paths(go: "Running", serve: "Serve") -> None:
    """Under a Mount, routes are matched without its path, Go gets the rest, and Location gets it back."""
    inner = wrapped(go.address)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        # No lifespan reaches what is mounted, so nobody else closes the connections of the inner one.
        assert inner._runtime is not None
        await inner._runtime.aclose()

    app = Starlette(routes=[Mount("/api", app=inner), *python_routes()], lifespan=lifespan)
    with serve(app) as url:
        seen = httpx.get(f"{url}/api/echo/x?y").json()
        moved = httpx.get(f"{url}/api/moved?to=/echo")
        assert httpx.get(f"{url}/echo").status_code == 404
    assert seen["target"] == "/echo/x?y"
    assert seen["headers"]["X-Forwarded-Prefix"] == ["/api"]
    assert moved.headers["location"] == "/api/echo"


async def untouched(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Do nothing, in the way of BaseHTTPMiddleware."""
    return await call_next(request)


def around(address: str, *outer: Middleware) -> Starlette:
    """Return an app with other middleware around ours."""
    config = Config(sidecar=UpstreamConfig(address=address), routes=[PLAIN])
    return Starlette(middleware=[*outer, Middleware(SidecarMiddleware, config=config)])


def test_gzip_around_it_compresses_the_answers_of_go(go: "Running", serve: "Serve") -> None:
    """Middleware around ours treats a forwarded answer as any other."""
    with serve(around(go.address, Middleware(GZipMiddleware))) as url:
        with httpx.stream("GET", f"{url}/text", headers={"accept-encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(b"".join(answer.iter_raw())) == b"the same line again\n" * 1000
        assert "gzip" not in httpx.get(f"{url}/text", headers={"accept-encoding": "br"}).headers


OUTER = [Middleware(GZipMiddleware), Middleware(BaseHTTPMiddleware, dispatch=untouched)]


@pytest.mark.item(31, 35)
@pytest.mark.parametrize("outer", OUTER, ids=lambda outer: outer.cls.__name__)
def test_streams_pass_middleware_around_it(
    go: "Running", serve: "Serve", key: str, outer: Middleware
) -> None:
    """Events still arrive one by one, uploads while they are sent, and requests with a body."""
    with serve(around(go.address, outer)) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.post("/echo", content=b"x" * 100_000).json()["length"] == 100_000
        with client.stream("GET", "/events", params={"key": key, "n": 2}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "data: 1"
            assert go.diary.wait(key, "sent 1") == ["sent 1"]
            go.diary.open(key)
            assert [line for line in lines if line] == ["data: 2"]


@pytest.mark.item(33, 35)
@pytest.mark.parametrize("outer", OUTER, ids=lambda outer: outer.cls.__name__)
@pytest.mark.parametrize(("path", "note"), [("/events?n=2&", "sent 1"), ("/hold?", "begun")])
def test_a_client_that_leaves_is_noticed_through_middleware(
    go: "Running", serve: "Serve", key: str, outer: Middleware, path: str, note: str
) -> None:
    """Go's context is cancelled when the client leaves, whatever stands between it and us."""
    with serve(around(go.address, outer)) as url:
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port or 80)) as connection:
            target = f"{path}key={urllib.parse.quote(key)}"
            connection.sendall(f"GET {target} HTTP/1.1\r\nhost: h\r\n\r\n".encode())
            go.diary.wait(key, note)
        assert go.diary.wait(key, "cancelled") == [note, "cancelled"]


def test_what_is_refused_is_told(go: "Running", serve: "Serve", recorder: "Recorder") -> None:
    """A refusal is an event with the route, the status and the kind of mistake."""
    with serve(wrapped(go.address, observer=recorder)) as url:
        httpx.get(f"{url}/a%2fb")
    [event] = recorder.of(RequestRefused)
    assert (event.route, event.status, event.error) == ("go", 400, "unsafe-target")
