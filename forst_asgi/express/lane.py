"""Which requests may take the lane. Whatever is in doubt takes the usual way, which is always open."""

import logging
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from uvicorn.config import Config

from forst_asgi.decision import Decision, Target
from forst_asgi.express.front import Front, ProxyHeaders
from forst_asgi.forward import Forwarder
from forst_asgi.middleware import SidecarMiddleware
from forst_asgi.routing import RouteMatch
from forst_asgi.runtime import RouteState, Runtime
from forst_asgi.types import Scope

METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
"""The methods that may take it, as ASGI has them."""

Admission: TypeAlias = tuple[RouteMatch[RouteState], Forwarder, Decision]

_SHUT: Final = (
    "forst_asgi.express: the lane is closed, because a %s stands in front of SidecarMiddleware, or instead "
    "of it, and would be skipped. Let the server call the middleware: app = SidecarMiddleware(app)"
)


class Lane:
    """The lane of one server.

    Args:
        middleware: what the server calls.
        proxy_headers: what uvicorn does in front of it, None for nothing.

    Attributes:
        middleware, proxy_headers: the same.
    """

    def __init__(self, middleware: SidecarMiddleware, proxy_headers: ProxyHeaders | None) -> None:
        self.middleware = middleware
        self.proxy_headers = proxy_headers

    def __repr__(self) -> str:
        return f"<Lane to {self.middleware.runtime}>"


def admit(runtime: Runtime, scope: Scope) -> Admission | None:
    """Return by which route a request takes the lane, None when it does not.

    The same questions as in the middleware, in the same order, as far as they can be answered at once.

    Args:
        runtime: the middleware's at present; a reload makes another one.
        scope: the scope that the middleware would get.
    """
    flags = runtime.flags
    if not runtime.is_started or not flags.is_plain or flags.shows_to is not None:
        return None
    try:
        match = runtime.match(scope)
        if match is None or match.unsafe is not None:
            return None
        route = match.route.endpoint
        if route.express is None:
            return None
        decision = route.switch.decide(scope, match)
    except Exception:  # noqa: BLE001 - code of the app's: a convertor, a callable; the usual way shows it
        return None
    return (match, route.express, decision) if decision.target is Target.SIDECAR else None


# Uvicorn makes a protocol for each connection, and gives it nothing to share with the others but this key.
_lanes: "WeakKeyDictionary[Config, Lane | None]" = WeakKeyDictionary()


def lane_of(config: Config) -> Lane | None:
    """Return the lane of a server; None, and an error in its log, when there can be none.

    Args:
        config: the server's, loaded.
    """
    if config not in _lanes:
        _lanes[config] = _make(Front(config.loaded_app))
    return _lanes[config]


def _make(front: Front) -> Lane | None:
    if front.middleware is None:
        logging.getLogger("uvicorn.error").error(_SHUT, front.stranger)
        return None
    return Lane(front.middleware, front.proxy_headers)
