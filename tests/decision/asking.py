"""What the tests of this folder share: requests, and flags to put to them."""

from collections.abc import Mapping
from typing import Any

from forst_asgi.decision import Asked, ContextSource, Controls, Decision, Flag, FlagSpec, Switch
from forst_asgi.types import Scope

NOW = 1_700_000_000.0


class Params:
    """A match with these path parameters."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self._params = params

    @property
    def params(self) -> Mapping[str, Any]:
        if self._params is None:
            raise ValueError("a convertor refused it")
        return self._params


def scope(*headers: tuple[str, str], query: str = "", client: str | None = "192.0.2.7", **more: Any) -> Scope:
    """Return the scope of a request."""
    return {
        "type": "http",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": None if client is None else (client, 1234),
        **more,
    }


def asked(scope_: Scope, source: ContextSource | None = None, **params: Any) -> Asked:
    """Return a request as rules see it."""
    return Asked(scope_, Params(params), source)


def switch(spec: FlagSpec, **controls: Any) -> Switch:
    """Return a live flag, at the time `NOW`."""
    made = Switch(Flag(spec, lambda: NOW))
    made.set(Controls(**controls))
    return made


def decided(spec: FlagSpec, request: Scope, **controls: Any) -> Decision:
    """Return what is decided for a request without path parameters."""
    return switch(spec, **controls).decide(request, Params({}))
