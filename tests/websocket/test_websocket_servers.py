"""Items 42 and 43 under every server that knows WebSockets, in processes of their own, with a real client."""

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from tests.integration.conftest import Process, free_port, start_process
from tests.websocket.upstream import PATIENCE_S, Peer, Upstream, echo, scripted

UVICORN = ("uvicorn", "served:app", "--port", "{port}", "--no-access-log")

SERVERS: dict[str, tuple[str, ...]] = {
    f"uvicorn-{ws}-{http}-{loop}": (*UVICORN, "--ws", ws, "--http", http, "--loop", loop)
    for ws, http, loop in (
        ("websockets-sansio", "httptools", "uvloop"),
        ("websockets-sansio", "h11", "asyncio"),
        ("wsproto", "httptools", "asyncio"),
        ("wsproto", "h11", "uvloop"),
        ("auto", "auto", "auto"),
    )
}
SERVERS["hypercorn"] = ("hypercorn", "served:app", "--bind", "127.0.0.1:{port}")
SERVERS["granian"] = ("granian", "--interface", "asgi", "--port", "{port}", "served:app")


def by_path(peer: Peer) -> object:
    """A script for each path."""
    match peer.request.path:
        case "/ws/echo":
            return echo(peer)
        case "/ws/head":
            peer.accept(("Sec-WebSocket-Protocol", "v2"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
            peer.text(f"{peer.request.headers['Origin']} {peer.request.headers['Cookie']}")
            return peer.close_code()
        case "/ws/refuse":
            fields = b"X-Why: because\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nVary: a\r\nVary: b\r\n"
            peer.raw(b"HTTP/1.1 401 No\r\n" + fields + b"Content-Length: 4\r\n\r\nwho?")
        case "/ws/close":
            peer.accept().close(4003, "go away")
        case "/ws/vanish":
            peer.accept()
        case path:
            raise AssertionError(path)
    return None


@dataclass
class Place:
    """A server that runs, and the upstream behind it."""

    name: str
    process: Process
    upstream: Upstream

    @property
    def port(self) -> int:
        return int(self.process.url.rpartition(":")[2])

    def open(self, path: str, **options: Any) -> ClientConnection:
        """A client's WebSocket."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        opened: ClientConnection = connect(url, proxy=None, open_timeout=PATIENCE_S, **options)
        return opened


def serving(name: str, folder: Path) -> Iterator[Place]:
    """A server with one WebSocket route in front of a scripted upstream."""
    config = folder / "forst.toml"
    with scripted(by_path) as upstream:
        config.write_text(
            f'[sidecar]\naddress = "{upstream.address}"\n[logs]\nrequests = "all"\n'
            '[[route]]\nid = "ws"\npath = "/ws/{what}"\ntype = "websocket"\nmode = "on"\nauth = "none"\n'
            '[upstream.away]\naddress = "unix:/nowhere"\n'
            '[[route]]\nid = "away"\npath = "/away/{what}"\ntype = "websocket"\nmode = "on"\nauth = "none"\n'
            'upstream = "away"\non_failure = "app"\n'
        )
        port = free_port()
        command = [each.format(port=port) for each in SERVERS[name]]
        with start_process(command, port, {"FORST_TEST_CONFIG": str(config)}) as process:
            yield Place(name, process, upstream)


@pytest.fixture(scope="module", params=list(SERVERS))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Each server in turn."""
    yield from serving(request.param, tmp_path_factory.mktemp("ws"))


def test_item_43_messages_of_any_size_go_both_ways(place: Place) -> None:
    """Text stays text, binary binary; fragments and a megabyte arrive whole, compressed or not."""
    for compression in ("deflate", None):
        with place.open("/ws/echo", compression=compression, max_size=None) as client:
            for message in ("héllo", b"\x00\xff", "", b"", "x" * 70_000, bytes(1 << 20)):
                client.send(message)
                assert client.recv(PATIENCE_S) == message
            client.send(["in ", "two ", "pieces"])
            assert client.recv(PATIENCE_S) == "in two pieces"
        place.upstream.take()


def test_item_42_the_heads_go_both_ways(place: Place) -> None:
    """Origin, Cookie and the offer reach the upstream; its subprotocol and cookies reach the client."""
    client = place.open(
        "/ws/head",
        subprotocols=[Subprotocol("v1"), Subprotocol("v2")],
        origin="https://shop.example",
        additional_headers={"Cookie": "sid=1"},
    )
    with client:
        assert client.recv(PATIENCE_S) == "https://shop.example sid=1"
        assert client.subprotocol == "v2"
        assert client.response is not None
        cookies = client.response.headers.get_all("Set-Cookie")
    assert cookies == ([] if place.name == "granian" else ["a=1", "b=2"])  # it drops what accept brings
    place.upstream.take()


@pytest.mark.item(41)
def test_item_41_the_app_answers_in_place_of_the_sidecar(place: Place) -> None:
    """With `on_failure = "app"` the app is shaken hands with, and talks, as if nobody else had been asked."""
    for _ in range(8):  # after five of them the breaker is open
        with place.open("/away/x") as client:
            assert client.recv(PATIENCE_S) == "python"
            client.send("hello")
            assert client.recv(PATIENCE_S) == "hello"


def test_item_42_a_refusal_reaches_the_client(place: Place) -> None:
    """With its status, fields and body."""
    with pytest.raises(InvalidStatus) as caught:
        place.open("/ws/refuse")
    place.upstream.take()
    response = caught.value.response
    assert (response.status_code, response.headers["X-Why"], response.body) == (401, "because", b"who?")
    assert len(response.headers.get_all("Content-Length")) == 1
    assert ",".join(response.headers.get_all("Vary")).replace(" ", "") == "a,b"
    # A name that comes twice is the end of granian's worker.
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"][: 1 if place.name == "granian" else 2]


def test_item_42_an_unsafe_target_is_refused(place: Place) -> None:
    """Nothing goes upstream for it."""
    with pytest.raises(InvalidStatus) as caught:
        place.open("/ws/%2e%2e")
    assert caught.value.response.status_code == 400


def test_item_43_the_upstreams_close_reaches_the_client(place: Place) -> None:
    """With its code and its reason."""
    with place.open("/ws/close") as client, pytest.raises(ConnectionClosed) as caught:
        client.recv(PATIENCE_S)
    place.upstream.take()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4003, "go away")


def test_item_43_the_clients_close_reaches_the_upstream(place: Place) -> None:
    """With its code, as far as the server tells it."""
    with place.open("/ws/echo") as client:
        client.close(4004, "done")
    told = {"hypercorn": 1006}
    assert place.upstream.take() == told.get(place.name, 4004)


def test_item_43_an_upstream_that_vanishes_reaches_the_client(place: Place) -> None:
    """As 1011."""
    with place.open("/ws/vanish") as client, pytest.raises(ConnectionClosed) as caught:
        client.recv(PATIENCE_S)
    place.upstream.take()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1011


def test_item_43_a_client_that_vanishes_reaches_the_upstream(place: Place) -> None:
    """Its connection ends, without a close frame where the server tells that there was none."""
    with place.open("/ws/echo", close_timeout=0) as client:
        client.send("hello")
        client.recv(PATIENCE_S)
        client.socket.shutdown(socket.SHUT_RDWR)
        assert place.upstream.take() == (1005 if place.name == "granian" else 1006)


@pytest.mark.parametrize("name", list(SERVERS))
def test_item_43_a_server_that_stops_takes_its_websockets_along(name: str, tmp_path: Path) -> None:
    """After SIGTERM both sides are told, and the server ends."""
    if name == "hypercorn" and sys.version_info >= (3, 12):
        pytest.skip("from Python 3.12.1 on it waits without end for an open WebSocket, an app's own too")
    [place] = [next(places := serving(name, tmp_path))]
    with place.open("/ws/echo") as client:
        client.send("hello")
        client.recv(PATIENCE_S)
        place.process.popen.terminate()
        with pytest.raises(ConnectionClosed):
            client.recv(PATIENCE_S)
    assert place.upstream.take() in {1001, 1005, 1006, 1012}
    place.process.popen.wait(PATIENCE_S)
    assert list(places) == []


def test_item_42_a_websocket_over_http_2(tmp_path: Path) -> None:
    """Under hypercorn, by extended CONNECT (RFC 8441), messages go both ways."""
    [place] = [next(places := serving("hypercorn", tmp_path))]
    with socket.create_connection(("127.0.0.1", place.port), PATIENCE_S) as connection:
        assert over_http_2(connection) == "echo"
    place.upstream.take()
    assert list(places) == []


def over_http_2(connection: socket.socket) -> str:
    """Open a WebSocket at /ws/echo, say "echo", and return what comes back."""
    http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    http.initiate_connection()
    websocket = Connection(ConnectionType.CLIENT)
    fields = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/ws/echo"}
    head = {**fields, ":authority": "shop.example", "sec-websocket-version": "13"}
    stream = http.get_next_available_stream_id()
    http.send_headers(stream, list(head.items()))
    connection.sendall(http.data_to_send())
    while True:
        data = connection.recv(65536)
        assert data, "the server hung up"
        for event in http.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                assert dict(event.headers or ())[b":status"] == b"200"
                http.send_data(stream, websocket.send(TextMessage("echo")))
            elif isinstance(event, h2.events.DataReceived):
                websocket.receive_data(event.data)
                for message in websocket.events():
                    assert isinstance(message, TextMessage)
                    http.send_data(stream, websocket.send(CloseConnection(1000)))
                    connection.sendall(http.data_to_send())
                    return message.data
        connection.sendall(http.data_to_send())
