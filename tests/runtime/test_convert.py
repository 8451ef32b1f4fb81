"""Configuration models into the plain values that mechanisms take: nothing is lost on the way."""

import ipaddress
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from forst_asgi import Config, ConfigError, RouteConfig, TlsConfig, UpstreamConfig
from forst_asgi.config import load
from forst_asgi.forward.forwarded import NOBODY
from forst_asgi.runtime import convert
from forst_asgi.supervisor import HomeKey, Offer, Place
from forst_asgi.transport import Limits, Origin

HTTPS = "https://quotes.internal:8443"


def allow(connection: object) -> None:
    """Let everybody in; named by routes below."""


class Checks:
    """Has a callable as an attribute, which routes below name."""

    allow = staticmethod(allow)


NOT_CALLABLE = 7


def own(name: str) -> str:
    """Return how a route names something in this module."""
    return f"{__name__}:{name}"


@pytest.fixture
def pem(tmp_path: Path) -> dict[str, Path]:
    """Files with an authority, a certificate of it, and its key."""
    authority = trustme.CA()
    leaf = authority.issue_cert("quotes.internal")
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    leaf.cert_chain_pems[0].write_to_path(paths["cert"])
    leaf.private_key_pem.write_to_path(paths["key"])
    return paths


def origin_of(**upstream: Any) -> Origin:
    """Return where connections to such an upstream go."""
    config = UpstreamConfig(**upstream)
    assert config.address is not None
    return convert.origin(config.address, config.tls)


def test_every_limit_is_taken_over() -> None:
    """Each limit of the transport comes from the key of the same name; times are seconds, sizes bytes."""
    config = UpstreamConfig(
        address="http://127.0.0.1:9",
        max_connections=1,
        max_pending=2,
        connect_timeout="3s",
        pool_timeout="4s",
        write_timeout="5s",
        first_byte_timeout="6s",
        idle_timeout="7s",
        keepalive="8s",
        max_header_bytes="9KiB",
    )
    assert convert.limits(config) == Limits(
        max_connections=1,
        max_pending=2,
        connect_timeout_s=3,
        pool_timeout_s=4,
        write_timeout_s=5,
        first_byte_timeout_s=6,
        idle_timeout_s=7,
        keepalive_s=8,
        max_header_bytes=9 * 1024,
    )


def test_an_origin_is_a_path_or_a_host_and_a_port() -> None:
    """Unix sockets and TCP addresses become what the transport connects to, without TLS."""
    unix = origin_of(address="unix:/run/app/s.sock")
    assert (unix.path, unix.tls) == ("/run/app/s.sock", None)
    tcp = origin_of(address="http://127.0.0.1:9000")
    assert (tcp.path, tcp.host, tcp.port, tcp.tls) == (None, "127.0.0.1", 9000, None)
    ipv6 = origin_of(address="http://[::1]:9000")
    assert (ipv6.host, ipv6.port) == ("::1", 9000)


def test_an_https_origin_verifies_by_default() -> None:
    """Without a `tls` table the system's certificates count, and the name is checked."""
    origin = origin_of(address=HTTPS)
    assert origin.tls is not None
    assert origin.tls.verify_mode is ssl.CERT_REQUIRED
    assert origin.tls.check_hostname
    assert origin.server_hostname is None


def test_a_tls_table_is_used(pem: dict[str, Path]) -> None:
    """The authority, the client's certificate and the name come from the table."""
    tls = TlsConfig(ca=pem["ca"], cert=pem["cert"], key=pem["key"], server_name="other.internal")
    origin = origin_of(address=HTTPS, tls=tls)
    assert origin.tls is not None
    assert len(origin.tls.get_ca_certs()) == 1
    assert origin.server_hostname == "other.internal"


def test_verification_can_be_turned_off() -> None:
    """`verify = false` checks neither the chain nor the name."""
    context = convert.tls_context(TlsConfig(verify=False))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("key", ["ca", "cert"])
def test_a_missing_certificate_is_named(pem: dict[str, Path], key: str) -> None:
    """A file that is not there is a mistake in the configuration, with the file in its text."""
    files = {"ca": pem["ca"], "cert": pem["cert"], key: pem["ca"].with_name("gone.pem")}
    tls = TlsConfig(ca=files["ca"], cert=files["cert"], key=pem["key"])
    with pytest.raises(ConfigError, match=r"tls: cannot be used \(.*gone\.pem"):
        convert.tls_context(tls)


def test_a_key_of_another_certificate_is_a_mistake(pem: dict[str, Path], tmp_path: Path) -> None:
    """A pair that does not belong together is found when it is loaded."""
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("other").private_key_pem.write_to_path(other)
    with pytest.raises(ConfigError, match=r"other\.pem"):
        convert.tls_context(TlsConfig(cert=pem["cert"], key=other))


def test_a_file_that_is_no_certificate_is_a_mistake(tmp_path: Path) -> None:
    """Text that is no PEM is found when it is loaded."""
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        convert.tls_context(TlsConfig(ca=path))


def test_a_route_is_taken_over() -> None:
    """Everything that decides whether a request belongs to a route reaches the route table."""
    config = RouteConfig(
        id="quote",
        path="/api/quotes/{id:int}",
        methods=["GET", "DELETE"],
        host=["a.example", "*.b.example"],
        headers={"X-Beta": "1"},
        strip_prefix="/api",
        encoded_path="pass",
    )
    spec = convert.route_spec(config, "endpoint")
    assert (spec.id, spec.path, spec.endpoint) == ("quote", "/api/quotes/{id:int}", "endpoint")
    assert spec.methods == frozenset({"GET", "DELETE"})
    assert spec.hosts == ("a.example", "*.b.example")
    assert (spec.headers, spec.strip_prefix) == ((("x-beta", "1"),), "/api")
    assert (spec.rewrite, spec.encoded_path) == (None, "pass")


def test_a_route_without_methods_takes_any() -> None:
    """No `methods` stay no methods, which is not the same as an empty set of them."""
    spec = convert.route_spec(RouteConfig(id="a", path="/a", rewrite="/b"), None)
    assert (spec.methods, spec.rewrite) == (None, "/b")


def test_a_policy_is_taken_over() -> None:
    """Limits, names and the Host rule of a route and its upstream become its policy."""
    route = RouteConfig(
        id="a", path="/a", timeout="2s", idle_timeout="3s", max_body="4KiB", auth=own("allow")
    )
    upstream = UpstreamConfig(address="http://127.0.0.1:9", host="quotes.internal")
    policy = convert.forward_policy(route, upstream, NOBODY)
    assert (policy.route, policy.upstream, policy.host) == ("a", "sidecar", b"quotes.internal")
    assert (policy.timeout_s, policy.idle_timeout_s, policy.max_body) == (2, 3, 4096)
    assert policy.auth is allow


@pytest.mark.parametrize("upstream", [UpstreamConfig(address="http://127.0.0.1:9"), None])
def test_the_host_of_the_client_is_kept_by_default(upstream: UpstreamConfig | None) -> None:
    """`keep` becomes no Host of our own."""
    assert convert.forward_policy(RouteConfig(id="a", path="/a"), upstream, NOBODY).host is None


@pytest.mark.parametrize("auth", [None, "none", "upstream"])
def test_nothing_is_called_when_nothing_is_named(auth: str | None) -> None:
    """`none` and `upstream` name no callable."""
    assert convert.auth_callable(RouteConfig(id="a", path="/a", auth=auth)) is None


def test_an_auth_callable_may_be_an_attribute() -> None:
    """What follows the colon may have dots."""
    assert convert.auth_callable(RouteConfig(id="a", path="/a", auth=own("Checks.allow"))) is allow


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        ("no_such_module:check", "cannot be imported: No module named 'no_such_module'"),
        ("json:no_such_name", "cannot be imported: .*no_such_name"),
        ("json:loads.no.such", "cannot be imported"),
        (own("NOT_CALLABLE"), "is a int, expected something to call"),
    ],
)
def test_an_auth_callable_that_is_not_there_is_a_mistake(auth: str, problem: str) -> None:
    """The text names the route, what was written, and what is wrong with it."""
    with pytest.raises(ConfigError, match=f'route "a": auth = "{auth}": {problem}'):
        convert.auth_callable(RouteConfig(id="a", path="/a", auth=auth))


def test_a_module_that_fails_to_import_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the module raises becomes a mistake in the configuration, with its text."""
    (tmp_path / "broken_auth.py").write_text("raise RuntimeError('no secret set')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="no secret set"):
        convert.auth_callable(RouteConfig(id="a", path="/a", auth="broken_auth:check"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import sys; sys.exit(3)", r"SystemExit\(3\)"),
        ("class Odd(BaseException): ...\nraise Odd('x')", r"Odd\('x'\)"),
    ],
)
def test_a_module_that_ends_the_program_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    """A script that was not meant to be imported does not take the server with it, silently."""
    (tmp_path / "a_script.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=f"cannot be imported: it raises {problem}"):
        convert.auth_callable(RouteConfig(id="a", path="/a", auth="a_script:check"))


def test_who_interrupts_an_import_interrupts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is nobody's mistake."""
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        convert.auth_callable(RouteConfig(id="a", path="/a", auth="interrupted:check"))


def test_trusted_proxies_are_networks_and_perhaps_unix() -> None:
    """`unix` is a peer without an address, everything else is an address range."""
    trusted = convert.trusted_proxies(Config(trusted_proxies=["10.0.0.0/8", "::1", "unix"]))
    assert ["10.1.2.3" in trusted, "::1" in trusted, None in trusted] == [True, True, True]
    assert "11.0.0.1" not in trusted
    assert trusted._networks[0] == ipaddress.ip_network("10.0.0.0/8")
    assert None not in convert.trusted_proxies(Config(trusted_proxies=["10.0.0.0/8"]))


def test_all_upstreams_have_the_default_one_first() -> None:
    """`[sidecar]` goes by that name, and stays away when there is none."""
    one, two = (UpstreamConfig(address=f"http://127.0.0.1:{port}") for port in (1, 2))
    assert convert.all_upstreams(Config(sidecar=one, upstreams={"two": two})) == {"sidecar": one, "two": two}
    assert convert.all_upstreams(Config(upstreams={"two": two})) == {"two": two}


def test_a_started_program_is_described(tmp_path: Path) -> None:
    """What the keys of a program say reaches the supervisor; a fixed address is left to the program."""
    key = HomeKey(str(tmp_path / "forst.toml"), "sidecar")
    config = UpstreamConfig(command=["./s", "-v"], memory_limit="1MiB", cpus=2, probe_interval="3s")
    spec = convert.supervisor_spec(config, key, b"secret")
    assert (spec.address, spec.offer, spec.build) == (None, Offer.BOTH, None)
    assert (spec.sidecar.memory_limit, spec.sidecar.cpus, spec.care.interval_s) == (1 << 20, 2, 3.0)
    fixed = UpstreamConfig(command=["s"], address="http://127.0.0.1:9")
    assert convert.supervisor_spec(fixed, key, b"").offer is Offer.OWN
    passed = UpstreamConfig(command=["s"], socket="/run/s", listener="pass")
    assert convert.supervisor_spec(passed, key, b"").offer is Offer.PASS
    assert convert.place(passed) == Place("/run/s")


def test_a_program_that_is_built_is_described(tmp_path: Path) -> None:
    """The build runs beside the configuration file; without a command the program lies below it."""
    key = HomeKey(str(tmp_path / "forst.toml"), "sidecar")
    config = UpstreamConfig(build="go build -o {out} './my cmd'", watch=["**/*.go"])
    spec = convert.build_spec(config, key)
    assert spec is not None
    assert spec.arguments == ("go", "build", "-o", "{out}", "./my cmd")
    assert (spec.folder, spec.program.name, spec.watch) == (tmp_path, "sidecar", ("**/*.go",))
    with pytest.raises(ConfigError, match=r"'no_such_library'; .*'forst-asgi\[watch\]'"):
        convert.require_watchfiles(config, "no_such_library")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"build": "go build"}, "does not say where to write the program"),
        ({"build": "go 'build"}, "cannot be read as a command: no closing quotation"),
        ({"command": ["s"], "watch": ["*.go"]}, 'is only for programs that forst builds with a "build"'),
        (
            {"address": "http://127.0.0.1:9", "cpus": 1},
            'is only for upstreams that forst starts with a "command"',
        ),
        ({"command": ["s"], "cpus": 0}, "cpus"),
        ({"command": ["s"], "listener": "mine"}, "listener"),
    ],
)
def test_mistakes_about_a_program_are_named(keys: dict[str, Any], message: str) -> None:
    """Each with its key."""
    with pytest.raises(ConfigError, match=message):
        UpstreamConfig(**keys)


def test_workers_of_one_file_find_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is made absolute; configurations built in Python are told apart by what is in them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "forst.toml").write_text('[sidecar]\ncommand = ["s"]\n')
    assert convert.source(load("forst.toml")) == str(tmp_path / "forst.toml")
    one, two = (Config(sidecar=UpstreamConfig(command=[name])) for name in "ab")
    assert convert.source(one) == convert.source(Config(sidecar=UpstreamConfig(command=["a"])))
    assert convert.source(one) != convert.source(two)


def test_the_secret_of_a_sidecar_of_somebody_elses(tmp_path: Path) -> None:
    """It comes from a variable or a file; what is missing or too short is named, not told."""
    path = tmp_path / "secret"
    path.write_text(f"{'x' * 40}\n{'y' * 40}\n")
    of_file = UpstreamConfig(address="http://a:1", secret_file=path)
    of_variable = UpstreamConfig(address="http://a:1", secret_env="S")
    assert convert.named_secret("a", of_file, {}) == b"x" * 40
    assert convert.named_secret("a", of_variable, {"S": "z" * 40}) == b"z" * 40
    assert convert.named_secret("a", UpstreamConfig(address="http://a:1"), {}) is None
    with pytest.raises(ConfigError, match='upstream "a": the environment variable S: is empty'):
        convert.named_secret("a", of_variable, {})
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        convert.named_secret("a", of_file, {})


DIGEST = """
from forst_asgi import Config, RouteConfig, UpstreamConfig
from forst_asgi.runtime import convert
methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
sidecar = UpstreamConfig(address="http://h:1")
print(convert.generation(Config(sidecar=sidecar, routes=[RouteConfig(id="a", path="/a", methods=methods)])))
"""


def test_the_generation_is_the_same_in_every_process() -> None:
    """Python shuffles sets anew in each one."""
    found = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1
