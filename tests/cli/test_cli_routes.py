"""forst-asgi routes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_table(command: Callable[..., Any], shop: Path) -> None:
    """In a pipe each route is one line, however long, without colours and frames."""
    done = command("routes", cwd=shop.parent)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert rows == [
        ["id", "methods", "host, headers", "path", "mode", "auth", "upstream"],
        ["order", "PUT", "/orders/{id:int}", "on", "none", "sidecar (./bin/sidecar …)"],
        ["quote", "GET", "/quotes/{id}", "on", "upstream", "quotes (http://127.0.0.1:9001)"],
        [
            *("basket", "any", "*.example.com, x-version: 2, x-tenant"),
            *("/basket", "off", "none", "sidecar (./bin/sidecar …)"),
        ],
    ]


def test_on_a_terminal(invoke: Callable[..., Any], shop: Path) -> None:
    """On a terminal the headings are set off by a line."""
    result = invoke("routes", env={"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "200"})
    assert "───" in result.stdout


def test_plain(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """Without any condition there is no column for them; an upstream's socket or distant program is named."""
    config(
        '[sidecar]\ncommand = ["sidecar"]\nsocket = "/run/s.sock"\n[upstream.b]\ncommand = ["/bin/cat"]\n'
        '[[route]]\nid = "a"\npath = "/a"\n[[route]]\nid = "b"\npath = "/b"\nupstream = "b"\n'
    )
    lines = invoke("routes").stdout.splitlines()
    assert "host" not in lines[0]
    assert lines[1].split("  ")[-1] == "sidecar (unix:/run/s.sock)"
    assert lines[2].split("  ")[-1] == "b (/bin/cat)"
    assert "(not said)" in lines[1]


def test_who_answers_when_the_sidecar_does_not(
    invoke: Callable[..., Any], config: Callable[[str], Path]
) -> None:
    """There is a column for it as soon as one route does not answer with an error."""
    route = '[[route]]\nid = "{0}"\npath = "/{0}"\nauth = "none"\n'
    config(f'[sidecar]\naddress = "unix:/s"\n{route.format("a")}on_failure = "app"\n{route.format("b")}')
    heading, first, second = invoke("routes").stdout.splitlines()
    assert "auth  on_failure  upstream" in heading
    assert "none  app         sidecar" in first
    assert "none  error       sidecar" in second


def test_none(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """No routes are said in words."""
    config("")
    assert invoke("routes").stdout == "forst.toml: no routes\n"
    assert json.loads(invoke("routes", "--json").stdout) == []


def test_json(invoke: Callable[..., Any], shop: Path) -> None:
    """As JSON nothing is left out but the program's arguments."""
    routes = json.loads(invoke("routes", shop, "--json").stdout)
    assert [route["id"] for route in routes] == ["order", "quote", "basket"]
    assert routes[2] == {
        "id": "basket",
        "methods": None,
        "host": ["*.example.com"],
        "headers": {"x-version": "2", "x-tenant": "*"},
        "path": "/basket",
        "mode": "off",
        "auth": "none",
        "on_failure": "error",
        "upstream": "sidecar",
        "address": None,
        "program": str(shop.parent / "bin" / "sidecar"),
    }
    assert routes[1]["address"] == "http://127.0.0.1:9001"
    assert routes[1]["program"] is None
    assert "hunter2" not in json.dumps(routes)
