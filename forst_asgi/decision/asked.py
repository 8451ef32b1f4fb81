"""What can be read off a request: fields, cookies, the query, path parameters, the client, the context.

Each key, such as "header:x-user-id", is compiled once into a reader. Where a name stands several times, the
first one counts.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

from forst_asgi.peers import peer_of
from forst_asgi.types import Scope


class Match(Protocol):
    """What a route's match tells of the request."""

    @property
    def params(self) -> Mapping[str, Any]:
        """The path's parameters, converted.

        Raises:
            ValueError: one could not be converted.
        """
        ...


class Peers(Protocol):
    """A set of peers by address; None is a peer on a Unix socket."""

    def __contains__(self, host: str | None, /) -> bool:
        """Whether a peer belongs to it."""
        ...


class ContextUnknown(Exception):
    """The app's context callable failed; it has been told to the observer already."""


ContextSource: TypeAlias = Callable[[Scope], Mapping[str, Any]]
"""Returns what the app says of a request; raises ContextUnknown when it cannot."""

Reader: TypeAlias = Callable[["Asked"], object]
"""Returns a value of a request, None when it is not there; wire bytes as they came."""

SOURCES: Final = ("header", "cookie", "query", "path", "client", "context")


class Asked:
    """A request as rules and stickiness see it.

    Args:
        scope: its ASGI scope.
        match: its route's match.
        source: what the app says of it, None when the app has nothing to say.
    """

    __slots__ = ("_context", "_is_unknown", "_source", "match", "scope")

    def __init__(self, scope: Scope, match: Match, source: ContextSource | None = None) -> None:
        self.scope = scope
        self.match = match
        self._source = source
        self._context: Mapping[str, Any] | None = None
        self._is_unknown = False

    @property
    def context(self) -> Mapping[str, Any]:
        """What the app says of the request; asked for once, when somebody first needs it.

        Raises:
            ContextUnknown: the app's callable failed.
        """
        if self._is_unknown:
            raise ContextUnknown
        if self._context is None:
            self._is_unknown = True  # unless it returns
            self._context = {} if self._source is None else self._source(self.scope)
            self._is_unknown = False
        return self._context


def reader(key: str, trusted: Peers = ()) -> Reader:
    """Compile a key.

    Args:
        key: "header:NAME", "cookie:NAME", "query:NAME", "path:NAME", "context:NAME" or "client".
        trusted: the peers whose X-Forwarded-For is believed; only "client" asks for it.

    Raises:
        ValueError: it is none of these.
    """
    source, _, name = key.partition(":")
    if key == "client":
        return _client(trusted)
    if source == "client" or source not in SOURCES or not name:
        raise ValueError(
            f'"{key}": expected "header:NAME", "cookie:NAME", "query:NAME", "path:NAME" or "client"'
        )
    return _BY_SOURCE[source](name)


def unit(value: object) -> bytes:
    """Return what a bucket is found for; b"" when there is nothing to stick to."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogateescape")


def _header(name: str) -> Reader:
    wanted = name.lower().encode("latin-1")

    def read(asked: Asked) -> bytes | None:
        for field, value in asked.scope["headers"]:
            if field == wanted:
                return bytes(value)
        return None

    return read


def _cookie(name: str) -> Reader:
    crumb = re.compile(rb"(?:^|;)\s*%b(?:=([^;]*)|\s*(?:;|\Z))" % re.escape(name.encode("utf-8")))

    def read(asked: Asked) -> bytes | None:
        for field, value in asked.scope["headers"]:
            if field == b"cookie" and (found := crumb.search(value)) is not None:
                return _unquoted((found[1] or b"").rstrip())
        return None

    return read


def _unquoted(value: bytes) -> bytes:
    """Return the value of a cookie without quotes around it (RFC 6265 section 4.2.1)."""
    return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value


def _query(name: str) -> Reader:
    wanted = name.encode("utf-8")
    pair_of_it = re.compile(rb"(?:^|&)%b(?:=([^&]*)|(?=&|\Z))" % re.escape(wanted))

    def read(asked: Asked) -> bytes | None:
        query = asked.scope.get("query_string", b"")
        if b"%" not in query and b"+" not in query:
            found = pair_of_it.search(query)
            return None if found is None else found[1] or b""
        for pair in query.split(b"&"):
            key, _, value = pair.partition(b"=")
            if _plain(key) == wanted:
                return _plain(value)
        return None

    return read


def _plain(text: bytes) -> bytes:
    """Return a part of a query decoded, as HTML forms encode it."""
    return unquote_to_bytes(text.replace(b"+", b" ")) if b"%" in text or b"+" in text else text


def _path(name: str) -> Reader:
    def read(asked: Asked) -> object:
        try:
            value = asked.match.params.get(name)
        except ValueError:
            return None  # a convertor refused it, as it does when the request is forwarded
        return value if value is None or isinstance(value, str | int | float) else str(value)

    return read


def _context(name: str) -> Reader:
    return lambda asked: asked.context.get(name)


_BY_SOURCE: Final[Mapping[str, Callable[[str], Reader]]] = {
    "header": _header,
    "cookie": _cookie,
    "query": _query,
    "path": _path,
    "context": _context,
}


def _client(trusted: Peers) -> Reader:
    def read(asked: Asked) -> str | None:
        peer = peer_of(asked.scope)
        if peer in trusted:
            return _forwarded_for(asked.scope, trusted)
        if peer is not None and peer[:1].isdecimal() and ":" not in peer:
            return str(peer)  # from the server, in its normal form; parsing costs more than all else
        return _address(peer)

    return read


def _forwarded_for(scope: Scope, trusted: Peers) -> str | None:
    """Return the nearest address that no trusted proxy has; what is further away anybody can make up."""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    for entry in reversed(b",".join(lines).split(b",")):
        address = _address(_without_port(entry.strip().decode("latin-1")))
        if address is None or address not in trusted:
            return address
    return None


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(text: str | None) -> str | None:
    """Return an address in its normal form, with IPv4 freed of its IPv6 wrapping; None for no address."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
