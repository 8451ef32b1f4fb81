"""What the configuration and the environment say about flags, as the plain values that decisions take."""

import inspect
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from forst_asgi.config import Config, ConfigError, OverrideConfig, RouteConfig
from forst_asgi.decision import (
    ConditionSpec,
    OverridePolicy,
    Rollout,
    RuleSpec,
    parse_rollout,
    rollout_of,
)
from forst_asgi.decision.override import SHORTEST_SECRET
from forst_asgi.forward import TrustedProxies
from forst_asgi.runtime.named import import_callable, require

PREFIX: Final = "FORST_ROUTE_"

_KEYLESS: Final = 'the route has no "stick" keys, so nobody would be in its canary'


def variable(route: str) -> str:
    """Return the environment variable that replaces a route's mode: "get-quote" has FORST_ROUTE_GET_QUOTE."""
    return PREFIX + route.upper().replace("-", "_")


def configured(config: RouteConfig, environ: Mapping[str, str]) -> Rollout:
    """Return what a route may get at most: what the environment says, else its mode.

    Raises:
        ConfigError: the environment says something that is no mode, or a canary for a route without keys.
    """
    name = variable(config.id)
    if name not in environ:
        return rollout_of(config.mode, config.percent if config.mode == "canary" else None)
    try:
        found = parse_rollout(environ[name], config.percent)
        if found.mode == "canary" and not config.stick:
            raise ValueError(_KEYLESS)  # noqa: TRY301 - one way out for all that is wrong with it
    except ValueError as error:
        raise ConfigError(f'the environment variable {name} = "{environ[name]}": {error}') from error
    return found


def forwarding(config: Config, environ: Mapping[str, str]) -> int:
    """Return on how many routes a request may be forwarded at all: by their mode, or by one of their rules.

    What was changed at runtime does not count, nor what testers may.

    Raises:
        ConfigError: see `configured`.
    """
    modes = ([configured(each, environ).mode, *(rule.mode for rule in each.rules)] for each in config.routes)
    return sum(any(mode != "off" for mode in each) for each in modes)


def stray_variables(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is odd about the variables that replace modes: no such route, or two routes."""
    names = [variable(route.id) for route in config.routes]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names:
            yield f"the environment variable {name} belongs to no route"
        elif names.count(name) > 1:
            yield f"the environment variable {name} replaces the mode of several routes"


def rules(config: RouteConfig) -> tuple[RuleSpec, ...]:
    """Return a route's rules."""
    return tuple(
        RuleSpec(
            rule.name,
            tuple(ConditionSpec(each.key, *each.operator) for each in rule.when),
            rollout_of(rule.mode, rule.percent if rule.mode == "canary" else None),
        )
        for rule in config.rules
    )


def networks(texts: tuple[str, ...]) -> TrustedProxies:
    """Return a set of peers."""
    return TrustedProxies(tuple(map(ipaddress.ip_network, texts)))


def override_policy(config: OverrideConfig | None, environ: Mapping[str, str]) -> OverridePolicy | None:
    """Return whose override counts, None for nobody's.

    Raises:
        ConfigError: a secret is missing or too short.
    """
    if config is None:
        return None
    return OverridePolicy(secrets(config, environ), networks(config.unsigned_from))


_NO_SECRET: Final[Mapping[str, None]] = {"secret_env": None, "secret_file": None}


def without_secrets(config: Config) -> Config:
    """Return the configuration without any secrets, for where they are not at hand."""
    changes: dict[str, object] = {
        "upstreams": {name: each.model_copy(update=_NO_SECRET) for name, each in config.upstreams.items()}
    }
    if config.sidecar is not None:
        changes["sidecar"] = config.sidecar.model_copy(update=_NO_SECRET)
    if config.flags.override is not None:
        override = config.flags.override.model_copy(update=_NO_SECRET)
        changes["flags"] = config.flags.model_copy(update={"override": override})
    return config.model_copy(update=changes)


def secrets(config: OverrideConfig, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the secrets that tokens are signed with, the one for new tokens first.

    Raises:
        ConfigError: a secret that is named is missing or too short; it is not repeated.
    """
    if config.secret_env is not None:
        return (_secret(environ.get(config.secret_env, ""), f"the environment variable {config.secret_env}"),)
    if config.secret_file is None:
        return ()
    try:
        lines = config.secret_file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"flags.override.secret_file: cannot be read: {error}") from error
    found = [line.strip() for line in lines if line.strip()] or [""]
    return tuple(_secret(line, str(config.secret_file)) for line in found)


def _secret(text: str, place: str) -> bytes:
    secret = text.strip().encode("utf-8", "surrogateescape")
    if len(secret) < SHORTEST_SECRET:
        problem = "is not set" if not secret else "is too short"
        raise ConfigError(f"flags.override: {place} {problem}; expected a secret of at least 16 characters")
    return secret


def require_openfeature(library: str = "openfeature") -> None:
    """Make sure that the OpenFeature SDK is there, which is an extra.

    Raises:
        ConfigError: it is not.
    """
    require(library, "flags.openfeature:", "openfeature", "openfeature-sdk")


def context_callable(name: str) -> Callable[..., Any]:
    """Import the app's context callable.

    Raises:
        ConfigError: there is no such module or attribute, or it is no plain function.
    """
    where = f'flags.context = "{name}"'
    found = import_callable(name, where)
    called = found if hasattr(found, "__code__") else type(found).__call__
    if inspect.iscoroutinefunction(called):
        raise ConfigError(f"{where}: is async, expected a plain function that does not wait")
    return found
