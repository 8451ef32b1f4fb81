"""The field lines of the upstream's request, made from an ASGI scope (RFC 9110 section 7.6).

What passes: every end-to-end field, its value byte for byte, in order, duplicates kept. What does not:

- hop-by-hop fields and whatever Connection nominates;
- framing and Expect, which the transport and the server see to;
- `x-forst-*`, ours alone, and names with `_`: CGI-style frameworks cannot tell `x_forst_identity` from
  `x-forst-identity`;
- forwarding fields, unless a trusted proxy sent them.

What is added comes last, so that no Connection field of a client can take it away.

Most requests have nothing but fields that pass, once each, with Host, Content-Length and
`Connection: keep-alive`. Those are recognised by set operations on names that were classified before.
"""

import re
from typing import Final

from forst_asgi.errors import BadHost, HeadersTooLarge, RequestError
from forst_asgi.forward.forwarded import FORWARDING_FIELDS, ForwardingFields
from forst_asgi.headers import HOP_BY_HOP, REQUEST_ID, RESERVED_PREFIX, nominated, values_of, without
from forst_asgi.messages import FieldBlock
from forst_asgi.request_id import RequestId
from forst_asgi.types import RawHeaders, Scope

MAX_HEADERS: Final = 256

KEEP_ALIVE: Final = b"keep-alive"

_USUAL: Final = frozenset({b"content-length", b"connection"})

_OLD: Final = frozenset({"1.0", "1"})
"""HTTP/1.0, and what granian calls it."""

_REMEMBERED_NAMES: Final = 1024
_LONGEST_NAME: Final = 64

# What servers make of names (RFC 9110 section 5.1, ASGI). One that let another spelling through would let a
# client send what only we may send.
_NAME: Final = re.compile(rb"[!#$%&'*+.^`|~0-9a-z-]+")

_SPECIAL: Final = HOP_BY_HOP | FORWARDING_FIELDS | {b"host", b"content-length", b"expect", b"via", REQUEST_ID}
"""Names that mean something to us; all others are passed on, or dropped for how they are spelt."""


class RequestHead:
    """The fields of one request for the upstream, and what they say about its body.

    Args:
        fields: end-to-end fields; a list that nobody else holds.
        block: the forwarding fields, where they are the usual ones of this peer; else `fields` has them.

    Attributes:
        fields, block: the same.
        content_length: what the client declared, in bytes, or None.
        is_chunked: whether the client used chunked framing instead.
        asks_upgrade: whether the client wants another protocol to follow.
    """

    # Defaults on the class instead of slots: most requests have no body.
    content_length: int | None = None
    is_chunked = False
    asks_upgrade = False

    def __init__(self, fields: RawHeaders, block: FieldBlock | None = None) -> None:
        self.fields = fields
        self.block = block


class HeadBuilder:
    """Builds request heads for one route.

    Args:
        host: the Host value that the upstream gets, None to keep the client's.
        forwarding: builds the fields that say who is asking.
    """

    def __init__(self, host: bytes | None, forwarding: ForwardingFields) -> None:
        self._host = host
        self._forwarding = forwarding
        # Names found to pass as they are, and Host. Bounded, because clients choose them.
        self._plain = {b"host"}

    def build(self, scope: Scope, prefix: bytes, request_id: RequestId) -> RequestHead:
        """Return the head for a request.

        Args:
            scope: an HTTP or WebSocket scope.
            prefix: what is removed in front of its path, `b""` for nothing.
            request_id: the id that is bound for it.

        Raises:
            BadHost, HeadersTooLarge, LoopDetected, RequestError: the client's head cannot be passed on.
        """
        headers: RawHeaders = scope["headers"]
        if type(headers) is not list:  # the specification asks for an iterable only
            headers = list(headers)
        fields = dict(headers)
        host = fields.get(b"host")
        if len(fields) == len(headers) <= MAX_HEADERS and host and self._host is None and not prefix:
            block = self._forwarding.of_peer(scope, host)
            if fields.keys() <= self._plain:
                return RequestHead([*headers, (REQUEST_ID, request_id.make())], block)
            is_usual = fields.keys() - self._plain <= _USUAL
            if is_usual and fields.get(b"connection", KEEP_ALIVE) == KEEP_ALIVE:
                plain = [field for field in headers if field[0] not in _USUAL]
                plain.append((REQUEST_ID, request_id.make()))
                head = RequestHead(plain, block)
                head.content_length = _content_length(headers)
                return head
        head = self._build_carefully(scope, prefix)
        head.fields.append((REQUEST_ID, request_id.value))
        return head

    def _build_carefully(self, scope: Scope, prefix: bytes) -> RequestHead:
        plain, special = self._split(list(scope["headers"]))
        if scope["http_version"] >= "2":
            plain = _with_one_cookie(plain)
        hosts = values_of(special, b"host")
        if len(hosts) != 1 or not hosts[0]:
            raise BadHost("a request needs exactly one Host field, with a value")
        connection = values_of(special, b"connection")
        if connection and (dropped := nominated(connection)):
            plain = without(plain, dropped)
        claimed = [field for field in special if field[0] == b"via" or field[0] in FORWARDING_FIELDS]
        headers = [(b"host", hosts[0] if self._host is None else self._host), *plain]
        headers += self._forwarding.build(scope, claimed, hosts[0], prefix)
        head = RequestHead(headers)
        head.content_length = _content_length(special)
        head.is_chunked = _is_chunked(special)
        if head.is_chunked and (head.content_length is not None or scope["http_version"] in _OLD):
            # RFC 9112 section 6.1: the framing is faulty, and perhaps meant to be read in two ways.
            raise RequestError("a transfer coding with a Content-Length, or on HTTP/1.0")
        head.asks_upgrade = any(name == b"upgrade" for name, _ in special)
        return head

    def _split(self, headers: RawHeaders) -> tuple[RawHeaders, RawHeaders]:
        """Return the fields that are simply passed on, and those that mean something to us."""
        if len(headers) > MAX_HEADERS:
            raise HeadersTooLarge(f"more than {MAX_HEADERS} header fields")
        special = [field for field in headers if field[0] in _SPECIAL]
        return [field for field in headers if self._passes(field[0])], special

    def _passes(self, name: bytes) -> bool:
        if name in _SPECIAL:
            return False
        if name in self._plain:
            return True
        if b"_" in name or name.startswith(RESERVED_PREFIX):
            return False
        if not _NAME.fullmatch(name):
            raise RequestError("a header field whose name is not a token in lower case")
        if len(self._plain) < _REMEMBERED_NAMES and len(name) <= _LONGEST_NAME:
            self._plain.add(name)
        return True


def _content_length(special: RawHeaders) -> int | None:
    values = values_of(special, b"content-length")
    if not values:
        return None
    # bytes.isdigit is ASCII only; int() alone would take "+1", "1_0" and white space.
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > 18:
        raise RequestError("Content-Length is not one decimal number")
    return int(values[0])


def _is_chunked(special: RawHeaders) -> bool:
    """Tell whether the body came chunked; a server takes off that coding, but no other."""
    codings = [value.lower() for value in values_of(special, b"transfer-encoding")]
    if codings not in ([], [b"chunked"]):
        raise RequestError("a transfer coding other than chunked")
    return bool(codings)


def _with_one_cookie(headers: RawHeaders) -> RawHeaders:
    """Join Cookie lines that HTTP/2 allows to be split (RFC 9113 section 8.2.3)."""
    cookies = values_of(headers, b"cookie")
    if len(cookies) < 2:
        return headers
    return [*without(headers, frozenset({b"cookie"})), (b"cookie", b"; ".join(cookies))]
