"""The apps under measurement; `BENCH_ADDRESS` says where the upstream listens."""

import os
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from forst_asgi import Config, SidecarMiddleware
from forst_asgi.types import ASGIApp, Receive, Scope, Send

ANSWER = b'{"message":"hello world","n":42}'
BODY = bytes(64 * 1024)
STREAMS = 2048


async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with as little as ASGI allows: the floor of the server."""
    if scope["type"] == "websocket":
        await _echo_messages(receive, send)
    elif scope["path"] == "/events":
        await _hold(receive, send)
    elif scope["path"] == "/body":
        await _answer(send, BODY)
    elif scope["path"] == "/echo":
        await _answer(send, await _whole(receive))
    else:
        await _answer(send, ANSWER)


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _whole(receive: Receive) -> bytes:
    body, message = b"", await receive()
    while message.get("more_body"):
        body += message["body"]
        message = await receive()
    return body + bytes(message["body"])


async def _hold(receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: open\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        continue


async def _echo_messages(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _json(_: Request) -> JSONResponse:
    return JSONResponse({"message": "hello world", "n": 42})


async def _echo(request: Request) -> JSONResponse:
    return JSONResponse(await request.json())


async def _body(_: Request) -> Response:
    return Response(BODY)


starlette = Starlette(
    routes=[Route("/json", _json), Route("/echo", _echo, methods=["POST"]), Route("/body", _body)]
)

fastapi = FastAPI()


@fastapi.get("/json")
async def _typed() -> dict[str, str | int]:
    return {"message": "hello world", "n": 42}


def forwarding(address: str, transport: str = "http1", **marks: Any) -> SidecarMiddleware:
    """Return an app with the middleware in front of it; `marks` are further keys of the routes."""
    upstream = {"address": address, "transport": transport, "max_connections": STREAMS}
    common = {"mode": "on", "auth": "none"}
    routes: list[dict[str, Any]] = [
        {"id": name, "path": f"/{name}", "methods": [method], **common, **marks}
        for name, method in (("json", "GET"), ("echo", "POST"), ("body", "GET"), ("download", "GET"))
    ]
    routes += [
        {"id": "upload", "path": "/upload", "methods": ["POST"], **common, **marks},
        {"id": "events", "path": "/events", "methods": ["GET"], **common},
    ]
    if transport == "http1":
        routes.append({"id": "socket", "path": "/socket", "type": "websocket", **common})
    config = Config.model_validate({"sidecar": upstream, "route": routes})
    return SidecarMiddleware(starlette, config)


# Factories, which is what the servers are started with.


def bare() -> ASGIApp:
    """Return the floor of the server."""
    return empty


def host() -> ASGIApp:
    """Return the Starlette app."""
    return starlette


def typed() -> ASGIApp:
    """Return the FastAPI app."""
    return fastapi


def ours() -> SidecarMiddleware:
    """Return the forwarding app that the environment describes."""
    marks = {"express": True} if os.environ.get("BENCH_EXPRESS") else {}
    return forwarding(os.environ["BENCH_ADDRESS"], os.environ.get("BENCH_TRANSPORT", "http1"), **marks)
