"""What answers for one route: a forwarder for HTTP, one for WebSockets, or both."""

import os
from collections.abc import Mapping
from dataclasses import replace

from forst_asgi.config import RouteConfig
from forst_asgi.development import Mentioning
from forst_asgi.development import is_on as is_development
from forst_asgi.forward import Forwarder, ForwardPolicy, TrustedProxies
from forst_asgi.identity import RouteSigner
from forst_asgi.interfaces import Observer
from forst_asgi.runtime import convert
from forst_asgi.runtime.named import require
from forst_asgi.runtime.upstream import Upstream
from forst_asgi.types import ASGIApp, Receive, Scope, Send


class ByType:
    """An ASGI app that hands each connection to the app for its type.

    Args:
        apps: by scope type.
    """

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = apps

    def __repr__(self) -> str:
        return f"<ByType {', '.join(self._apps)}>"

    def of(self, kind: str) -> ASGIApp | None:
        """Return the app for a type, None when there is none."""
        return self._apps.get(kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand it on."""
        await self._apps[scope["type"]](scope, receive, send)


def forwarder(
    config: RouteConfig, upstream: Upstream, trusted: TrustedProxies, observer: Observer
) -> ASGIApp:
    """Return the app that answers for a route.

    Args:
        config: the route.
        upstream: where it forwards to.
        trusted: the peers whose forwarding fields are believed.
        observer: who is told what happens.

    Raises:
        ConfigError: the route's `auth` callable cannot be imported, or it takes WebSockets and there is
            no library for them.
    """
    policy = convert.forward_policy(config, upstream.config, trusted)
    policy = replace(policy, signer=RouteSigner(config.id, lambda: upstream.secret))
    apps: dict[str, ASGIApp] = {}
    if "http" in config.type:
        apps["http"] = Forwarder(policy, upstream.transport, observer, upstream.gate)
    if "websocket" in config.type:
        apps["websocket"] = _websocket(config, policy, upstream, observer)
    app = next(iter(apps.values())) if len(apps) == 1 else ByType(apps)
    if upstream.has_process and is_development(os.environ):
        return Mentioning(app, upstream.trouble)
    return app


def _websocket(config: RouteConfig, policy: ForwardPolicy, upstream: Upstream, observer: Observer) -> ASGIApp:
    require_websockets(config)
    # Imported when asked for, because what it needs is an extra.
    from forst_asgi.websocket import Dialer, Seats, WebSocketForwarder, WebSocketPolicy  # noqa: PLC0415

    limits = WebSocketPolicy(config.max_message, config.ping_interval, config.max_lifetime)
    seats = Seats(upstream.config.max_websockets, upstream.websockets)
    dialer = Dialer(upstream.where, upstream.limits, seats)
    return WebSocketForwarder(policy, limits, dialer, observer, upstream.gate)


def require_websockets(config: RouteConfig, library: str = "websockets") -> None:
    """Make sure that the library is there.

    Raises:
        ConfigError: it is not.
    """
    require(library, f'route "{config.id}": type = "websocket"', "websocket")
