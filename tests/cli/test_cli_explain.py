"""forst-asgi explain."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Explain: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture
def explain(invoke: Callable[..., Any], shop: Path) -> Explain:
    """Explains a request to the shop, as JSON."""

    def run(*arguments: str) -> dict[str, Any]:
        result = invoke("explain", *arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def test_forwarded(explain: Explain) -> None:
    """A forwarded request is shown as the sidecar gets it, with the limits in force."""
    found = explain("PUT /orders/7?dry=1", "-H", "X-A: b", "-H", "connection: x-drop", "-H", "x-drop: 1")
    assert (found["answered_by"], found["reason"], found["route"]) == ("sidecar", "mode_on", "order")
    assert found["refused"] is None
    forwarded = found["forwarded"]
    assert (forwarded["method"], forwarded["target"]) == ("PUT", "/orders/7?dry=1")
    added = dict(forwarded["added"])
    assert added["x-forwarded-for"] == "127.0.0.1"
    assert added["x-forwarded-host"] == "localhost"
    assert added["x-request-id"] == "(another one for each request)"
    assert forwarded["dropped"] == ["connection", "x-drop"]
    assert forwarded["limits"] == {
        "max_body": "1MiB",
        "timeout": "2s",
        "idle_timeout": "5m",
        "pool_timeout": "5s",
        "connect_timeout": "2s",
        "write_timeout": "30s",
        "first_byte_timeout": "30s",
        "breaker_failures": "5",
        "breaker_pause": "500ms",
    }
    assert forwarded["on_failure"] == "error"


def test_rewritten(explain: Explain) -> None:
    """A rewritten target and the address of its upstream are shown; GET need not be said."""
    found = explain("/quotes/a%20b")["forwarded"]
    assert (found["upstream"], found["to"]) == ("quotes", "http://127.0.0.1:9001")
    assert (found["method"], found["target"], found["auth"]) == ("GET", "/v2/quotes/a%20b", "upstream")


def test_a_request_id_of_the_client_stays(explain: Explain) -> None:
    """What the client sent already and passes is not among the fields that are added."""
    added = dict(explain("/quotes/1", "-H", "x-request-id: abc")["forwarded"]["added"])
    assert "x-request-id" not in added


def test_words_need_no_quotes(explain: Explain) -> None:
    """Method and path may be two arguments."""
    assert explain("PUT", "/orders/7")["route"] == "order"


def test_bypassed(explain: Explain) -> None:
    """A route that is off leaves the request to the app."""
    headers = ["-H", "host: a.example.com", "-H", "x-version: 2", "-H", "x-tenant: t"]
    found = explain("POST /basket", *headers)
    assert (found["answered_by"], found["reason"], found["route"]) == ("app", "mode_off", "basket")
    assert found["forwarded"] is None


def test_fallen_through(explain: Explain) -> None:
    """Without a route, the routes whose path fits say why they do not get it."""
    found = explain("DELETE /orders/7")
    assert (found["answered_by"], found["reason"], found["route"]) == ("app", "no_route", None)
    assert found["other_routes"] == [{"route": "order", "why": "method: DELETE is not taken (PUT)"}]


def test_nearest(explain: Explain) -> None:
    """When no path fits, the most similar ones are named."""
    found = explain("PUT /order/7")
    assert {"route": "order", "why": "path: /orders/{id:int} does not match"} in found["other_routes"]
    assert len(found["other_routes"]) == 3
    assert explain("OPTIONS", "*")["reason"] == "no_route"


def test_conditions(explain: Explain) -> None:
    """A host or header that is not as asked is named."""
    assert explain("GET /basket")["other_routes"][0]["why"] == "host: *.example.com expected"
    found = explain("GET /basket", "-H", "host: a.example.com")
    assert found["other_routes"][0]["why"] == "header: x-version: 2 expected"


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["PUT /x/../orders/7"], 400, "dot segment"),
        (["/quotes/a%2Fb"], 400, "encoded slash"),
        (["/quotes/a b"], 400, "control byte or space"),
        (["/quotes/ä"], 400, "non-ASCII byte"),
        (["/quotes/1", "-H", "host: a", "-H", "host: b"], 400, "bad host"),
        (["PUT /orders/7", "-H", "content-length: 2000000"], 413, "body too large"),
        (["PUT /orders/7", "-H", "content-length: x"], 400, "request error"),
    ],
)
def test_refused(explain: Explain, arguments: list[str], status: int, why: str) -> None:
    """What must not be forwarded is refused, with the status that the client gets and the reason."""
    found = explain(*arguments)
    assert found["answered_by"] is None
    assert found["refused"] == {"status": status, "why": why}
    assert found["forwarded"] is None
    assert found["other_routes"] == []


def test_a_declared_body_is_no_mistake(explain: Explain) -> None:
    """A Content-Length is taken for the truth, and is not counted among what is dropped."""
    for length in ("3", "70000", "1000000"):
        found = explain("PUT /orders/7", "-H", f"content-length: {length}")
        assert found["forwarded"]["dropped"] == []


def test_text_of_a_forwarded_request(command: Callable[..., Any], shop: Path) -> None:
    """In words, each thing has its line."""
    done = command("explain", "PUT /orders/7", "-H", "x-forst-a: b", cwd=shop.parent)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["request", "PUT /orders/7"] in lines
    assert "answered by   sidecar\n" in done.stdout
    assert 'it belongs to route "order", whose mode is "on" (mode_on)' in done.stdout
    assert "auth          none, the endpoint is public\n" in done.stdout
    assert "upstream      sidecar (./bin/sidecar …)\n" in done.stdout
    assert "forwarded as  PUT /orders/7\n" in done.stdout
    assert "dropped       x-forst-a\n" in done.stdout
    assert "limits        max_body = 1MiB\n" in done.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "on failure    error, the client gets a 502, 503 or 504\n"),
        (
            'on_failure = "app"',
            "on failure    app, the Python handler answers where nothing can happen twice\n",
        ),
    ],
)
def test_who_answers_when_the_sidecar_does_not(
    invoke: Callable[..., Any], config: Callable[[str], Path], line: str, said: str
) -> None:
    """It is said in words, with the size of the bodies that are kept for it among the limits."""
    config(
        '[sidecar]\naddress = "unix:/s"\n[[route]]\nid = "a"\npath = "/a"\nmode = "on"\n'
        f'auth = "none"\nreplay_max = "8KiB"\n{line}\n'
    )
    found = invoke("explain", "/a").stdout
    assert said in found
    assert ("replay_max = 8KiB" in found) is bool(line)


def test_text_of_the_others(invoke: Callable[..., Any], shop: Path) -> None:
    """Falling through, bypassing and refusing are said in words."""
    assert "no route matches, so it falls through to the app (no_route)" in invoke("explain", "/x").stdout
    refused = invoke("explain", "/quotes/..").stdout
    assert "nobody: refused with 400, nothing is sent upstream" in refused
    assert 'it belongs to route "quote", but must not be forwarded: dot segment' in refused


def test_auth(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """A callable is named, not called; it need not even be there."""
    route = '[[route]]\nid = "{0}"\npath = "/{0}"\nmode = "on"\n'
    config(
        '[sidecar]\naddress = "http://h:1"\n'
        + route.format("a")
        + 'auth = "no.such:check"\n'
        + route.format("b")
    )
    text = invoke("explain", "/a", env={"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "200"}).stdout
    assert "no.such:check is asked first" in text
    assert "x-forst-identity: (what no.such:check returns, unless None)" in text
    assert "not said, so nobody checks it" in invoke("explain", "/b").stdout
