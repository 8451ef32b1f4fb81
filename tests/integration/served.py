"""The app that servers in processes of their own serve: everything under /go is forwarded.

FORST_TEST_CONFIG names the configuration.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from forst_asgi import SidecarMiddleware


async def python(request: Request) -> PlainTextResponse:
    """Answer in Python."""
    return PlainTextResponse("python")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Say when it begins and ends."""
    print("the app is up", flush=True)  # noqa: T201 - read by the tests
    yield
    print("the app is down", flush=True)  # noqa: T201 - read by the tests


app = SidecarMiddleware(
    Starlette(routes=[Route("/python", python)], lifespan=lifespan), os.environ["FORST_TEST_CONFIG"]
)
