"""The whole of what a user can write: `Config`, which is also what the file format is made from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, Unpack

from pydantic import AfterValidator, Field, PrivateAttr, Strict
from pydantic_core import PydanticCustomError

from forst_asgi.config import names
from forst_asgi.config.fields import Count
from forst_asgi.config.findings import Finding, nearest, wrong
from forst_asgi.config.flags import FlagsConfig, FlagsInput, OpenFeatureConfig, OverrideConfig
from forst_asgi.config.origin import Origin
from forst_asgi.config.reload import ReloadConfig, ReloadInput
from forst_asgi.config.route import RouteConfig, RouteInput
from forst_asgi.config.rule import ConditionConfig, RuleConfig
from forst_asgi.config.table import Table
from forst_asgi.config.tls import TlsConfig
from forst_asgi.config.upstream import UpstreamConfig, UpstreamInput
from forst_asgi.errors import ConfigError

__all__ = [
    "SIDECAR",
    "ConditionConfig",
    "Config",
    "FlagsConfig",
    "LogsConfig",
    "OpenFeatureConfig",
    "OverrideConfig",
    "ReloadConfig",
    "RouteConfig",
    "RuleConfig",
    "TlsConfig",
    "UpstreamConfig",
]

SIDECAR = "sidecar"
"""The name of the default upstream."""

Text = Annotated[str, Strict()]
Network = Annotated[str, Strict(), AfterValidator(names.peers)]


class LogsInput(TypedDict, total=False):
    """What LogsConfig takes when it is built in Python."""

    requests: Literal["none", "failures", "all"]
    failures_per_second: int
    format: Literal["auto", "json", "console", "app"]


class ConfigInput(TypedDict, total=False):
    """What Config takes when it is built in Python."""

    sidecar: UpstreamConfig | UpstreamInput | None
    upstreams: Mapping[str, UpstreamConfig | UpstreamInput]
    routes: Sequence[RouteConfig | RouteInput]
    trusted_proxies: Sequence[str]
    logs: "LogsConfig | LogsInput"
    flags: FlagsConfig | FlagsInput
    reload: ReloadConfig | ReloadInput


class LogsConfig(Table):
    """What forst logs, and in which form."""

    requests: Literal["none", "failures", "all"] = Field(
        "failures",
        description="Which forwarded requests leave a line in the log: none, those that failed or were "
        "refused, or all.",
    )
    failures_per_second: Count = Field(
        10,
        ge=0,
        description="How many lines a second requests of one route that ended in the same way may leave; "
        'the next line says as `left_out` how many did not. 0, and `requests = "all"`, mean every one.',
    )
    format: Literal["auto", "json", "console", "app"] = Field(
        "auto",
        description="`json` and `console` set up structlog for forst's events; `auto` is `console` on a "
        "terminal and `json` elsewhere; `app` leaves structlog as the app has set it up.",
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[LogsInput]) -> None: ...


class Config(Table):
    """Everything that forst is told: one file, or the same built in Python."""

    sidecar: UpstreamConfig | None = Field(
        None, description="The default upstream. Routes that name no other are forwarded to it."
    )
    upstreams: Mapping[Text, UpstreamConfig] = Field(
        {}, alias="upstream", description="Further upstreams, by name; a route picks one with `upstream`."
    )
    routes: tuple[RouteConfig, ...] = Field(
        (),
        alias="route",
        description="The endpoints that the sidecar takes over, in the order in which they are tried.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        description="The peers whose `X-Forwarded-*` and `Forwarded` headers are believed: networks, "
        "addresses, or `unix` for a proxy that connects through a Unix socket.",
        examples=[["127.0.0.1/32"], ["10.0.0.0/8", "unix"]],
    )
    logs: LogsConfig = Field(LogsConfig(), description="What is logged, and how.")
    # Validated with the rest: where the state is depends on where the configuration is.
    flags: FlagsConfig = Field(
        {},
        validate_default=True,
        description="Where the state of the flags is kept, and who else has a say in them.",
    )
    reload: ReloadConfig = Field(ReloadConfig(), description="When this file is read again.")

    _source: str = PrivateAttr("<python>")

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[ConfigInput]) -> None: ...

    @property
    def source(self) -> str:
        """The path of the file that this was loaded from, or "<python>"."""
        return self._source

    def upstream(self, name: str) -> UpstreamConfig:
        """Return the upstream of that name, "sidecar" for the default one.

        Raises:
            ConfigError: there is none of that name; never for the `upstream` of one of the routes.
        """
        known = self._known()
        if name not in known:
            raise ConfigError(f'no upstream "{name}" is configured, only: {", ".join(known) or "none"}')
        return known[name]

    def model_post_init(self, context: object, /) -> None:
        """Remember the file."""
        if isinstance(context, Origin):
            self._source = context.name

    def _known(self) -> dict[str, UpstreamConfig]:
        default = {SIDECAR: self.sidecar} if self.sidecar else {}
        return {**default, **self.upstreams}

    @classmethod
    def _across(cls, data: Mapping[str, Any]) -> Iterable[Finding]:
        upstreams = data.get("upstream", data.get("upstreams"))
        routes = data.get("route", data.get("routes"))
        further = dict(upstreams) if isinstance(upstreams, Mapping) else {}
        listed = list(routes) if isinstance(routes, list | tuple) else []
        yield from _misnamed(further)
        yield from _repeated_ids(listed)
        default = {SIDECAR: None} if data.get("sidecar") is not None else {}
        yield from _dangling(listed, [*default, *map(str, further)])
        yield from _allowed_strangers(data.get("reload"), listed)


def _misnamed(upstreams: Mapping[object, object]) -> Iterable[Finding]:
    for name in map(str, upstreams):
        if name == SIDECAR:
            yield Finding(("upstream", name), wrong("the default upstream is the table [sidecar]"))
            continue
        try:
            names.identifier(name)
        except PydanticCustomError as error:
            yield Finding(("upstream", name), error)


def _repeated_ids(routes: Iterable[object]) -> Iterable[Finding]:
    first: dict[object, int] = {}
    for index, route in enumerate(routes):
        name = _said(route, "id")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Finding(("route", index, "id"), wrong(f"route[{first[name]}] has this id already"), name)


def _dangling(routes: list[object], known: list[str]) -> Iterable[Finding]:
    if routes and not known:
        expected = 'a [sidecar] table with an "address" or a "command"'
        yield Finding(("route",), wrong("there is nothing to forward to", expected=expected))
        return
    for index, route in enumerate(routes):
        name = _said(route, "upstream", SIDECAR)
        if isinstance(name, str) and name not in known:
            error = wrong(f'no upstream "{name}" is configured', suggestion=nearest(name, known) or known[0])
            yield Finding(("route", index, "upstream"), error)


def _said(route: object, key: str, default: object = None) -> object:
    return route.get(key, default) if isinstance(route, Mapping) else getattr(route, key, default)


def _allowed_strangers(reload: object, routes: list[object]) -> Iterable[Finding]:
    known = [name for name in (_said(route, "id") for route in routes) if isinstance(name, str)]
    allowed = _said(reload, "allow", ())
    for index, name in enumerate(allowed if isinstance(allowed, list | tuple) else ()):
        if isinstance(name, str) and name not in known:
            error = wrong("there is no route of this id", suggestion=nearest(name, known))
            yield Finding(("reload", "allow", index), error, name)
