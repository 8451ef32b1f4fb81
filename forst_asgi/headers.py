"""Names of header fields that are about one connection only, and rules that both directions share.

A field is hop-by-hop when RFC 9110 section 7.6.1 lists it or when a Connection field nominates it. An
intermediary consumes those and never passes them on.
"""

from collections.abc import Iterable
from typing import Final

from forst_asgi.types import RawHeaders

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - an RFC's word
"""What names of fields and methods are made of, as a regular expression (RFC 9110 section 5.6.2)."""

RESERVED_PREFIX = b"x-forst-"
"""Fields of this prefix are ours alone; what a client sends under it is dropped."""

IDENTITY = b"x-forst-identity"
"""Carries the claims that a route's `auth` callable returned."""

REQUEST_ID = b"x-request-id"

# A Connection field can nominate extension fields only. Nominating one of these would let a client
# strip what framing, routing or our own rules depend on (golang/go#50580, CVE-2021-33197).
_NEVER_NOMINATED = frozenset({b"host", b"content-length", b"authorization", b"cookie", b"set-cookie", b""})


def nominated(connection_values: Iterable[bytes]) -> frozenset[bytes]:
    """Return the lower-case field names that Connection values nominate for removal.

    Several lines and empty list members are allowed (RFC 9110 section 5.6.1.2).
    """
    tokens = {token.strip(b" \t").lower() for value in connection_values for token in value.split(b",")}
    return frozenset(tokens - _NEVER_NOMINATED - HOP_BY_HOP - {b"close"})


def without(headers: RawHeaders, names: frozenset[bytes]) -> RawHeaders:
    """Return the field lines whose name is not in `names`, in order."""
    return [header for header in headers if header[0] not in names]


def values_of(headers: RawHeaders, name: bytes) -> list[bytes]:
    """Return the values of every field line called `name` (lower case), in order."""
    return [value for key, value in headers if key == name]
