"""The responses that the middleware gives itself.

A short problem document (RFC 9457) and a Proxy-Status field (RFC 9209) say at which stage it went wrong;
neither holds an address, a path of the machine or an exception's text.
"""

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from forst_asgi.errors import BadHost, BodyMismatch, ForstError, RequestError, ResponseError
from forst_asgi.request_id import RequestId
from forst_asgi.types import Header, Message, RawHeaders, Scope, Send

PROXY_NAME: Final = "forst"

_CLIENT_CLOSED_REQUEST: Final = 499
"""What nginx logs for a client that went away before it had an answer.

No client gets it, but for those of granian whose chunks are malformed: it says that they went away.
"""

_MALFORMED: Final = frozenset({RequestError, BadHost, BodyMismatch})
"""Refusals of what is no HTTP; others are about a request that was understood."""

_FAREWELL_S: Final = 0.5
"""A server may let an app wait for a client that is gone."""

_RETRY_AFTER: Final[Header] = (b"retry-after", b"1")


def problem_type(error: ForstError) -> str:
    """Return the kind of an error in kebab case, such as `connect-timeout`."""
    name = type(error).__name__
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def problem(error: ResponseError, request_id: RequestId | None) -> tuple[int, RawHeaders, bytes]:
    """Return status, fields and body of the answer to a failure."""
    status = error.status
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": problem_type(error),
    }
    if request_id is not None:
        document["request_id"] = str(request_id)
    body = json.dumps(document).encode()
    headers: RawHeaders = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        headers.append((b"proxy-status", f"{PROXY_NAME}; error={error.proxy_error}".encode()))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(_RETRY_AFTER)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b""))
    return status, headers, body


def last_on_connection(send: Send) -> Send:
    """Return a `send` that makes the answer the last one on its HTTP/1 connection."""

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_last


def hides_next_request(error: Exception, scope: Scope) -> bool:
    """Tell whether it may be unclear where the next request begins, after one that was refused.

    A head that is malformed, and framing that contradicts itself or the body, may be read in several ways;
    the connection has to end then (RFC 9112 section 6.1). And to the parser of uvicorn with httptools HTTP
    ends with a head that asks for an upgrade, and with CONNECT: it reads what comes then as another request,
    be it the body.
    """
    if scope["http_version"] >= "2":
        return False
    if type(error) in _MALFORMED or scope["method"] == "CONNECT":
        return True
    return any(name == b"upgrade" for name, _ in scope["headers"])


async def send_problem(send: Send, error: ResponseError, request_id: RequestId | None) -> None:
    """Answer with what went wrong."""
    status, headers, body = problem(error, request_id)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_nothing(send: Send) -> None:
    """End a request whose client went away before the head.

    The server drops it. It is for what is outside of the middleware: Starlette's BaseHTTPMiddleware takes an
    app that sends nothing for a broken one, and metrics want a status.
    """
    with suppress(OSError):  # the timeout's error is one, too
        async with asyncio.timeout(_FAREWELL_S):
            await send({"type": "http.response.start", "status": _CLIENT_CLOSED_REQUEST, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
