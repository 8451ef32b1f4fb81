"""The app that every server serves in these tests."""

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from forst_asgi import SidecarMiddleware

METHODS = ["GET", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE"]


async def python(request: Request) -> JSONResponse:
    """Answer in Python, with what came."""
    body = await request.body()
    return JSONResponse({"python": request.url.path, "body": body.decode("latin-1")})


def nasty(connection: HTTPConnection) -> dict[str, Any]:
    """Claim what would break a field apart."""
    return {"sub": "a\r\nx-admin: 1\x00"}


def nobody(connection: HTTPConnection) -> None:
    """Let nobody in."""
    raise HTTPException(401)


starlette = Starlette(routes=[Route("/{rest:path}", python, methods=METHODS)])


def build(config: object) -> SidecarMiddleware:
    """Return the app with a configuration."""
    return SidecarMiddleware(starlette, config)  # type: ignore[arg-type]
