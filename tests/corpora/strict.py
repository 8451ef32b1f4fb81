"""A parser of requests that takes nothing but what RFC 9112 allows to send; it shares no code with ours."""

import re
from dataclasses import dataclass

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(%b) (/[!-\"$-~]*) HTTP/1\.1" % _TOKEN)
_FIELD = re.compile(rb"(%b): ([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?" % _TOKEN)
_SIZE = re.compile(rb"[0-9a-f]{1,16}")


class MalformedError(Exception):
    """No request, or one that may be read in two ways."""


class UnfinishedError(Exception):
    """More has to come."""


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a field."""
        return [value for key, value in self.fields if key == name]


def parse(data: bytes) -> tuple[Request, bytes]:
    """Return the first request and what is behind it.

    Raises:
        MalformedError, UnfinishedError: there is none.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        raise UnfinishedError
    first, *lines = head.split(b"\r\n")
    found = _LINE.fullmatch(first)
    if found is None:
        raise MalformedError(first)
    request = Request(found[2], [_field(line) for line in lines], b"")
    if len(request.values(b"host")) != 1:
        raise MalformedError("not one Host")
    body, rest = _body(request, rest)
    return Request(request.target, request.fields, body), rest


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise MalformedError(line)
    return found[1].lower(), found[2] or b""


def _body(request: Request, rest: bytes) -> tuple[bytes, bytes]:
    framing = [*request.values(b"content-length"), *request.values(b"transfer-encoding")]
    if len(framing) > 1:
        raise MalformedError("framed twice")
    if framing == [b"chunked"]:
        return _chunks(rest)
    length = int(framing[0]) if framing else 0
    if len(rest) < length:
        raise UnfinishedError
    return rest[:length], rest[length:]


def _chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, end, rest = rest.partition(b"\r\n")
        if not end:
            raise UnfinishedError
        if not _SIZE.fullmatch(size):
            raise MalformedError(size)
        length = int(size, 16)
        if len(rest) < length + 2:
            raise UnfinishedError
        if rest[length : length + 2] != b"\r\n":
            raise MalformedError("no line end behind a chunk")
        body, rest = body + rest[:length], rest[length + 2 :]
        if length == 0:
            return body, rest
