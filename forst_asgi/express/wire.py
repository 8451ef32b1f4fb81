"""A whole response as bytes, the same that uvicorn's protocol writes in two or more pieces."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from forst_asgi.types import RawHeaders

_CRLF: Final = b"\r\n"
_LENGTH: Final = b"content-length"
_CLOSE: Final = b"connection: close\r\n"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"


class DefaultFields:
    """The lines that the server adds to each response, Date among them: joined once for all in a second."""

    __slots__ = ("_fields", "_lines")

    def __init__(self) -> None:
        self._fields: RawHeaders | None = None
        self._lines = b""

    def lines(self, fields: RawHeaders) -> bytes:
        """Return the lines, each with its end; uvicorn makes another list when the time has changed."""
        if fields is not self._fields:
            self._fields = fields
            self._lines = lines(fields)
        return self._lines


def lines(fields: RawHeaders) -> bytes:
    """Return field lines, each with its end."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def response(
    status: int, head: bytes, fields: RawHeaders, body: bytes, *, has_body: bool, is_last: bool
) -> bytes:
    """Return a response.

    Names and values need no check: llhttp let them in, which is stricter about them than uvicorn.

    Args:
        status: 200 to 599.
        head: the server's own lines, each with its end.
        fields: the upstream's fields, without any that concern the connection.
        body: the whole body.
        has_body: whether a body goes with it at all (RFC 9110 section 6.4.1).
        is_last: whether the connection is closed then.
    """
    if fields:
        parts = [STATUS_LINE[status], head, _CRLF.join(map(b": ".join, fields)), _CRLF]
    else:
        parts = [STATUS_LINE[status], head]
    if is_last:
        parts.append(_CLOSE)
    if not has_body:
        parts.append(_CRLF)
    elif _LENGTH in dict(fields):
        parts += (_CRLF, body)
    elif body:
        parts += (_CHUNKED, b"\r\n%x\r\n" % len(body), body, _CRLF, _LAST_CHUNK)
    else:
        parts += (_CHUNKED, _CRLF, _LAST_CHUNK)
    return b"".join(parts)
