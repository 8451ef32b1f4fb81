"""What uvicorn calls, and whether that is the middleware.

The lane goes past everything that stands between server and middleware. Uvicorn itself puts one thing there,
`ProxyHeadersMiddleware`, whose work is done for requests on the lane as well, by its own code. Anything else
closes the lane: nobody can tell what it is for.
"""

from copy import copy

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from forst_asgi.middleware import SidecarMiddleware
from forst_asgi.types import Receive, Scope, Send

_PROXY_FIELDS = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Be an app that does nothing."""


class ProxyHeaders:
    """What `--proxy-headers` does to a scope.

    Args:
        middleware: uvicorn's own.
    """

    def __init__(self, middleware: ProxyHeadersMiddleware) -> None:
        self._trusted = middleware.trusted_hosts
        self._alone = copy(middleware)
        self._alone.app = _nobody  # type: ignore[assignment]

    def trusts(self, host: str | None) -> bool:
        """Tell whether a peer's fields count."""
        return host in self._trusted

    def applied(self, scope: Scope) -> Scope:
        """Return the scope of a trusted peer's request as the app would see it; changes not the given one."""
        if _PROXY_FIELDS.isdisjoint(dict(scope["headers"])):
            return scope
        changed = dict(scope)
        # It waits for nothing but the app, so one step is all of it.
        steps = self._alone(changed, _never, _never)  # type: ignore[arg-type]
        try:
            steps.send(None)
        except StopIteration:
            return changed
        raise AssertionError("unreachable: there is nothing to wait for")


async def _never(*_: object) -> None:
    raise AssertionError("unreachable: nobody calls it")


class Front:
    """What is in front of the middleware.

    Args:
        app: what the server calls, `Config.loaded_app`.

    Attributes:
        proxy_headers: uvicorn's own part of it, None when it has none.
        middleware: the middleware, None when something else stands in front of it, or there is none.
        stranger: what stands there instead.
    """

    def __init__(self, app: object) -> None:
        self.proxy_headers: ProxyHeaders | None = None
        if type(app) is ProxyHeadersMiddleware:
            self.proxy_headers = ProxyHeaders(app)
            app = app.app
        is_ours = isinstance(app, SidecarMiddleware) and type(app).__call__ is SidecarMiddleware.__call__
        self.middleware = app if is_ours and isinstance(app, SidecarMiddleware) else None
        self.stranger = type(app).__name__

    def __repr__(self) -> str:
        return f"<Front {self.middleware or self.stranger!r}>"
