"""The route's `auth` callable: the app's own check, run for a request that the app does not see.

FastAPI's dependencies and the middleware inside the app do not run for a forwarded request. The callable
stands in for them. It sees the request as the upstream will: the same path, the same fields, without
what is dropped. What it returns travels in one reserved field, which no client can send, signed for this
request (`forst_asgi.identity`).
"""

import inspect
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from forst_asgi.errors import AuthFailed
from forst_asgi.forward.policy import Claims, ForwardPolicy
from forst_asgi.headers import IDENTITY
from forst_asgi.identity import RequestLine
from forst_asgi.messages import UpstreamRequest
from forst_asgi.types import Scope

_LONGEST_IDENTITY: Final = 16 * 1024
"""Bytes of the signed claims. Sidecars limit the head, and the client's fields are in it, too."""


class AuthRefused(Exception):
    """Carries the response that the app's `auth` callable decided on."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


async def authorize(policy: ForwardPolicy, scope: Scope, request: UpstreamRequest) -> None:
    """Run the route's callable, if it has one, and let what it claims travel with the request.

    Args:
        policy: the route's, with its callable, sync or async, and its signer.
        scope: the request's scope.
        request: what goes upstream; the callable sees its path, query and fields, and `x-forst-identity`
            is added to the latter.

    Raises:
        AuthRefused: the callable raised an HTTPException.
        AuthFailed: it raised something else, or returned what is not a JSON object, or too much; or the app's
            handler for the HTTPException failed.
    """
    if policy.auth is None:
        return
    path, _, query = request.target.partition(b"?")
    seen = {
        **scope,
        "path": unquote(path.decode("ascii", "replace")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [*request.headers],
    }
    try:
        claims = await _call(policy.auth, HTTPConnection(seen))
    except HTTPException as refusal:
        await _refuse(seen, refusal)
    except Exception as error:
        raise AuthFailed(f"the auth callable raised {_placed(error)}") from error
    identity = _signed(policy, claims, request)
    if identity is not None:
        request.fields.append((IDENTITY, identity))


async def _call(function: Callable[..., Any], *arguments: object) -> Any:
    """Call code of the app's as FastAPI and Starlette do: a plain function may block, so it gets a thread."""
    target = function if inspect.isroutine(function) else type(function).__call__
    if inspect.iscoroutinefunction(target):
        answer = function(*arguments)
    else:
        answer = await run_in_threadpool(function, *arguments)
    return await answer if inspect.isawaitable(answer) else answer


def _signed(policy: ForwardPolicy, claims: "Claims", request: UpstreamRequest) -> bytes | None:
    """Return claims as the value of the field; None for no claims, or for nobody to verify them.

    Raises:
        AuthFailed: the claims are not a mapping, or JSON has no form for them, or a long one.
    """
    if claims is None:
        return None
    if not isinstance(claims, Mapping):
        raise AuthFailed(f"an auth callable returns a mapping of claims or None, not {type(claims).__name__}")
    if policy.signer is None:
        return None
    try:
        identity = policy.signer.sign(claims, RequestLine(request.method, request.target))
    except Exception as error:
        raise AuthFailed(f"the claims cannot be signed: {error}") from error
    if identity is not None and len(identity) > _LONGEST_IDENTITY:
        raise AuthFailed(f"the claims take {len(identity)} bytes; at most {_LONGEST_IDENTITY} can travel")
    return identity


async def _refuse(scope: Scope, refusal: HTTPException) -> NoReturn:
    """Raise what an HTTPException comes to: the app's answer, or the failure to make one."""
    try:
        response = await _response(scope, refusal)
    except Exception as error:
        raise AuthFailed(f"the handler for what the auth callable raised, raised {_placed(error)}") from error
    raise AuthRefused(response) from refusal


def _placed(error: Exception) -> str:
    """Return what an exception is and whence it came; its text may hold what no log should."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{type(error).__name__} at {frame.f_code.co_filename}:{line}"


async def _response(scope: Scope, refusal: HTTPException) -> Response:
    """Answer as the app itself would: with its own handler for the exception, if it has one."""
    handlers: Mapping[Any, Any] = getattr(scope.get("app"), "exception_handlers", {})
    handler = handlers.get(refusal.status_code)
    for kind in type(refusal).__mro__ if handler is None else ():
        handler = handler or handlers.get(kind)
    if handler is not None:
        # The handshake of a WebSocket is a GET; handlers know HTTP requests only.
        response = await _call(handler, Request({"method": "GET", **scope, "type": "http"}), refusal)
        if isinstance(response, Response):
            return response
    return JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)
