"""The head of the upstream's request, made from an ASGI scope (RFC 9110 section 7.6, RFC 9112).

What passes: every end-to-end field, its value byte for byte, in order, duplicates kept. What does not:

- hop-by-hop fields and whatever Connection nominates;
- framing and Expect, which the transport and the server see to;
- `x-forst-*`, ours alone, and names with `_`: CGI-style frameworks cannot tell `x_forst_identity` from
  `x-forst-identity`;
- forwarding fields, unless a trusted proxy sent them.

What is added comes last, so that no Connection field of a client can take it away.
"""

from dataclasses import dataclass
from typing import Final

from forst_asgi.errors import BadHost, HeadersTooLarge, RequestError
from forst_asgi.forward.forwarded import FORWARDING_FIELDS, ForwardingFields, TrustedProxies
from forst_asgi.headers import HOP_BY_HOP, REQUEST_ID, RESERVED_PREFIX, nominated, values_of, without
from forst_asgi.types import RawHeaders, Scope

MAX_HEADERS: Final = 256
MAX_HEADER_BYTES: Final = 64 * 1024

_REMEMBERED_NAMES: Final = 1024

_SPECIAL: Final = HOP_BY_HOP | FORWARDING_FIELDS | {b"host", b"content-length", b"expect", REQUEST_ID}
"""Names that mean something to us; all others are passed on, or dropped for how they are spelt."""


@dataclass(slots=True)
class RequestHead:
    """The fields of one request for the upstream, and what they say about its body.

    Attributes:
        headers: end-to-end fields, Host first.
        content_length: what the client declared, in bytes, or None.
        is_chunked: whether the client used chunked framing instead.
    """

    headers: RawHeaders
    content_length: int | None
    is_chunked: bool


class HeadBuilder:
    """Builds request heads for one upstream.

    Args:
        host: the Host value that the upstream gets, None to keep the client's.
        trusted: peers whose forwarding fields are believed.
    """

    def __init__(self, host: bytes | None, trusted: TrustedProxies) -> None:
        self._host = host
        self._forwarding = ForwardingFields(trusted)
        # Names seen and found plain. Bounded, because clients choose them.
        self._plain: set[bytes] = set()

    def build(self, scope: Scope, prefix: bytes) -> RequestHead:
        """Return the head for a request.

        Args:
            scope: an HTTP or WebSocket scope.
            prefix: what is removed in front of its path, `b""` for nothing.

        Raises:
            BadHost, HeadersTooLarge, RequestError: the client's head cannot be passed on.
        """
        plain, special = self._split(scope["headers"])
        if scope["http_version"] >= "2":
            plain = _with_one_cookie(plain)
        hosts = values_of(special, b"host")
        if len(hosts) != 1:
            raise BadHost("a request needs exactly one Host field")
        connection = values_of(special, b"connection")
        if connection and (dropped := nominated(connection)):
            plain = without(plain, dropped)
        claimed = [field for field in special if field[0] in FORWARDING_FIELDS]
        headers = [(b"host", hosts[0] if self._host is None else self._host), *plain]
        headers += self._forwarding.build(scope, claimed, hosts[0], prefix)
        return RequestHead(headers, _content_length(special), bool(values_of(special, b"transfer-encoding")))

    def _split(self, headers: RawHeaders) -> tuple[RawHeaders, RawHeaders]:
        """Return the fields that are simply passed on, and those that mean something to us."""
        if len(headers) > MAX_HEADERS:
            raise HeadersTooLarge(f"more than {MAX_HEADERS} header fields")
        known = self._plain
        plain: RawHeaders = []
        special: RawHeaders = []
        size = 0
        for field in headers:
            name = field[0]
            size += len(field[1])
            if name in known or (name not in _SPECIAL and self._is_plain(name)):
                plain.append(field)
            elif name in _SPECIAL:
                special.append(field)
        if size > MAX_HEADER_BYTES:
            raise HeadersTooLarge(f"more than {MAX_HEADER_BYTES} bytes of header fields")
        return plain, special

    def _is_plain(self, name: bytes) -> bool:
        is_plain = b"_" not in name and not name.startswith(RESERVED_PREFIX)
        if is_plain and len(self._plain) < _REMEMBERED_NAMES:
            self._plain.add(name)
        return is_plain


def _content_length(special: RawHeaders) -> int | None:
    values = values_of(special, b"content-length")
    if not values:
        return None
    # bytes.isdigit is ASCII only; int() alone would take "+1", "1_0" and white space.
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > 18:
        raise RequestError("Content-Length is not one decimal number")
    return int(values[0])


def _with_one_cookie(headers: RawHeaders) -> RawHeaders:
    """Join Cookie lines that HTTP/2 allows to be split (RFC 9113 section 8.2.3)."""
    cookies = values_of(headers, b"cookie")
    if len(cookies) < 2:
        return headers
    return [*without(headers, frozenset({b"cookie"})), (b"cookie", b"; ".join(cookies))]
