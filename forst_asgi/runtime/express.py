"""What the runtime knows of the express lane: the routes on it, and when it must not be opened.

The lane itself is `forst_asgi.express`; a server that knows nothing of it forwards these routes as any other.
"""

from urllib.parse import quote

from forst_asgi.config import ConfigError, RouteConfig
from forst_asgi.forward import Forwarder
from forst_asgi.routing.route import PATH_SAFE
from forst_asgi.runtime.routes import ByType
from forst_asgi.runtime.upstream import Upstream
from forst_asgi.types import ASGIApp, Scope


def on_express(config: RouteConfig, upstream: Upstream, app: ASGIApp) -> Forwarder | None:
    """Return what forwards a route's requests on the lane, None for a route that is not marked.

    Args:
        config: the route.
        upstream: where it forwards to.
        app: what answers for the route.

    Raises:
        ConfigError: the route is marked, and its upstream cannot be asked without a task.
    """
    if not config.express:
        return None
    if upstream.config.transport == "httpx":
        raise ConfigError(f'route "{config.id}": express = true needs an upstream with transport = "http1"')
    found = app.of("http") if isinstance(app, ByType) else app
    return found if isinstance(found, Forwarder) else None


def prefix(config: RouteConfig) -> bytes:
    """Return what the targets of a route's requests begin with, as clients usually send them."""
    return quote(config.path.partition("{")[0], PATH_SAFE).encode()


def problem_in_front(marked: tuple[bytes, ...], scope: Scope) -> ConfigError | None:
    """Return what is wrong when an app has put something in front of the middleware, which would be skipped.

    Args:
        marked: the prefixes of the routes that are marked.
        scope: the scope of the lifespan. Starlette and what is built on it put the app in there before they
            call their middleware; a server does not.
    """
    app = scope.get("app")
    if not marked or app is None:
        return None
    return ConfigError(
        f"express = true: {type(app).__name__} and its middleware stand in front of SidecarMiddleware and "
        "would be skipped; put it around the app instead of adding it: app = SidecarMiddleware(app)"
    )
