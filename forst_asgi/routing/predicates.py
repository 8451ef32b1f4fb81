"""Conditions on header fields: which hosts a route is for, and which fields it asks for.

They are evaluated only for a route that has them and whose path and method match already.
"""

import re
from dataclasses import dataclass

from forst_asgi.types import RawHeaders

# Letters, digits, "-", "." and "_", or an IP literal in brackets (RFC 3986 section 3.2.2).
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 section 5.6.2: token
_PORT = re.compile(rb":[0-9]*\Z")


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of a route's `hosts`.

    Attributes:
        name: the host in lower case; with a leading "." it stands for every subdomain.
    """

    name: bytes

    def holds(self, host: bytes) -> bool:
        """Whether a host, in lower case and without port, is meant."""
        if self.name.startswith(b"."):
            return host.endswith(self.name) and host != self.name
        return host == self.name

    def __str__(self) -> str:
        text = self.name.decode()
        return f"*{text}" if text.startswith(".") else text


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """One entry of a route's `headers`.

    Attributes:
        name: the field name in lower case.
        value: the exact value, None for any.
    """

    name: bytes
    value: bytes | None

    def holds(self, headers: RawHeaders) -> bool:
        """Whether one of the field lines is as asked."""
        return any(
            name == self.name and (self.value is None or value == self.value) for name, value in headers
        )

    def __str__(self) -> str:
        name = self.name.decode()
        return name if self.value is None else f"{name}: {self.value.decode('latin-1')}"


def host_rule(text: str) -> HostRule:
    """Compile "api.example.com" or "*.example.com"; a port is ignored.

    Raises:
        ValueError: it is not a host name.
    """
    host = _without_port(text.lower().encode("utf-8", "replace")).decode()
    if not _HOST.fullmatch(host):
        raise ValueError(f'host {text!r}: expected a name such as "api.example.com" or "*.example.com"')
    return HostRule(host.removeprefix("*").encode())


def header_rules(pairs: tuple[tuple[str, str], ...]) -> tuple[HeaderRule, ...]:
    """Compile pairs of a field name and a value ("*" for any).

    Raises:
        ValueError: a name is not a field name, or a value cannot be part of a field.
    """
    return tuple(_header_rule(name, value) for name, value in pairs)


def _header_rule(name: str, value: str) -> HeaderRule:
    lower = name.lower()
    if not _FIELD_NAME.fullmatch(lower):
        raise ValueError(f"header {name!r}: expected a field name such as 'x-tenant'")
    try:
        return HeaderRule(lower.encode(), None if value == "*" else value.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise ValueError(f"header {name!r}: the value {value!r} does not fit into Latin-1") from error


def rejection_by_headers(
    hosts: tuple[HostRule, ...], fields: tuple[HeaderRule, ...], headers: RawHeaders
) -> str | None:
    """Name the predicate that a request's field lines do not meet; None when all hold."""
    if hosts:
        host = host_of(headers)
        if host is None or not any(rule.holds(host) for rule in hosts):
            return f"host: {', '.join(map(str, hosts))} expected"
    for rule in fields:
        if not rule.holds(headers):
            return f"header: {rule} expected"
    return None


def host_of(headers: RawHeaders) -> bytes | None:
    """The host in lower case and without port; None unless there is exactly one Host field."""
    values = [value for name, value in headers if name == b"host"]
    return _without_port(values[0].strip().lower()) if len(values) == 1 else None


def _without_port(host: bytes) -> bytes:
    return _PORT.sub(b"", host)
