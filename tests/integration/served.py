"""The app that servers in processes of their own serve: everything under /go is forwarded.

FORST_TEST_CONFIG names the configuration.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from forst_asgi import SidecarMiddleware


async def python(request: Request) -> PlainTextResponse:
    """Answer in Python."""
    return PlainTextResponse("python")


async def talk(websocket: WebSocket) -> None:
    """Say who answers, then send back what comes."""
    await websocket.accept()
    await websocket.send_text("python")
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Say when it begins and ends."""
    print("the app is up", flush=True)  # noqa: T201 - read by the tests
    yield
    print("the app is down", flush=True)  # noqa: T201 - read by the tests


ROUTES = [Route("/python", python), WebSocketRoute("/away/{what}", talk)]

app = SidecarMiddleware(Starlette(routes=ROUTES, lifespan=lifespan), os.environ["FORST_TEST_CONFIG"])
