"""What a user can say about one upstream: where it is, how it is started, how it is spoken to."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from pydantic import ConfigDict, Field

from forst_asgi.config.address import Address, AddressField
from forst_asgi.config.fields import (
    Build,
    Command,
    Count,
    EnvName,
    EnvValue,
    FilePath,
    HostPolicy,
    Socket,
    Target,
    Text,
)
from forst_asgi.config.findings import Finding, nearest, wrong
from forst_asgi.config.table import Table
from forst_asgi.config.tls import TlsConfig, TlsInput
from forst_asgi.config.units import Duration, DurationOrZero, Size


class UpstreamInput(TypedDict, total=False):
    """What UpstreamConfig takes when it is built in Python; times are text with a unit or timedeltas."""

    address: str | Address | None
    command: Sequence[str | os.PathLike[str]] | None
    build: str | None
    watch: Sequence[str]
    socket: str | os.PathLike[str] | None
    cwd: str | os.PathLike[str] | None
    env: Mapping[str, str]
    env_pass: Sequence[str]
    listener: Literal["auto", "pass", "own"]
    memory_limit: str | int | None
    cpus: int | None
    secret_env: str | None
    secret_file: str | os.PathLike[str] | None
    ready_path: str | None
    ready_timeout: str | timedelta
    probe_interval: str | timedelta
    probe_timeout: str | timedelta
    stop_timeout: str | timedelta
    transport: Literal["http1", "httpx"]
    host: str
    max_connections: int
    max_pending: int
    max_websockets: int
    breaker_failures: int
    breaker_pause: str | timedelta
    connect_timeout: str | timedelta
    pool_timeout: str | timedelta
    write_timeout: str | timedelta
    first_byte_timeout: str | timedelta
    idle_timeout: str | timedelta
    keepalive: str | timedelta
    max_header_bytes: str | int
    tls: TlsConfig | TlsInput | None


class UpstreamConfig(Table):
    """An address that requests are forwarded to, and optionally the process that listens there."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["address"]}, {"required": ["command"]}, {"required": ["build"]}]
        }
    )

    address: AddressField | None = Field(
        None,
        description="Where the upstream listens: a Unix socket, or a host and port. "
        "May be left out when `command` is given.",
        examples=["unix:/run/app/sidecar.sock", "http://127.0.0.1:9000", "https://quotes.internal:8443"],
    )
    command: Command | None = Field(
        None,
        description="The program to start, and its arguments; no shell is involved. A program with a `/` is "
        "looked up relative to the configuration file, any other on the `PATH`. "
        "Left out: the upstream runs already.",
        examples=[["./bin/sidecar"]],
    )
    build: Build | None = Field(
        None,
        description="The command that builds the program, run at the start of the app and by "
        "`forst-asgi sidecar restart`, in the folder of the configuration file; `{out}` stands for the file "
        "that it shall write. The result becomes `command`'s program, `.forst/sidecar` if there is no "
        "`command`.",
        examples=["go build -o {out} ./cmd/sidecar"],
    )
    watch: tuple[Text, ...] = Field(
        (),
        description="Files, relative to the configuration file, at whose change the program is built and "
        "its process replaced; made for development. Only with `build`.",
        examples=[["**/*.go"]],
    )
    socket: Socket | None = Field(
        None,
        description="The Unix socket that the started program shall listen on; `auto` makes one in a private "
        "folder. Only with `command` and without `address`, and then `auto` unless given.",
        examples=["auto", "run/sidecar.sock"],
    )
    cwd: FilePath | None = Field(
        None,
        description="The working directory of the started program. Left out: that of the app.",
        examples=["."],
    )
    env: Mapping[EnvName, EnvValue] = Field(
        {},
        repr=False,
        description="Environment variables to set for the started program.",
        examples=[{"LOG_LEVEL": "info"}],
    )
    env_pass: tuple[EnvName, ...] = Field(
        (),
        description="Names of environment variables that the started program inherits from the app. "
        "All others stay hidden from it, apart from harmless ones such as `PATH`.",
        examples=[["DATABASE_URL"]],
    )
    listener: Literal["auto", "pass", "own"] = Field(
        "auto",
        description="Who opens the socket that the started program listens on. `pass`: forst does, and hands "
        "it over as file descriptor 3 (`LISTEN_FDS`), so that connections wait while the program is started "
        "anew. `own`: the program does, at `FORST_LISTEN`. `auto`: on a private socket the program takes "
        "whichever it knows; at an `address` or a `socket` of yours like `own`.",
    )
    memory_limit: Size | None = Field(
        None,
        description="How much memory the started program may use; Go is told to aim at nine tenths of it "
        "(`GOMEMLIMIT`). On Linux the system enforces it.",
        examples=["512MiB"],
    )
    cpus: Count | None = Field(
        None,
        ge=1,
        description="How many processors the started program may use at a time (`GOMAXPROCS`).",
        examples=[2],
    )
    secret_env: EnvName | None = Field(
        None,
        description="The environment variable with the secret that claims of `auth` callables are signed "
        "with, of at least 32 characters. Only without `command`: a program that is started gets a secret "
        "of its own.",
        examples=["FORST_SECRET"],
    )
    secret_file: FilePath | None = Field(
        None,
        description="The file with that secret. It may hold several, one a line: the first one signs, the "
        "sidecar takes all of them.",
        examples=["/run/secrets/forst"],
    )
    ready_path: Target | None = Field(
        None,
        description="A path to request until it answers with a 2xx status; only then does the upstream count "
        "as ready. Left out: it is ready as soon as it accepts connections.",
        examples=["/.forst/ready", "/healthz"],
    )
    ready_timeout: Duration = Field(
        "10s",
        validate_default=True,
        description="How long the upstream may take to become ready.",
    )
    probe_interval: DurationOrZero = Field(
        "1s",
        validate_default=True,
        description="How often the started program is asked whether it is still ready; one that gives no "
        "answer three times in a row is killed and started anew. `0s`: never, for example while a debugger "
        "holds it.",
    )
    probe_timeout: Duration = Field(
        "1s", validate_default=True, description="How long the started program may take to answer that."
    )
    stop_timeout: DurationOrZero = Field(
        "10s",
        validate_default=True,
        description="How long the started program may take to finish its work after SIGTERM, "
        "before it is killed.",
    )
    transport: Literal["http1", "httpx"] = Field(
        "http1",
        description="`http1` is forst's own, fast HTTP/1.1; `httpx` is for what that cannot do, at a cost.",
    )
    host: HostPolicy = Field(
        "keep",
        description="The `Host` header that the upstream sees: `keep` passes on the client's, "
        "anything else is sent as it stands.",
        examples=["keep", "quotes.internal"],
    )
    max_connections: Count = Field(
        100, ge=1, description="How many connections to the upstream may be open at once."
    )
    max_pending: Count = Field(
        1000,
        ge=0,
        description="How many requests may wait for a connection; those beyond get a 503 at once.",
    )
    max_websockets: Count = Field(
        1000,
        ge=1,
        description="How many WebSockets to the upstream may be open at once, in each process of the app; "
        "those beyond get a 503 at once. Each takes two descriptors, and none of `max_connections`.",
    )
    breaker_failures: Count = Field(
        5,
        ge=1,
        description="How many requests in a row that cannot reach the upstream make it count as dead: then "
        "requests fail at once, or fall back, but for one now and then that finds out whether it is back. "
        "One that was connected but got no HTTP counts a tenth.",
    )
    breaker_pause: Duration = Field(
        "500ms",
        validate_default=True,
        description="How long to wait before that one; twice as long each time it fails, up to 2s.",
    )
    connect_timeout: Duration = Field(
        "2s", validate_default=True, description="How long making a connection may take."
    )
    pool_timeout: Duration = Field(
        "5s", validate_default=True, description="How long a request may wait for a free connection."
    )
    write_timeout: Duration = Field(
        "30s",
        validate_default=True,
        description="How long the upstream may take none of the request's bytes.",
    )
    first_byte_timeout: Duration = Field(
        "30s",
        validate_default=True,
        description="How long the upstream may take to begin its answer, once it has the whole request.",
    )
    idle_timeout: Duration = Field(
        "5m",
        validate_default=True,
        description="How long the body of an answer may stand still. A route can have its own.",
    )
    keepalive: DurationOrZero = Field(
        "30s",
        validate_default=True,
        description="How long an idle connection is kept for the next request. Keep it below the upstream's "
        "own limit (`IdleTimeout` in Go).",
    )
    max_header_bytes: Size = Field(
        "64KiB",
        validate_default=True,
        description="How large the head of an answer may be.",
    )
    tls: TlsConfig | None = Field(
        None, description="How a TLS connection to the upstream is made; only with an `https` address."
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[UpstreamInput]) -> None: ...

    @classmethod
    def _across(cls, data: Mapping[str, Any]) -> Iterable[Finding]:
        yield from _starting(data)
        yield from _signing(data)
        is_https = str(data.get("address", "")).startswith("https:")
        if "tls" in data and data["tls"] is not None and not is_https:
            yield Finding(("tls",), wrong("is only for upstreams with an https address"))
        if is_https and data.get("command") is not None:
            problem = (
                'a started program is spoken to without TLS; use "unix:" or "http:", or leave out "command"'
            )
            yield Finding(("address",), wrong(problem), data["address"])

    @classmethod
    def _completed(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data.get("build") is not None and data.get("command") is None:
            data = {**data, "command": [BUILT]}
        if data.get("command") is None or data.get("address") is not None:
            return data
        return {**data, "socket": data.get("socket") or "auto"}


BUILT = "./.forst/sidecar"
"""Where a program is put that is built and for which no `command` is given."""

_FOR_COMMAND = (
    "socket",
    "cwd",
    "env",
    "env_pass",
    "listener",
    "memory_limit",
    "cpus",
    "probe_interval",
    "probe_timeout",
    "stop_timeout",
)
"""Keys that say something about a program that is started."""


def _starting(data: Mapping[str, Any]) -> Iterable[Finding]:
    given = {key for key, value in data.items() if value is not None}
    if "watch" in given and "build" not in given:
        yield Finding(("watch",), wrong('is only for programs that forst builds with a "build"'))
    if "build" in given:
        given.add("command")
    if not given & {"address", "command"}:
        if any(nearest(key, ("address", "command")) for key in given):
            return  # an unknown key that is a misspelling of one of them, which is reported as such
        yield Finding((), wrong(expected='an "address" to connect to or a "command" to start'))
        return
    for key in _FOR_COMMAND:
        if key in given and "command" not in given:
            yield Finding((key,), wrong('is only for upstreams that forst starts with a "command"'))
    if given >= {"address", "command", "socket"}:
        yield Finding(("socket",), wrong('the upstream has an "address" already; leave out one of them'))


def _signing(data: Mapping[str, Any]) -> Iterable[Finding]:
    given = [key for key in ("secret_env", "secret_file") if data.get(key) is not None]
    if len(given) > 1:
        yield Finding(("secret_file",), wrong('"secret_file" and "secret_env" exclude each other'))
    if given and (data.get("command") is not None or data.get("build") is not None):
        yield Finding((given[0],), wrong("a program that is started gets a secret of its own"))
