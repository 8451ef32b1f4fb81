"""Who is asking: the X-Forwarded-* fields that the upstream gets.

What a client says of itself under these names is a claim anybody can make, so it is dropped, unless the
peer is a proxy that the configuration trusts; then the peer is appended to what it said.
"""

import ipaddress
from typing import Final, TypeAlias

from forst_asgi.types import Header, RawHeaders, Scope

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

_CACHED_PEERS = 1024


class TrustedProxies:
    """The peers whose forwarding fields are believed.

    Args:
        networks: address ranges.
        trusts_unix: whether a peer without an address, on a Unix socket, is believed.
    """

    def __init__(self, networks: tuple[Network, ...], *, trusts_unix: bool = False) -> None:
        self._networks = networks
        self._trusts_unix = trusts_unix
        self._answers: dict[str, bool] = {}

    def __contains__(self, host: str | None) -> bool:
        if host is None:
            return self._trusts_unix
        if not self._networks:
            return False
        answer = self._answers.get(host)
        if answer is None:
            answer = self._look_up(host)
            if len(self._answers) < _CACHED_PEERS:
                self._answers[host] = answer
        return answer

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
    """

    def __init__(self, trusted: TrustedProxies) -> None:
        self._trusted = trusted
        self._known: dict[tuple[str | None, str, bytes], RawHeaders] = {}

    def build(self, scope: Scope, claimed: RawHeaders, host: bytes, prefix: bytes) -> RawHeaders:
        """Return the fields for the upstream.

        Args:
            scope: the request's scope; `client` may be None (Unix sockets).
            claimed: the forwarding fields that came with the request, in order.
            host: the value of its Host field.
            prefix: what was removed in front of the path, `b""` for nothing.
        """
        client = scope.get("client")
        peer = client[0] if client else None
        if claimed and peer in self._trusted:
            return _appended(claimed, peer, scope, host, prefix)
        fields = self.of_peer(scope, host)
        return [*fields, (b"x-forwarded-prefix", prefix)] if prefix else fields

    def of_peer(self, scope: Scope, host: bytes) -> RawHeaders:
        """Return the fields of a request that nothing was removed from and whose own do not count."""
        client = scope.get("client")
        key = (client[0] if client else None, scope["scheme"], host)
        fields = self._known.get(key)
        if fields is None:
            fields = [*_fields_of(key[0], key[1]), (b"x-forwarded-host", host)]
            if len(self._known) < _CACHED_PEERS:
                self._known[key] = fields
        return fields


def _fields_of(peer: str | None, scheme: str) -> RawHeaders:
    fields: list[Header] = []
    if peer is not None:
        address = peer.encode("latin-1", "replace")
        fields += [(b"x-forwarded-for", address), (b"x-real-ip", address)]
    # A WebSocket's scheme is ws or wss; the field speaks of http and https.
    proto = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return [*fields, (b"x-forwarded-proto", proto.encode("latin-1"))]


def _appended(claimed: RawHeaders, peer: str | None, scope: Scope, host: bytes, prefix: bytes) -> RawHeaders:
    """Keep what a trusted proxy said, add the proxy itself and what it left out."""
    chain = [value for name, value in claimed if name == b"x-forwarded-for"]
    if peer is not None:
        chain.append(peer.encode("latin-1", "replace"))
    kept = [field for field in claimed if field[0] not in (b"x-forwarded-for", b"x-forwarded-prefix")]
    said = {name for name, _ in kept}
    own = [(b"x-forwarded-host", host), *_fields_of(peer, scope["scheme"])]
    kept += [field for field in own if field[0] not in said and field[0] != b"x-forwarded-for"]
    if chain:
        kept.append((b"x-forwarded-for", b", ".join(chain)))
    inner = b"".join(value for name, value in claimed if name == b"x-forwarded-prefix") + prefix
    return [*kept, (b"x-forwarded-prefix", inner)] if inner else kept
