"""The models: what good configurations become, from a file and in Python."""

from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError

from forst_asgi.config import (
    Address,
    Config,
    ConfigError,
    LogsConfig,
    RouteConfig,
    TlsConfig,
    UpstreamConfig,
    load,
)
from forst_asgi.config.models import ConfigInput, LogsInput
from forst_asgi.config.route import RouteInput
from forst_asgi.config.table import Table
from forst_asgi.config.tls import TlsInput
from forst_asgi.config.upstream import UpstreamInput

EVERYTHING = """
    trusted_proxies = ["127.0.0.1", "unix"]

    [logs]
    requests = "all"
    format = "app"

    [sidecar]
    command = ["./bin/sidecar", "-v"]
    socket = "run/app.sock"
    cwd = "work"
    env = { LOG_LEVEL = "debug" }
    env_pass = ["DATABASE_URL"]
    ready_path = "/healthz"
    ready_timeout = "20s"
    stop_timeout = "0s"

    [upstream.search]
    address = "https://search.internal:8443"
    transport = "httpx"
    host = "search"
    max_connections = 7
    max_pending = 0
    connect_timeout = "1s"
    pool_timeout = "2s"
    write_timeout = "3s"
    first_byte_timeout = "4s"
    idle_timeout = "5s"
    keepalive = "6s"
    max_header_bytes = "32KiB"

    [upstream.search.tls]
    ca = "tls/ca.pem"
    cert = "/etc/c.pem"
    key = "~/k.pem"
    server_name = "search.internal"
    verify = false

    [[route]]
    id = "calculate"
    path = "/api/calculate/{id:int}"
    methods = ["post", "PUT"]
    mode = "on"
    auth = "shop.auth:check"
    host = "API.example.com"
    headers = { X-Version = "2" }
    rewrite = "/v2/{id}"
    timeout = "2s"
    max_body = "10MiB"
    idle_timeout = "250ms"
    upstream = "search"
    encoded_path = "pass"

    [[route]]
    id = "plain"
    path = "/api/plain"
    host = ["a.example.com", "*.b.example.com"]
    strip_prefix = "/api"
"""


@pytest.fixture
def everything(tmp_path: Path) -> Config:
    """Return the configuration that uses every key."""
    path = tmp_path / "forst.toml"
    path.write_text(dedent(EVERYTHING), encoding="utf-8")
    return load(path)


def test_a_started_sidecar(everything: Config, tmp_path: Path) -> None:
    """What starts a program comes out as absolute paths, seconds and tuples."""
    sidecar = everything.upstream("sidecar")
    assert sidecar is everything.sidecar
    assert sidecar.address is None
    assert sidecar.command == (str(tmp_path / "bin/sidecar"), "-v")
    assert sidecar.socket == str(tmp_path / "run/app.sock")
    assert sidecar.cwd == tmp_path / "work"
    assert sidecar.env == {"LOG_LEVEL": "debug"}
    assert sidecar.env_pass == ("DATABASE_URL",)
    assert (sidecar.ready_path, sidecar.ready_timeout, sidecar.stop_timeout) == ("/healthz", 20.0, 0.0)


def test_a_further_upstream(everything: Config) -> None:
    """An upstream's limits come out as seconds and bytes."""
    search = everything.upstream("search")
    assert search is everything.upstreams["search"]
    assert search.address == Address("tls", host="search.internal", port=8443)
    assert (search.transport, search.host, search.command, search.socket) == ("httpx", "search", None, None)
    assert (search.max_connections, search.max_pending, search.max_header_bytes) == (7, 0, 32768)
    times = (search.connect_timeout, search.pool_timeout, search.write_timeout)
    assert times == (1.0, 2.0, 3.0)
    assert (search.first_byte_timeout, search.idle_timeout, search.keepalive) == (4.0, 5.0, 6.0)


def test_tls(everything: Config, tmp_path: Path) -> None:
    """The files of TLS are relative to the file, absolute, or in the home folder."""
    assert everything.upstreams["search"].tls == TlsConfig(
        ca=tmp_path / "tls/ca.pem",
        cert="/etc/c.pem",
        key=Path.home() / "k.pem",
        server_name="search.internal",
        verify=False,
    )


def test_routes(everything: Config) -> None:
    """Routes keep their order and come out in normal form: methods upper, hosts and headers lower."""
    calculate, plain = everything.routes
    assert (calculate.id, calculate.path, calculate.mode) == ("calculate", "/api/calculate/{id:int}", "on")
    assert calculate.methods == frozenset({"POST", "PUT"})
    assert (calculate.host, calculate.headers) == (("api.example.com",), {"x-version": "2"})
    assert (calculate.auth, calculate.upstream) == ("shop.auth:check", "search")
    assert (calculate.rewrite, calculate.encoded_path) == ("/v2/{id}", "pass")
    assert (calculate.timeout, calculate.idle_timeout, calculate.max_body) == (2.0, 0.25, 10 * 2**20)
    assert plain.host == ("a.example.com", "*.b.example.com")
    assert plain.strip_prefix == "/api"


def test_the_rest(everything: Config, tmp_path: Path) -> None:
    """Proxies come out as networks, and the file is remembered."""
    assert everything.trusted_proxies == ("127.0.0.1/32", "unix")
    assert everything.logs == LogsConfig(requests="all", format="app")
    assert everything.source == str(tmp_path / "forst.toml")


def test_defaults() -> None:
    """What is left out has the documented default."""
    config = Config(sidecar={"address": "http://h:1"}, routes=[{"id": "a", "path": "/a"}])
    sidecar = config.upstream("sidecar")
    assert (sidecar.command, sidecar.socket, sidecar.cwd, sidecar.tls) == (None, None, None, None)
    assert (sidecar.env, sidecar.env_pass, sidecar.ready_path) == ({}, (), None)
    assert (sidecar.transport, sidecar.host) == ("http1", "keep")
    assert (sidecar.max_connections, sidecar.max_pending, sidecar.max_header_bytes) == (100, 1000, 65536)
    assert (sidecar.connect_timeout, sidecar.pool_timeout, sidecar.write_timeout) == (2.0, 5.0, 30.0)
    assert (sidecar.first_byte_timeout, sidecar.idle_timeout, sidecar.keepalive) == (30.0, 300.0, 30.0)
    assert (sidecar.ready_timeout, sidecar.stop_timeout) == (10.0, 10.0)
    route = config.routes[0]
    assert (route.methods, route.mode, route.auth, route.host, route.headers) == (None, "off", None, (), {})
    assert (route.strip_prefix, route.rewrite, route.timeout, route.idle_timeout) == (None,) * 4
    assert (route.max_body, route.upstream, route.encoded_path) == (None, "sidecar", "reject")
    assert (config.upstreams, config.trusted_proxies, config.source) == ({}, (), "<python>")
    assert config.logs == LogsConfig(requests="failures", format="auto")


def test_an_empty_configuration_forwards_nothing() -> None:
    """No routes need no upstream."""
    config = Config()
    assert (config.routes, config.sidecar) == ((), None)


def test_models_are_built_in_python(tmp_path: Path) -> None:
    """Python code writes the same keys, with the plural names, objects for tables, and Python's own types."""
    config = Config(
        sidecar=UpstreamConfig(
            command=[tmp_path / "sidecar"], cwd=tmp_path, ready_timeout=timedelta(seconds=1.5)
        ),
        upstreams={"other": UpstreamConfig(address="unix:/run/o.sock", idle_timeout="1m")},
        routes=[RouteConfig(id="a", path="/a", methods={"GET"}, upstream="other", max_body=100)],
        logs=LogsConfig(requests="none"),
    )
    assert config.upstream("sidecar").command == (str(tmp_path / "sidecar"),)
    assert config.upstream("sidecar").socket == "auto"
    assert config.upstream("sidecar").cwd == tmp_path
    assert config.upstream("sidecar").ready_timeout == 1.5
    assert config.upstream("other").idle_timeout == 60.0
    assert config.routes[0].max_body == 100


@pytest.mark.parametrize(
    ("program", "kept"), [("sidecar", "sidecar"), ("bin/sidecar", str(Path.cwd() / "bin/sidecar"))]
)
def test_only_a_program_with_a_slash_is_a_path(program: str, kept: str) -> None:
    """A bare name is left to the search along PATH."""
    assert UpstreamConfig(command=[program, "./x"]).command == (kept, "./x")


def test_a_started_program_may_listen_on_an_address() -> None:
    """With an address, there is no socket to choose."""
    upstream = UpstreamConfig(command=["sidecar"], address="http://127.0.0.1:9000")
    assert upstream.socket is None
    assert UpstreamConfig(command=["sidecar"], socket="auto").socket == "auto"


def test_none_stands_for_a_key_that_is_left_out() -> None:
    """Python code may pass None for what it does not set."""
    upstream = UpstreamConfig(address="http://h:1", command=None, socket=None, cwd=None, tls=None)
    assert upstream == UpstreamConfig(address="http://h:1")


def test_models_are_frozen() -> None:
    """A configuration cannot be changed once it was checked."""
    route = RouteConfig(id="a", path="/a")
    with pytest.raises(ValidationError, match="frozen"):
        route.mode = "on"


def test_an_unknown_upstream_is_named() -> None:
    """Asking for an upstream that is not there is an error that lists those that are."""
    with pytest.raises(ConfigError, match='no upstream "x" is configured, only: sidecar'):
        Config(sidecar=UpstreamConfig(address="http://h:1")).upstream("x")
    with pytest.raises(ConfigError, match='no upstream "sidecar" is configured, only: none'):
        Config().upstream("sidecar")


def test_the_environment_is_not_in_the_repr() -> None:
    """A model that ends up in a log does not carry the secrets of its sidecar there."""
    assert "hunter2" not in repr(UpstreamConfig(command=["s"], env={"PASSWORD": "hunter2"}))


def test_a_model_reads_back_what_it_dumps_as_json() -> None:
    """Durations, sizes and addresses are dumped in the form in which they are written."""
    upstream = UpstreamConfig(address="http://h:1", idle_timeout="90s", max_header_bytes="3KiB")
    dumped = upstream.model_dump(mode="json", exclude_unset=True)
    assert (dumped["idle_timeout"], dumped["max_header_bytes"], dumped["address"]) == (
        "90s",
        "3KiB",
        "http://h:1",
    )
    assert UpstreamConfig.model_validate(dumped) == upstream


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (Config, ConfigInput),
        (LogsConfig, LogsInput),
        (UpstreamConfig, UpstreamInput),
        (TlsConfig, TlsInput),
        (RouteConfig, RouteInput),
    ],
)
def test_type_checkers_know_every_key(model: type[Table], inputs: type) -> None:
    """The typed dictionaries that describe the constructors name the fields of the models, all of them."""
    assert list(inputs.__annotations__) == list(model.model_fields)
    assert get_type_hints(inputs)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"command": ["x"], "secret_env": "A"}, "a program that is started gets a secret of its own"),
        ({"address": "http://a:1", "secret_env": "A", "secret_file": "b"}, "exclude each other"),
    ],
)
def test_one_secret_and_only_for_a_sidecar_of_somebody_elses(keys: dict[str, Any], problem: str) -> None:
    """A program that is started gets a secret anyway, and there is one secret at a time."""
    with pytest.raises(ConfigError, match=problem):
        UpstreamConfig(**keys)
