"""The JSON Schema for editors."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft7Validator

from forst_asgi.config.loader import MINIMAL
from forst_asgi.config.prose import INTRODUCTION
from forst_asgi.config.schema import COMMAND, SCHEMA_FILE, json_schema, main, schema_text

ROUTE = 'sidecar.address = "http://h:1"\n[[route]]\nid = "a"\npath = "/a"\n'

FULL = """
    trusted_proxies = ["127.0.0.1/32", "unix"]
    [sidecar]
    command = ["./bin/sidecar"]
    socket = "auto"
    env = { LOG_LEVEL = "debug" }
    connect_timeout = "1m30s"
    max_header_bytes = 65536
    [upstream.search]
    address = "https://h:1"
    tls.ca = "ca.pem"
    max_header_bytes = "64KiB"
    [[route]]
    id = "a"
    path = "/a/{id:int}"
    methods = ["GET"]
    auth = "shop.auth:check"
    host = ["a.example.com", "*.b.example.com"]
    headers = { x-version = "2" }
    rewrite = "/v2/{id}"
    timeout = "2.5s"
    max_body = "10MiB"
    upstream = "search"
"""


def _errors(text: str) -> list[str]:
    validator = Draft7Validator(json_schema())
    return [error.json_path for error in validator.iter_errors(tomllib.loads(text))]


def test_the_checked_in_schema_is_up_to_date() -> None:
    """The file in the package is what the models give."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), f"rewrite it: {COMMAND}"


def test_the_command_writes_the_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Running the module writes the file and says so."""
    target = tmp_path / "forst.schema.json"
    main(target)
    assert json.loads(target.read_text(encoding="utf-8")) == json_schema()
    assert capsys.readouterr().out == f"wrote {target}\n"


def test_the_schema_keeps_to_the_older_dialects() -> None:
    """It is valid in draft-07 and draft-04, and has nothing beside a reference."""
    Draft7Validator.check_schema(json_schema())
    Draft4Validator.check_schema(json_schema())
    text = schema_text()
    assert [word for word in ("$defs", '"const"', '"null"', '"title": "Id"') if word in text] == []

    def lone_references(value: Any) -> bool:
        if isinstance(value, list):
            return all(map(lone_references, value))
        if isinstance(value, dict):
            return ("$ref" not in value or len(value) == 1) and all(map(lone_references, value.values()))
        return True

    assert lone_references(json_schema())


def test_every_key_has_a_description() -> None:
    """An editor has something to say about each key."""
    whole = json_schema()
    tables = {"": whole, **whole["definitions"]}
    keys = {(name, key): each for name, table in tables.items() for key, each in table["properties"].items()}
    assert [place for place, each in keys.items() if len(each.get("description", "")) < 20] == []


def test_units_are_text_with_a_pattern() -> None:
    """Durations, sizes and addresses are shown as text, with defaults and examples as they are written."""
    keys = json_schema()["definitions"]["UpstreamConfig"]["properties"]
    assert (keys["idle_timeout"]["type"], keys["idle_timeout"]["default"]) == ("string", "5m")
    assert keys["idle_timeout"]["pattern"].startswith("^(?:[0-9]+")
    assert keys["max_header_bytes"]["default"] == "64KiB"
    assert keys["address"]["type"] == "string"
    assert "unix:/run/app/sidecar.sock" in keys["address"]["examples"]


@pytest.mark.parametrize(
    "text", ["", MINIMAL, FULL, ROUTE, INTRODUCTION.partition("```toml\n")[2].partition("```")[0]]
)
def test_good_configurations_are_valid(text: str) -> None:
    """What can be loaded has no error in an editor either."""
    assert _errors(text) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("nonsense = 1", "$"),
        ("routes = []", "$"),
        ('[sidecar]\nadress = "x"', "$.sidecar"),
        ("[sidecar]\nmax_pending = 1", "$.sidecar"),
        ('[sidecar]\naddress = "127.0.0.1:1"', "$.sidecar.address"),
        ('[sidecar]\naddress = "http://h:1/x"', "$.sidecar.address"),
        ('[sidecar]\naddress = "http://u:p@h:1"', "$.sidecar.address"),
        ('sidecar.address = "unix:x"\nsidecar.idle_timeout = 5', "$.sidecar.idle_timeout"),
        ('sidecar.address = "unix:x"\nsidecar.idle_timeout = "5"', "$.sidecar.idle_timeout"),
        ('sidecar.address = "unix:x"\nsidecar.max_header_bytes = "5K"', "$.sidecar.max_header_bytes"),
        ('sidecar.address = "unix:x"\nsidecar.max_connections = 0', "$.sidecar.max_connections"),
        ('sidecar.address = "unix:x"\nsidecar.transport = "http"', "$.sidecar.transport"),
        ('sidecar.address = "unix:x"\nsidecar.tls.verify = 1', "$.sidecar.tls.verify"),
        ('[logs]\nformat = "xml"', "$.logs.format"),
        ("[route]", "$.route"),
        ("[[route]]", "$.route[0]"),
        (f'{ROUTE}mode = "shadow"', "$.route[0].mode"),
        (f"{ROUTE}methods = []", "$.route[0].methods"),
        (f'{ROUTE}auth = "shop.auth.check"', "$.route[0].auth"),
        (f"{ROUTE}max_body = 0", "$.route[0].max_body"),
        (f'{ROUTE}rewrite = "/b"\nstrip_prefix = "/a"', "$.route[0]"),
        (f'{ROUTE}rewrite = "b"', "$.route[0].rewrite"),
    ],
)
def test_typical_mistakes_are_underlined(text: str, path: str) -> None:
    """An editor finds the common mistakes at the place where they are."""
    assert path in _errors(text)
