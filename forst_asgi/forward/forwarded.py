"""Who is asking, and by which way: the Forwarded, X-Forwarded-* and Via fields that the upstream gets.

What a client says of itself under these names is a claim anybody can make, so it is dropped, unless the
peer is a proxy that the configuration trusts; then the peer is appended to what it said.
"""

import ipaddress
import re
from typing import Final, TypeAlias

from forst_asgi.errors import BadHost, LoopDetected
from forst_asgi.headers import TOKEN
from forst_asgi.messages import FieldBlock
from forst_asgi.peers import peer_of
from forst_asgi.recall import Recall
from forst_asgi.types import RawHeaders, Scope

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FORWARDING_FIELDS = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)

_LISTS = (b"x-forwarded-for", b"forwarded", b"x-forwarded-prefix")
"""Fields to which each proxy adds its own part."""

_TOKEN = re.compile(TOKEN.encode())

_HOST = re.compile(rb"[0-9A-Za-z!$%&'()*+.:;=\[\]_~-]+")
"""What a Host may be made of (RFC 3986 section 3.2.2), without the comma, which makes two of it."""

_RECALLED = 1024
_LONGEST_HOST = 255  # of what is kept; clients choose it

Origin: TypeAlias = tuple[str | None, str, bytes, str]
"""Peer, scheme, Host and HTTP version of a request: all that its forwarding fields depend on."""


class TrustedProxies:
    """The peers whose forwarding fields are believed.

    Args:
        networks: address ranges.
        trusts_unix: whether a peer without an address, on a Unix socket, is believed.
    """

    def __init__(self, networks: tuple[Network, ...], *, trusts_unix: bool = False) -> None:
        self._networks = networks
        self._trusts_unix = trusts_unix
        self._answers = Recall(self._look_up, _RECALLED)

    def __contains__(self, host: str | None) -> bool:
        if host is None:
            return self._trusts_unix
        return bool(self._networks) and self._answers[host]

    def _look_up(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False  # a server may put a name, or nothing, in the scope
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


NOBODY: Final = TrustedProxies(())
"""Believes no peer, which is the default."""


class ForwardingFields:
    """Builds the forwarding fields of a request.

    Args:
        trusted: the peers whose own forwarding fields are kept and added to.
        pseudonym: what we call ourselves in Via; unlike any other intermediary's name.
    """

    def __init__(self, trusted: TrustedProxies, pseudonym: bytes = b"forst") -> None:
        self._trusted = trusted
        self._pseudonym = pseudonym
        self._known = Recall(self._make, _RECALLED)

    def build(self, scope: Scope, claimed: RawHeaders, host: bytes, prefix: bytes) -> RawHeaders:
        """Return the fields for the upstream.

        Args:
            scope: the request's scope; `client` may be None (Unix sockets).
            claimed: the forwarding fields and Via fields that came with the request, in order.
            host: the value of its Host field.
            prefix: what was removed in front of the path, `b""` for nothing.

        Raises:
            BadHost: that value is none.
            LoopDetected: Via says that the request has been here before.
        """
        via = [field for field in claimed if field[0] == b"via"]
        self._refuse_loop(via)
        own = self.of_peer(scope, host).fields
        if prefix:
            own = [*own, (b"x-forwarded-prefix", prefix)]
        if len(via) < len(claimed) and peer_of(scope) in self._trusted:
            return via + _appended([field for field in claimed if field[0] != b"via"], own)
        return via + own

    def of_peer(self, scope: Scope, host: bytes) -> FieldBlock:
        """Return the fields of a request that nothing was removed from and whose own do not count.

        Raises:
            BadHost: its Host is none.
        """
        origin = (peer_of(scope), scope.get("scheme", "http"), host, scope["http_version"])
        return self._known[origin] if len(host) <= _LONGEST_HOST else self._make(origin)

    def _make(self, origin: Origin) -> FieldBlock:
        if not _HOST.fullmatch(origin[2]):
            raise BadHost("the value of the Host field is no host")
        return FieldBlock(_fields_of(*origin, self._pseudonym))

    def _refuse_loop(self, via: RawHeaders) -> None:
        """Raise when an entry of Via is our own (RFC 9110 section 7.6.3)."""
        for _, value in via:
            for entry in value.split(b","):
                if self._pseudonym in entry.split()[1:2]:
                    raise LoopDetected("the request has been forwarded on this route before")


def _fields_of(peer: str | None, scheme: str, host: bytes, version: str, pseudonym: bytes) -> RawHeaders:
    fields: RawHeaders = []
    if peer is not None:
        address = peer.encode("latin-1", "replace")
        fields += [(b"x-forwarded-for", address), (b"x-real-ip", address)]
    # A WebSocket's scheme is ws or wss; the field speaks of http and https.
    proto = {"ws": "http", "wss": "https"}.get(scheme, scheme).encode("latin-1")
    if version == "1":  # granian's name for HTTP/1.0
        version = "1.0"
    return [
        *fields,
        (b"x-forwarded-proto", proto),
        (b"x-forwarded-host", host),
        (b"forwarded", b"for=%b;host=%b;proto=%b" % (_node(peer), _quoted(host), proto)),
        (b"via", version.encode("latin-1") + b" " + pseudonym),
    ]


def _node(peer: str | None) -> bytes:
    """Return a peer as a node of Forwarded (RFC 7239 section 6); an IPv6 address is bracketed and quoted."""
    if peer is None:
        return b"unknown"
    address = peer.encode("latin-1", "replace")
    return _quoted(b"[%b]" % address if b":" in address else address)


def _quoted(value: bytes) -> bytes:
    """Return a value as a token if it is one, else as a quoted string (RFC 9110 section 5.6.4)."""
    if _TOKEN.fullmatch(value):
        return value
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'


def _appended(claimed: RawHeaders, own: RawHeaders) -> RawHeaders:
    """Keep what a trusted proxy said, append the proxy itself to the lists, and add what it left out."""
    values = dict(own)
    said = {name for name, _ in claimed}
    if b"x-forwarded-for" in said:
        said.add(b"x-real-ip")  # ours would name the proxy
    kept = [field for field in claimed if field[0] not in _LISTS]
    for name in _LISTS:
        chain = [value for key, value in claimed if key == name]
        if name in values:
            chain.append(values[name])
        if chain:
            kept.append((name, (b"" if name == b"x-forwarded-prefix" else b", ").join(chain)))
    return kept + [field for field in own if field[0] not in said and field[0] not in _LISTS]
