"""The apps under measurement; `BENCH_ADDRESS` says where the upstream listens."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from forst_asgi import Config, SidecarMiddleware
from forst_asgi.types import Receive, Scope, Send

ANSWER = b'{"message":"hello world","n":42}'


async def plain(_: Request) -> JSONResponse:
    """Answer as the upstream does, from Starlette."""
    return JSONResponse({"message": "hello world", "n": 42})


async def empty(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the ASGI signature
    """Answer with as little as ASGI allows: the floor of the server."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    headers = [(b"content-length", b"%d" % len(ANSWER)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def forwarding(address: str, transport: str = "http1") -> SidecarMiddleware:
    """Return the app with the middleware in front of it."""
    config = Config.model_validate(
        {
            "sidecar": {"address": address, "transport": transport},
            "route": [
                {"id": "json", "path": "/json", "methods": ["GET"], "mode": "on", "auth": "none"},
                {"id": "echo", "path": "/echo", "methods": ["POST"], "mode": "on", "auth": "none"},
            ],
        }
    )
    return SidecarMiddleware(Starlette(routes=[Route("/plain", plain)]), config)


app = forwarding(
    os.environ.get("BENCH_ADDRESS", "unix:/nowhere.sock"), os.environ.get("BENCH_TRANSPORT", "http1")
)
