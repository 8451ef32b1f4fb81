"""The head of the client's response, made from the upstream's (RFC 9110 section 7.6)."""

from typing import Final

from forst_asgi.headers import values_of
from forst_asgi.messages import BODYLESS, UpstreamResponse
from forst_asgi.types import RawHeaders, Scope

SERVERS_OWN: Final = frozenset({b"date", b"server"})
"""Fields that the server in front of us writes itself; transports leave out the upstream's."""

_PATH_FIELDS: Final = frozenset({b"location", b"content-location"})


def client_headers(response: UpstreamResponse, prefix: bytes, scope: Scope) -> RawHeaders:
    """Return the fields that the client gets.

    Args:
        response: the upstream's response.
        prefix: what was removed in front of the request's path; it is put back into Location.
        scope: the request's scope; an absolute Location on its Host is the upstream's own.
    """
    headers = response.headers
    if response.status in BODYLESS:
        # Allowed here, but servers take it for the promise of a body (RFC 9110 section 8.6).
        headers = [field for field in headers if field[0] != b"content-length"]
    return with_prefix_restored(headers, prefix, scope) if prefix else headers


def with_prefix_restored(headers: RawHeaders, prefix: bytes, scope: Scope) -> RawHeaders:
    """Return the fields with a removed prefix put back into Location and Content-Location."""
    host = b"".join(values_of(scope["headers"], b"host"))
    return [
        (name, _with_prefix(value, prefix, host)) if name in _PATH_FIELDS else (name, value)
        for name, value in headers
    ]


def is_event_stream(headers: RawHeaders) -> bool:
    """Tell whether the response is a stream of server-sent events, which ends when it pleases."""
    return any(
        name == b"content-type" and value.lower().startswith(b"text/event-stream") for name, value in headers
    )


def _with_prefix(location: bytes, prefix: bytes, host: bytes) -> bytes:
    """Put a removed prefix back in front of a path that the upstream made without it."""
    if location.startswith(b"//"):
        return location
    if location.startswith(b"/"):
        return prefix + location
    for scheme in (b"http://", b"https://"):
        origin = scheme + host
        rest = location[len(origin) :]
        if location.startswith(origin) and rest[:1] in (b"", b"/", b"?", b"#"):
            return origin + prefix + rest
    return location
