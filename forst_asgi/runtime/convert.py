"""Configuration models into the plain values that mechanisms take."""

import hashlib
import ipaddress
import os
import shlex
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from forst_asgi.config import (
    Address,
    Config,
    ConfigError,
    RouteConfig,
    TlsConfig,
    UpstreamConfig,
    working_folder,
)
from forst_asgi.development import is_on as is_development
from forst_asgi.forward import AuthCallable, ForwardPolicy, TrustedProxies
from forst_asgi.identity import read_secrets
from forst_asgi.resilience import BreakerPolicy
from forst_asgi.routing import RouteSpec
from forst_asgi.runtime.named import import_callable, require
from forst_asgi.supervisor import BuildSpec, Care, HomeKey, Offer, Place, SidecarSpec, SupervisorSpec
from forst_asgi.transport import Limits, Origin

T = TypeVar("T")


def limits(config: UpstreamConfig) -> Limits:
    """Return an upstream's limits."""
    return Limits(
        max_connections=config.max_connections,
        max_pending=config.max_pending,
        connect_timeout_s=config.connect_timeout,
        pool_timeout_s=config.pool_timeout,
        write_timeout_s=config.write_timeout,
        first_byte_timeout_s=config.first_byte_timeout,
        idle_timeout_s=config.idle_timeout,
        keepalive_s=config.keepalive,
        max_header_bytes=config.max_header_bytes,
    )


def origin(address: Address, tls: TlsConfig | None) -> Origin:
    """Return where connections to an address go.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    if address.kind == "unix":
        return Origin(path=address.path)
    if address.kind == "tcp":
        return Origin(host=address.host, port=address.port)
    context = tls_context(tls)
    server_name = tls.server_name if tls is not None else None
    return Origin(host=address.host, port=address.port, tls=context, server_hostname=server_name)


def tls_context(tls: TlsConfig | None) -> ssl.SSLContext:
    """Return a client context; without a table, the system's certificates are trusted.

    Raises:
        ConfigError: a file is missing or holds no certificate or key.
    """
    if tls is None:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in (tls.ca, tls.cert, tls.key) if path is not None)
        raise ConfigError(f"tls: cannot be used ({files}): {error}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def source(config: Config) -> str:
    """Return what the workers of one server have in common, and no other configuration has."""
    if config.source != "<python>":
        return os.path.abspath(config.source)  # noqa: PTH100 - not resolved: a link to the release in use stays one
    return f"python:{_digest(config)}:{working_folder()}"


def generation(config: Config) -> str:
    """Return a short digest of a configuration: the same text for the same content, in all workers."""
    return _digest(config)[:8]


def home_key(source: str, name: str, config: UpstreamConfig) -> HomeKey:
    """Return what the workers have in common that share the process of an upstream.

    That includes what the configuration says about it: a changed program is another process, in a directory
    of its own, beside the one before. At an address of the user's there cannot be two, so there it is not.
    """
    if place(config) is not None:
        return HomeKey(source, name)
    return HomeKey(f"{source}@{_digest(config)[:16]}", name)


def _digest(config: Config | UpstreamConfig) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()


def supervisor_spec(config: UpstreamConfig, key: HomeKey, secret: bytes) -> SupervisorSpec:
    """Return what a supervisor takes.

    Args:
        config: an upstream with a `command`.
        key: who shares the process.
        secret: what identities are signed with.
    """
    offer = Offer(config.listener)
    address = place(config)
    if address is not None and offer is Offer.BOTH:
        offer = Offer.OWN
    sidecar = SidecarSpec(
        name=key.upstream,
        command=config.command or (),
        listen="",
        cwd=None if config.cwd is None else str(config.cwd),
        env=config.env,
        env_pass=config.env_pass,
        ready_timeout_s=config.ready_timeout,
        stop_timeout_s=config.stop_timeout,
        memory_limit=config.memory_limit,
        cpus=config.cpus,
        secret=secret,
    )
    care = Care(config.ready_path, config.probe_interval, config.probe_timeout)
    waits = is_development(os.environ)
    return SupervisorSpec(sidecar, care, key, address, offer, build_spec(config, key), waits)


def build_spec(config: UpstreamConfig, key: HomeKey) -> BuildSpec | None:
    """Return how the program is built; None if somebody else does that.

    Raises:
        ConfigError: files shall be watched, and the library for that is not there.
    """
    if config.build is None or config.command is None:
        return None
    require_watchfiles(config)
    file = Path(key.config)
    folder = file.parent if file.is_absolute() else Path.cwd()
    program = Path(folder, config.command[0])
    return BuildSpec(key.upstream, tuple(shlex.split(config.build)), folder, program, config.watch)


def require_watchfiles(config: UpstreamConfig, library: str = "watchfiles") -> None:
    """Make sure that files can be watched, if they shall be.

    Raises:
        ConfigError: they cannot.
    """
    if config.watch:
        require(library, "watch:", "watch")


def breaker_policy(config: UpstreamConfig) -> BreakerPolicy:
    """Return when the breaker of an upstream opens."""
    return BreakerPolicy(threshold=config.breaker_failures, pause_s=config.breaker_pause)


def place(config: UpstreamConfig) -> Place | None:
    """Return where the user wants a started program to listen; None for a private socket."""
    if config.address is not None:
        return Place(config.address.path, config.address.host, config.address.port)
    return None if config.socket in (None, "auto") else Place(str(config.socket))


def route_spec(config: RouteConfig, endpoint: T) -> RouteSpec[T]:
    """Return what the route table is compiled from."""
    return RouteSpec(
        id=config.id,
        path=config.path,
        endpoint=endpoint,
        methods=frozenset(config.methods) if config.methods is not None else None,
        hosts=tuple(config.host),
        headers=tuple(config.headers.items()),
        strip_prefix=config.strip_prefix,
        rewrite=config.rewrite,
        encoded_path=config.encoded_path,
        kinds=frozenset(config.type),
    )


def forward_policy(
    config: RouteConfig, upstream: UpstreamConfig | None, trusted: TrustedProxies
) -> ForwardPolicy:
    """Return how requests on a route are forwarded.

    Raises:
        ConfigError: the route's `auth` callable cannot be imported.
    """
    keeps_host = upstream is None or upstream.host == "keep"
    return ForwardPolicy(
        route=config.id,
        upstream=config.upstream,
        timeout_s=config.timeout,
        idle_timeout_s=config.idle_timeout,
        client_timeout_s=config.client_timeout,
        max_body=config.max_body,
        falls_back=config.on_failure == "app",
        replay_max=config.replay_max,
        host=None if keeps_host or upstream is None else upstream.host.encode("latin-1"),
        auth=auth_callable(config),
        pseudonym=_pseudonym(config, upstream),
        trusted=trusted,
    )


def _pseudonym(config: RouteConfig, upstream: UpstreamConfig | None) -> bytes:
    """Return a name for this route, the same in all workers of a host and in no other deployment."""
    place = f"{socket.gethostname()} {config.path} {upstream and (upstream.address or upstream.command)}"
    return f"forst-{config.id}-{hashlib.sha256(place.encode()).hexdigest()[:8]}".encode()


def auth_callable(config: RouteConfig) -> AuthCallable | None:
    """Import the route's `auth` callable; None when there is none to call.

    Raises:
        ConfigError: there is no such module or attribute, or it cannot be called.
    """
    if config.auth in (None, "none", "upstream"):
        return None
    return import_callable(str(config.auth), f'route "{config.id}": auth = "{config.auth}"')


def trusted_proxies(config: Config) -> TrustedProxies:
    """Return the peers whose forwarding fields are believed."""
    networks = [text for text in config.trusted_proxies if text != "unix"]
    return TrustedProxies(
        tuple(ipaddress.ip_network(text) for text in networks),
        trusts_unix="unix" in config.trusted_proxies,
    )


def named_secret(name: str, config: UpstreamConfig, environ: Mapping[str, str]) -> bytes | None:
    """Return the secret that claims for a sidecar of somebody else's are signed with; None for none.

    Raises:
        ConfigError: the variable is not set, the file cannot be read, or the secret is too short.
    """
    if config.secret_env is not None:
        where = f'upstream "{name}": the environment variable {config.secret_env}'
        return read_secrets(environ.get(config.secret_env, ""), where)[0]
    if config.secret_file is None:
        return None
    where = f'upstream "{name}": secret_file {config.secret_file}'
    try:
        text = config.secret_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: cannot be read: {error}") from error
    return read_secrets(text, where)[0]


def all_upstreams(config: Config) -> Mapping[str, UpstreamConfig]:
    """Return every upstream by name, `[sidecar]` included."""
    own = {"sidecar": config.sidecar} if config.sidecar is not None else {}
    return {**own, **config.upstreams}
