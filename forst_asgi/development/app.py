"""Around a route's forwarder, in development: says why the program that answers is not the one in the source.

    no program runs          each request is answered with the mistake: a page, or a problem document
    the last good one runs   it answers, with the field x-forst-trouble; only where a browser shows what
                             stands in its address bar does the page come instead

A WebSocket's handshake is answered likewise. No browser shows a page for it, so it gets the problem document,
where the server can give one (`websocket.http.response`), else the server's 403.

Without FORST_DEV there is no such app, so it costs nothing where it is not wanted.
"""

from collections.abc import Callable
from typing import Final

from forst_asgi.development.page import document, html
from forst_asgi.development.trouble import Trouble
from forst_asgi.types import ASGIApp, Message, RawHeaders, Receive, Scope, Send

FIELD: Final = b"x-forst-trouble"
_LONGEST: Final = 300
_DENIAL: Final = "websocket.http.response"
_HEADS: Final = frozenset({"http.response.start", "websocket.accept", f"{_DENIAL}.start"})
_TRY_AGAIN_LATER: Final = 1013
"""Registered with IANA (WebSocket Close Code Number); no client sees it, for it was not accepted yet."""


class Mentioning:
    """An ASGI app that mentions trouble.

    Args:
        app: what answers when there is none.
        look: returns what is wrong at present, None for nothing.
    """

    def __init__(self, app: ASGIApp, look: Callable[[], Trouble | None]) -> None:
        self._app = app
        self._look = look

    def __repr__(self) -> str:
        return f"<Mentioning {self._app!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
        trouble = self._look() if scope["type"] in {"http", "websocket"} else None
        if trouble is None:
            await self._app(scope, receive, send)
        elif trouble.is_served and not _is_address_bar(scope):
            await self._app(scope, receive, _with_field(send, trouble))
        elif scope["type"] == "http":
            await _answer(scope, send, trouble)
        else:
            await _decline(scope, receive, send, trouble)


async def _answer(scope: Scope, send: Send, trouble: Trouble) -> None:
    if _wants_html(scope):
        kind = b"text/html; charset=utf-8"
        body = html(trouble, reloads=scope["method"] in {"GET", "HEAD"})
    else:
        kind, body = b"application/problem+json", document(trouble)
    await _respond(send, "http.response", _headers(kind, body, trouble), body)


async def _decline(scope: Scope, receive: Receive, send: Send, trouble: Trouble) -> None:
    """Answer a WebSocket's handshake."""
    if (await receive())["type"] != "websocket.connect":
        return  # the client has gone
    if _DENIAL in (scope.get("extensions") or {}):
        body = document(trouble)
        await _respond(send, _DENIAL, _headers(b"application/problem+json", body, trouble), body)
    else:
        await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER, "reason": ""})


async def _respond(send: Send, kind: str, headers: RawHeaders, body: bytes) -> None:
    await send({"type": f"{kind}.start", "status": 503, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})


def _headers(kind: bytes, body: bytes, trouble: Trouble) -> RawHeaders:
    return [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
        (b"x-content-type-options", b"nosniff"),
        (b"retry-after", b"1"),
        (FIELD, _line(trouble)),
    ]


def _with_field(send: Send, trouble: Trouble) -> Send:
    async def send_with_field(message: Message) -> None:
        if message["type"] in _HEADS:
            message = {**message, "headers": [*message.get("headers", ()), (FIELD, _line(trouble))]}
        await send(message)

    return send_with_field


def _line(trouble: Trouble) -> bytes:
    """Return what may stand in a field (RFC 9110 section 5.5): visible ASCII and spaces, bounded."""
    visible = "".join(char if " " <= char <= "~" else "?" for char in trouble.summary)
    return visible[:_LONGEST].strip().encode("ascii")


def _is_address_bar(scope: Scope) -> bool:
    """Tell whether a browser shows the answer as a page of its own, as far as one can know.

    Browsers say so in Sec-Fetch-Dest, but only to localhost and over TLS; elsewhere, Accept has to do.
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    wanted = [value for name, value in scope["headers"] if name == b"sec-fetch-dest"]
    return wanted == [b"document"] if wanted else _wants_html(scope)


def _wants_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value.lower() for name, value in scope["headers"])
