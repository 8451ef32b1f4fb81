"""The endpoints of the demo that stay in Python, and the file that says which do not."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from fastapi.routing import APIRoute

import demo_app
from demo_app import twins
from demo_app.api import create_app
from demo_app.service import catalogue
from forst_asgi import Config
from forst_asgi.config import load
from forst_asgi.types import Message, Scope

Python: TypeAlias = Callable[..., httpx.Response]


@pytest.fixture
def config() -> Config:
    """The configuration of the demo."""
    return load(Path(demo_app.__file__).with_name("forst.toml"))


def test_every_twin_is_a_route(config: Config) -> None:
    """The file lists exactly the endpoints that have a twin, with their methods."""
    listed = {(route.path, frozenset(route.methods or ())) for route in config.routes}
    routes = [route for route in twins.router.routes if isinstance(route, APIRoute)]
    assert listed == {(route.path, frozenset(route.methods or ())) for route in routes}


def test_both_kinds_of_upstream_are_shown(config: Config) -> None:
    """Search goes over TCP, the rest through a Unix socket, and both start the same program."""
    tcp, unix = config.upstream("tcp"), config.upstream("sidecar")
    assert {route.id for route in config.routes if route.upstream == "tcp"} == {"search"}
    assert (tcp.command, unix.socket) == (unix.command, "auto")


def test_the_catalogue_is_what_its_script_writes(tmp_path: Path) -> None:
    """The committed data set is reproducible."""
    script = catalogue.PATH.with_name("make_catalogue.py")
    copy = tmp_path / script.name
    copy.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    names: dict[str, object] = {"__file__": str(copy), "__name__": "__main__"}
    exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    assert (tmp_path / "catalogue.jsonl").read_bytes() == catalogue.PATH.read_bytes()


def test_index(python: Python) -> None:
    """The first page lists the endpoints of both kinds."""
    answer = python("GET", "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "POST /calculate" in answer.text
    assert "GET /quotes/{number}" in answer.text


def test_health(python: Python) -> None:
    """Python says that it is alive, and that it was Python."""
    answer = python("GET", "/health")
    assert (answer.json(), answer.headers["x-answered-by"]) == ({"status": "ok"}, "python")


@pytest.mark.parametrize(("number", "status"), [("1", 200), ("3", 200), ("0", 404), ("4", 404), ("x", 422)])
def test_quotes(python: Python, number: str, status: int) -> None:
    """There are three quotes."""
    assert python("GET", f"/quotes/{number}").status_code == status


def test_report_is_for_administrators(python: Python) -> None:
    """The report asks for a name and a password."""
    assert python("GET", "/admin/report").status_code == 401
    assert python("GET", "/admin/report", auth=("admin", "guess")).status_code == 401
    assert python("GET", "/admin/report", auth=("root", "forst")).status_code == 401
    assert python("GET", "/admin/report", auth=("admin", "forst")).json()["requested_by"] == "admin"


def test_notifications_are_delivered_after_the_answer(python: Python) -> None:
    """A notification is accepted, then delivered in the background."""
    answer = python("POST", "/notifications", json={"to": "ada", "text": "hello"})
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert python("GET", "/notifications").json()[-1] == {"to": "ada", "text": "hello"}


def test_websocket_echo() -> None:
    """Every text comes back, until the client leaves."""
    incoming: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "text": "two"},
        {"type": "websocket.disconnect", "code": 1000},
    ]
    outgoing: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        outgoing.append(message)

    scope: Scope = {
        "type": "websocket",
        "path": "/ws",
        "headers": [],
        "query_string": b"",
        "subprotocols": [],
    }
    asyncio.run(create_app()(scope, receive, send))
    assert [message["type"] for message in outgoing] == [
        "websocket.accept",
        "websocket.send",
        "websocket.send",
    ]
    assert [message.get("text") for message in outgoing] == [None, "one", "two"]
