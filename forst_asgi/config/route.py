"""What a user can say about one route: which requests it takes and what becomes of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Required, TypeAlias, TypedDict, Unpack

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict
from pydantic_core import PydanticCustomError

from forst_asgi.config import names
from forst_asgi.config.findings import Finding, nearest, raised, wrong
from forst_asgi.config.rule import RuleConfig, RuleInput
from forst_asgi.config.shape import Shape
from forst_asgi.config.share import Mode, ModeField, Percent, Salt, StickKeys, shares_across
from forst_asgi.config.table import Table
from forst_asgi.config.template import (
    PATH_PATTERN,
    literal_prefix,
    parameters,
    path_template,
    rewrite_template,
)
from forst_asgi.config.units import Duration, Size


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _predicates(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the predicates with their names in lower case; each mistake is reported at its own key."""
    normal: dict[str, str] = {}
    findings = []
    for written, value in headers.items():
        try:
            name = names.header_name(written)
            if name in normal:
                raise wrong("stands twice; case makes no difference")
            normal[name] = names.header_value(value)
        except PydanticCustomError as error:
            findings.append(Finding((written,), error, value))
    if findings:
        raise raised("headers", findings)
    return normal


_ID_SCHEMA = {"type": "string", "pattern": names.ID_PATTERN}
_PATH_SCHEMA = {"type": "string", "pattern": PATH_PATTERN}
_KIND_SCHEMA = {"type": "string", "enum": ["http", "websocket"]}
_KINDS_SCHEMA = {"anyOf": [_KIND_SCHEMA, {"type": "array", "items": _KIND_SCHEMA, "minItems": 1}]}
_HOST_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}

Text = Annotated[str, Strict()]
Identifier = Annotated[str, Strict(), AfterValidator(names.identifier), Shape(_ID_SCHEMA)]
Method = Annotated[str, Strict(), AfterValidator(names.method)]
# In order, because the digest of a configuration has to be the same in every process.
Methods = Annotated[
    frozenset[Method],
    Field(min_length=1),
    PlainSerializer(sorted, return_type=list[str], when_used="json"),
]
PathTemplate = Annotated[str, Strict(), AfterValidator(path_template), Shape(_PATH_SCHEMA)]
Rewrite = Annotated[str, Strict(), AfterValidator(rewrite_template), Shape(_PATH_SCHEMA)]
Prefix = Annotated[str, Strict(), AfterValidator(literal_prefix), Shape(_PATH_SCHEMA)]
Auth = Annotated[
    str,
    Strict(),
    AfterValidator(names.auth),
    Shape({"type": "string", "pattern": names.AUTH_PATTERN}),
]
HostPattern = Annotated[str, Strict(), AfterValidator(names.host_pattern)]
Hosts = Annotated[tuple[HostPattern, ...], BeforeValidator(_as_list), Shape(_HOST_SCHEMA)]
Kind: TypeAlias = Literal["http", "websocket"]
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(_as_list), Field(min_length=1), Shape(_KINDS_SCHEMA)]
Predicates = Annotated[Mapping[Text, Text], AfterValidator(_predicates)]


class RouteInput(TypedDict, total=False):
    """What RouteConfig takes when it is built in Python; times are text with a unit or timedeltas."""

    id: Required[str]
    path: Required[str]
    type: Kind | Sequence[Kind]
    methods: Collection[str] | None
    mode: Mode
    percent: float | None
    stick: str | Sequence[str]
    salt: str | None
    rules: Sequence[RuleConfig | RuleInput]
    auth: str | None
    host: str | Sequence[str]
    headers: Mapping[str, str]
    strip_prefix: str | None
    rewrite: str | None
    timeout: str | timedelta | None
    idle_timeout: str | timedelta | None
    client_timeout: str | timedelta
    on_failure: Literal["app", "error"]
    replay_max: str | int
    max_body: str | int | None
    max_message: str | int
    max_lifetime: str | timedelta | None
    ping_interval: str | timedelta | None
    upstream: str
    encoded_path: Literal["reject", "pass"]
    express: bool


class RouteConfig(Table):
    """One endpoint that the sidecar answers instead of the app, when its mode says so.

    A request belongs to the first route whose path, methods, host and headers all match; every other
    request goes to the app untouched.
    """

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["strip_prefix", "rewrite"]}})

    id: Identifier = Field(
        description="The route's name in logs, metrics and errors. No two routes have the same.",
        examples=["calculate"],
    )
    path: PathTemplate = Field(
        description="The path of the requests, with parameters in braces, as Starlette and FastAPI have it.",
        examples=["/calculate", "/quotes/{id:int}", "/files/{rest:path}"],
    )
    type: Kinds = Field(
        ("http",),
        description="What the route takes: `http` requests, `websocket` connections, or a list of both. "
        "WebSockets need the extra `forst-asgi[websocket]`.",
        examples=["websocket", ["http", "websocket"]],
    )
    methods: Methods | None = Field(
        None,
        description="The methods of the requests; `GET` includes `HEAD`. Left out: any but `OPTIONS`, so "
        "that CORS preflights stay with the app. The handshake of a WebSocket is a `GET`.",
        examples=[["POST"], ["GET", "DELETE"]],
    )
    mode: ModeField = Field(
        "off",
        description="`on` forwards the requests, `off` leaves them to the app, `canary` forwards those of a "
        "share of the clients. It is a ceiling: what is changed at runtime lowers it, and only rules and "
        "testers go over it. The environment variable `FORST_ROUTE_<ID>` replaces it.",
    )
    percent: Percent | None = Field(
        None,
        description="The share of clients in mode `canary`, from 0.01 to 100.",
        examples=[2.5],
    )
    stick: StickKeys = Field(
        (),
        description="What tells one client from another in mode `canary`: `header:NAME`, `cookie:NAME`, "
        "`query:NAME`, `path:NAME` or `client` (its address). The first one that a request has counts; "
        "without any of them it goes to the app.",
        examples=[["header:x-user-id", "cookie:sid"]],
    )
    salt: Salt | None = Field(
        None,
        description="Routes with the same salt have the same clients in their canaries. Left out: the "
        "route's `id`.",
        examples=["checkout"],
    )
    rules: tuple[RuleConfig, ...] = Field(
        (),
        alias="rule",
        description="Requests that are treated apart from the mode, each a table `[[route.rule]]`. They are "
        "tried in order.",
    )
    auth: Auth | None = Field(
        None,
        description="Who checks that the client may make the request, now that the app's own checks do not "
        "run: `none` (nobody, the endpoint is public), `upstream` (the sidecar), or a callable of yours, "
        "written as `package.module:callable`. Left out: nobody, with a warning at startup.",
        examples=["none", "upstream", "shop.auth:require_user"],
    )
    host: Hosts = Field(
        (),
        description="The host, or a list of hosts, of the requests, without port; `*.` in front stands for "
        "any subdomain. Left out: any.",
        examples=["api.example.com", ["example.com", "*.example.com"]],
    )
    headers: Predicates = Field(
        {},
        description="Headers that the requests must have, with their exact value, or `*` for any value.",
        examples=[{"x-version": "2"}],
    )
    strip_prefix: Prefix | None = Field(
        None,
        description="What to take off the front of the path before forwarding. Not together with `rewrite`.",
        examples=["/api"],
    )
    rewrite: Rewrite | None = Field(
        None,
        description="The path to forward instead; it may use the parameters of `path`. "
        "Not together with `strip_prefix`.",
        examples=["/v2/quotes/{id}"],
    )
    timeout: Duration | None = Field(
        None,
        description="How long the whole call may take, the answer's body included. Left out: no limit beside "
        "those of the upstream. Event streams and WebSockets are exempt once they have begun.",
        examples=["2s"],
    )
    idle_timeout: Duration | None = Field(
        None,
        description="How long the body of an answer may stand still, or a WebSocket be silent on both sides. "
        "Left out: as the upstream has it.",
        examples=["5m"],
    )
    client_timeout: Duration = Field(
        "60s",
        validate_default=True,
        description="How long a client may send nothing of a body that is still on its way, or take nothing "
        "of an answer, while it holds a connection to the upstream. Then the upload gets a 408, the answer "
        "is broken off.",
        examples=["10s"],
    )
    on_failure: Literal["app", "error"] = Field(
        "error",
        description="What becomes of a request that the sidecar cannot answer: `error` answers 502, "
        "503 or 504, `app` lets the Python handler answer. Never so that something happens twice: what may "
        "have reached the sidecar is given to the app only for `GET`, `HEAD`, `OPTIONS`, `PUT` and `DELETE`, "
        "and only if no answer began. A WebSocket's handshake is the app's only if nothing of it was sent.",
    )
    replay_max: Size = Field(
        "64KiB",
        validate_default=True,
        description='With `on_failure = "app"`: how large a body that may have reached the sidecar can be so '
        "that the app still gets it. More than 64KiB makes no difference: longer bodies are sent on as they "
        "come, and not kept.",
    )
    max_body: Size | None = Field(
        None,
        description="How large the body of a request may be; a larger one gets a 413. Left out: any.",
        examples=["10MiB"],
    )
    max_message: Size = Field(
        "16MiB",
        validate_default=True,
        description="How large a message of a WebSocket may be, in either direction; a larger one closes it "
        "with code 1009. Servers have a limit of their own for what clients send.",
        examples=["64KiB"],
    )
    max_lifetime: Duration | None = Field(
        None,
        description="How long a WebSocket may stay open, busy or not; then it is closed with code 1001. "
        "Left out: as long as it likes.",
        examples=["12h"],
    )
    ping_interval: Duration | None = Field(
        None,
        description="How often to ping the upstream on an open WebSocket; one that does not answer until the "
        "next ping is due is given up. Left out: never. Clients are pinged by the server.",
        examples=["20s"],
    )
    upstream: Identifier = Field(
        "sidecar",
        description="Where to forward to: `sidecar`, or the name of an `[upstream.<name>]` table.",
        examples=["search"],
    )
    encoded_path: Literal["reject", "pass"] = Field(
        "reject",
        description="What becomes of paths that the app and the sidecar may read differently: encoded "
        "slashes, dot segments, double slashes and the like. `reject` answers them with 400, `pass` "
        "forwards them.",
    )
    express: Annotated[bool, Strict()] = Field(
        False,  # noqa: FBT003 - a field's default
        description="Experimental: let uvicorn forward small requests itself, before there is an ASGI cycle, "
        "where it runs with `--http forst_asgi.express:Protocol`. The middleware has to be what the server "
        'calls. Not together with an `auth` callable or `on_failure = "app"`.',
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[RouteInput]) -> None: ...

    @classmethod
    def _across(cls, data: Mapping[str, Any]) -> Iterable[Finding]:
        path, prefix, rewrite = (data.get(key) for key in ("path", "strip_prefix", "rewrite"))
        yield from _no_handshake(data.get("type"), data.get("methods"))
        yield from shares_across(data)
        if data.get("express") is True:
            yield from _needs_asgi(data)
        if prefix is not None and rewrite is not None:
            yield Finding(("rewrite",), wrong('"rewrite" and "strip_prefix" exclude each other'), rewrite)
        if isinstance(path, str) and isinstance(rewrite, str):
            yield from _unknown_parameters(path, rewrite)
        if isinstance(path, str) and isinstance(prefix, str) and not _is_below(path, prefix):
            problem = f'the path "{path}" does not begin with it'
            yield Finding(("strip_prefix",), wrong(problem), prefix)


def _is_below(path: str, prefix: str) -> bool:
    return f"{path}/".startswith(f"{prefix.rstrip('/')}/")  # a slash at its end is a mistake of its own


def _needs_asgi(data: Mapping[str, Any]) -> Iterable[Finding]:
    auth = data.get("auth")
    if isinstance(auth, str) and ":" in auth:
        yield Finding(
            ("express",), wrong('an "auth" callable needs an ASGI cycle, which "express" does without')
        )
    if data.get("on_failure") == "app":
        yield Finding(
            ("express",), wrong('on_failure = "app" needs an ASGI cycle, which "express" does without')
        )
    if "http" not in _listed(data.get("type", "http")):
        yield Finding(("express",), wrong("only http requests are forwarded that way"))


def _unknown_parameters(path: str, rewrite: str) -> Iterable[Finding]:
    known = parameters(path)
    for name in parameters(rewrite):
        if name not in known:
            problem = f'the path "{path}" has no parameter "{name}"'
            yield Finding(("rewrite",), wrong(problem, suggestion=nearest(name, known)), rewrite)


def _no_handshake(kinds: object, methods: object) -> Iterable[Finding]:
    if not (isinstance(methods, list | tuple | set | frozenset) and methods):
        return
    if "websocket" in _listed(kinds) and "GET" not in methods:
        problem = "the handshake of a WebSocket is a GET"
        yield Finding(("methods",), wrong(problem, expected='"GET" among the methods'), list(methods))


def _listed(kinds: object) -> Collection[object]:
    return kinds if isinstance(kinds, list | tuple) else (kinds,)
