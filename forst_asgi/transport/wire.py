"""The request as bytes: HTTP/1.1 request line, field lines and chunks (RFC 9112)."""

from typing import Literal

from forst_asgi.errors import RequestError
from forst_asgi.messages import UpstreamRequest

LAST_CHUNK = b"0\r\n\r\n"


def head(request: UpstreamRequest) -> bytes:
    """Return the request line and field lines, framing included, up to the empty line.

    Framing follows the body alone: none for None, Content-Length for bytes or a declared length, else
    chunked; never two of them (RFC 9112 section 6).

    Raises:
        RequestError: a method, target or field holds CR, LF or NUL. Servers refuse those on HTTP/1.1;
            over HTTP/2 they could arrive, and here they would split the request in two.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method, request.target)]
    lines.extend(map(b": ".join, request.headers))
    framing = _framing(request)
    if framing is not None:
        lines.append(framing)
    # One scan over the finished bytes costs less than one per field, and nothing can slip past it.
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise RequestError("the request head holds CR, LF or NUL inside a field")
    return head + b"\r\n\r\n"


def _framing(request: UpstreamRequest) -> bytes | None:
    body = request.body
    if body is None:
        return None
    length = len(body) if isinstance(body, bytes) else body.content_length
    return b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length


def framing_of(request: UpstreamRequest) -> Literal["none", "length", "chunked"]:
    """Return how the body of a request is delimited."""
    if request.body is None:
        return "none"
    if isinstance(request.body, bytes) or request.body.content_length is not None:
        return "length"
    return "chunked"


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; `data` must not be empty (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
