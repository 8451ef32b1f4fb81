"""The request as bytes: HTTP/1.1 request line, field lines and chunks (RFC 9112)."""

from typing import Final

from forst_asgi.errors import HeadersTooLarge, RequestError
from forst_asgi.messages import RequestBody, UpstreamRequest

MAX_HEAD_BYTES: Final = 64 * 1024

_CONTROLS: Final = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])

_EMPTY_LINE: Final = (b"", b"")

LAST_CHUNK = b"0\r\n\r\n"


def head(request: UpstreamRequest) -> bytes:
    """Return the request line and field lines, framing included, up to the empty line.

    Framing follows the body alone: none for None, Content-Length for bytes or a declared length, else
    chunked; never two of them (RFC 9112 section 6).

    Raises:
        RequestError: a method, target or field holds a control byte, other than a tab. Over HTTP/2 even CR
            and LF could arrive, which would split the request in two here. The others are not valid either
            (RFC 9110 section 5.5), though h11 lets them pass; an upstream that refuses them hangs up.
        HeadersTooLarge: the head is over `MAX_HEAD_BYTES`.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method, request.target), *map(b": ".join, request.fields)]
    # One scan over all of it costs less than one for each field, and nothing can slip past it. To delete them
    # is the cheapest way to find them: 0.3 microseconds for 230 bytes, a regular expression takes 1.3.
    everything = b"".join(lines)
    if len(everything.translate(None, _CONTROLS)) != len(everything):
        raise RequestError("the request head holds a control byte inside a field")
    if request.block is not None:
        lines.append(request.block.wire)
    if request.body is not None:
        lines.append(_framing(request.body))
    lines += _EMPTY_LINE
    head = b"\r\n".join(lines)
    if len(head) > MAX_HEAD_BYTES:
        raise HeadersTooLarge(f"the request head is over {MAX_HEAD_BYTES} bytes")
    return head


def _framing(body: bytes | RequestBody) -> bytes:
    length = len(body) if isinstance(body, bytes) else body.content_length
    return b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; `data` must not be empty (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
