"""Other people's proxies, set up as their documentation says; each runs in an environment of its own.

Where one is installed the others are not, so each is a factory of its own that imports what it needs.
"""

import os
from typing import Any

UPSTREAM = os.environ.get("BENCH_ADDRESS", "http://127.0.0.1:1")


def fastapi_proxy_lib() -> Any:
    """Return fastapi-proxy-lib's app for HTTP, and its app for WebSockets beside it."""
    from fastapi_proxy_lib.fastapi.app import reverse_http_app, reverse_ws_app  # noqa: PLC0415 - see above

    http = reverse_http_app(base_url=f"{UPSTREAM}/")
    websocket = reverse_ws_app(base_url=f"{UPSTREAM}/")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (websocket if scope["type"] == "websocket" else http)(scope, receive, send)

    return app


def asgiproxy() -> Any:
    """Return asgiproxy's app, as its own command makes it."""
    from asgiproxy.__main__ import make_app  # noqa: PLC0415 - see above

    app, _ = make_app(UPSTREAM)
    return app


def asgi_proxy_lib() -> Any:
    """Return asgi-proxy-lib's app."""
    from asgi_proxy import asgi_proxy  # noqa: PLC0415 - see above

    return asgi_proxy(UPSTREAM)
