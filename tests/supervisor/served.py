"""The app that servers in processes of their own serve: everything under /go is forwarded."""

import os

from forst_asgi import SidecarMiddleware
from forst_asgi.types import Receive, Scope, Send


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """Know the lifespan, and answer everything else in Python."""
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"python"})


app = SidecarMiddleware(inner, os.environ["FORST_TEST_CONFIG"])
