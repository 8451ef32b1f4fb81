"""What a response can have beyond head and body, where the server knows how to pass it on.

Early hints and trailers travel by extensions of ASGI (`http.response.early_hint`,
`http.response.trailers`), which servers offer in the scope; hypercorn does on HTTP/2. Without the extension
both are dropped: a 103 that went out as a response would be taken for the final one, and trailers must not
be merged into the head (RFC 9110 section 6.5.1).
"""

from collections import deque
from typing import Final

from forst_asgi.forward.call import Call
from forst_asgi.headers import RESERVED_PREFIX, values_of
from forst_asgi.messages import BODYLESS, UpstreamRequest, UpstreamResponse
from forst_asgi.types import Message, RawHeaders, Send

_EARLY_HINTS: Final = 103

_HINTS: Final = "http.response.early_hint"
_TRAILERS: Final = "http.response.trailers"

# RFC 9110 section 6.5.1: framing, routing, modifiers, authentication and content format are not for
# trailers. Hop-by-hop fields never come this far.
_NOT_AS_TRAILER: Final = frozenset(
    {
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"expect",
        b"host",
        b"max-forwards",
        b"range",
        b"set-cookie",
        b"www-authenticate",
    }
)


class Extensions:
    """The extensions that the server offers for one request.

    Args:
        call: the request; it owns the task that passes hints on.
        send: the ASGI callable.
        request: what goes upstream; it is made to tell of early hints.
    """

    def __init__(self, call: Call, send: Send, request: UpstreamRequest) -> None:
        offered = call.scope["extensions"]
        self._call = call
        self._send = send
        self._takes_trailers = _TRAILERS in offered and call.scope["method"] != "HEAD"
        self._sends_trailers = False
        self._hints: deque[list[bytes]] = deque()
        if _HINTS in offered:
            request.on_interim = self._interim

    def _interim(self, status: int, headers: RawHeaders) -> None:
        links = values_of(headers, b"link")
        if status == _EARLY_HINTS and links:
            self._hints.append(links)
            self._call.begin_aside(self._send_hints)

    async def _send_hints(self) -> None:
        while self._hints:
            await self._send({"type": _HINTS, "links": self._hints.popleft()})

    async def prepare(self, start: Message, response: UpstreamResponse) -> None:
        """Let the hints out before the head, and say in the head whether trailers follow."""
        await self._call.end_aside()
        if self._takes_trailers and response.announces_trailers and response.status not in BODYLESS:
            start["trailers"] = self._sends_trailers = True

    async def finish(self, response: UpstreamResponse) -> None:
        """Send the trailers that were announced; whatever came of them, the server waits for an end."""
        if self._sends_trailers:
            trailers = [field for field in response.trailers if _may_trail(field[0])]
            await self._send({"type": _TRAILERS, "headers": trailers, "more_trailers": False})


def _may_trail(name: bytes) -> bool:
    return name not in _NOT_AS_TRAILER and not name.startswith(RESERVED_PREFIX)
