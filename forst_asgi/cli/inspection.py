"""What is wrong with a configuration beyond its text: what it names is not there, or is not meant so."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from forst_asgi.config import Config, ConfigError, UpstreamConfig
from forst_asgi.config.document import read_document
from forst_asgi.config.models import SIDECAR
from forst_asgi.errors import SidecarError
from forst_asgi.runtime import Runtime, convert, flagspec
from forst_asgi.runtime.runtime import UNSIGNED
from forst_asgi.supervisor import SidecarSpec
from forst_asgi.supervisor.environ import sidecar_environ
from forst_asgi.supervisor.program import find_program


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found; each text is one line that begins with a place in the file.

    Attributes:
        mistakes: what keeps the app from starting.
        warnings: what is probably not meant. Without those about routes as long as there are mistakes.
    """

    mistakes: list[str]
    warnings: list[str]


def inspect(config: Config, app_dir: Path) -> Inspection:
    """Look at everything that a configuration names, without using the network or starting anything.

    Args:
        config: what was loaded from a file.
        app_dir: where the modules of the app are; it is searched before `sys.path`.
    """
    places = Places(config)
    with importable(app_dir):
        mistakes = [
            *_unusable_auth(config, places, app_dir),
            *_unusable_tls(config, places),
            *_unusable_flags(config, places, app_dir),
        ]
        warnings = [*_missing_programs(config, places), *_missing_secrets(config, places)]
        if not mistakes:
            warnings += _doubts(config, places)
    return Inspection(mistakes, warnings)


class Places:
    """Where in its file each part of a configuration stands.

    Args:
        config: what was loaded from a file.
    """

    def __init__(self, config: Config) -> None:
        self._origin = read_document(Path(config.source)).origin
        self._indexes = {route.id: index for index, route in enumerate(config.routes)}

    def of_route(self, name: str, key: str = "id") -> str:
        """Return the place of a route's key, such as "forst.toml:12"."""
        return self._of("route", self._indexes[name], key)

    def of_upstream(self, name: str, key: str) -> str:
        """Return the place of an upstream's key."""
        return self._of(SIDECAR, key) if name == SIDECAR else self._of("upstream", name, key)

    def of_flags(self, *keys: str) -> str:
        """Return the place of a key of the flags."""
        return self._of("flags", *keys)

    def _of(self, *where: str | int) -> str:
        return f"{self._origin.name}:{self._origin.line_of(where)}"


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder, as a server started there would."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # what was imported may have taken it away
            sys.path.remove(str(folder))


def _unusable_auth(config: Config, places: Places, app_dir: Path) -> Iterator[str]:
    for route in config.routes:
        try:
            convert.auth_callable(route)
        except ConfigError as error:
            yield f"{places.of_route(route.id, 'auth')}: {error} (app modules: {app_dir}, see --app-dir)"


def _unusable_tls(config: Config, places: Places) -> Iterator[str]:
    for name, upstream in convert.all_upstreams(config).items():
        try:
            convert.tls_context(upstream.tls)
        except ConfigError as error:
            yield f'{places.of_upstream(name, "tls")}: upstream "{name}": {error}'


def _unusable_flags(config: Config, places: Places, app_dir: Path) -> Iterator[str]:
    name = config.flags.context
    try:
        if name is not None:
            flagspec.context_callable(name)
    except ConfigError as error:
        yield f"{places.of_flags('context')}: {error} (app modules: {app_dir}, see --app-dir)"
    for route in config.routes:
        try:
            flagspec.configured(route, os.environ)
        except ConfigError as error:
            yield f"{places.of_route(route.id, 'mode')}: {error}"


def _missing_secrets(config: Config, places: Places) -> Iterator[str]:
    """Warn only: where a configuration is checked, its secrets need not be."""
    override = config.flags.override
    try:
        if override is not None:
            flagspec.secrets(override, os.environ)
    except ConfigError as error:
        yield f"{places.of_flags('override')}: warning: {error}"
    for name, upstream in convert.all_upstreams(config).items():
        key = "secret_env" if upstream.secret_env is not None else "secret_file"
        try:
            convert.named_secret(name, upstream, os.environ)
        except ConfigError as error:
            yield f"{places.of_upstream(name, key)}: warning: {error}"


def _missing_programs(config: Config, places: Places) -> Iterator[str]:
    for name, upstream in convert.all_upstreams(config).items():
        try:
            _look_for_program(name, upstream)
        except SidecarError as error:
            yield f"{places.of_upstream(name, 'command')}: warning: {error}"


def _look_for_program(name: str, upstream: UpstreamConfig) -> None:
    if upstream.command is None or upstream.build is not None:
        return
    cwd = None if upstream.cwd is None else str(upstream.cwd)
    spec = SidecarSpec(
        name, upstream.command, listen="", cwd=cwd, env=upstream.env, env_pass=upstream.env_pass
    )
    find_program(spec, sidecar_environ(spec, os.environ))


def _doubts(config: Config, places: Places) -> Iterator[str]:
    runtime = Runtime(flagspec.without_secrets(config))
    upstreams = {route.id: config.upstream(route.upstream) for route in config.routes}
    signed = {name for name, each in upstreams.items() if each.secret_env or each.secret_file}
    for name, problem in runtime.warnings():
        if name in signed and problem == UNSIGNED:
            continue
        if name:
            yield f'{places.of_route(name)}: warning: route "{name}" {problem}'
        else:
            yield f"{places.of_flags()}: warning: {problem}"
