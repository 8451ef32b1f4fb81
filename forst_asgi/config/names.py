"""What may be a name: of routes, methods, header fields, hosts, environment variables, Python objects.

Each function takes one value and returns it in its normal form, or raises what is wrong with it.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from forst_asgi.config.findings import nearest, wrong
from forst_asgi.headers import TOKEN

ID_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]*$"
AUTH_PATTERN: Final = r"^(?:none|upstream|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)$"
CALLABLE_PATTERN: Final = r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$"
TOKEN_PATTERN: Final = f"^{TOKEN}$"
"""A token of RFC 9110 section 5.6.2: method and field names are made of these."""

ENV_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
RESERVED_PREFIX: Final = "x-forst-"
"""Header fields that are removed from requests on the way in, so no predicate can ever see them."""

_REFUSED_METHODS: Final = {
    "CONNECT": "CONNECT asks for a tunnel, which is never forwarded",
    "TRACE": "TRACE would show the client what proxies added, so it is never forwarded",
}
_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_AUTHORITY: Final = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def identifier(value: str) -> str:
    """Return the name of a route or an upstream."""
    if re.fullmatch(ID_PATTERN, value):
        return value
    tame = re.sub(r"[^a-z0-9_-]+", "-", value.lower()).strip("-_")
    expected = 'lower-case letters, digits, "-" and "_", beginning with a letter or digit'
    raise wrong(expected=expected, suggestion=tame or None)


def method(value: str) -> str:
    """Return the method in upper case (RFC 9110 section 9.1)."""
    name = value.upper()
    if name in _REFUSED_METHODS:
        raise wrong(_REFUSED_METHODS[name])
    if not re.fullmatch(TOKEN_PATTERN, name):
        raise wrong(expected='a method such as "GET"')
    return name


def header_name(value: str) -> str:
    """Return the field name in lower case (RFC 9110 section 5.1)."""
    name = value.lower()
    if not re.fullmatch(TOKEN_PATTERN, name):
        raise wrong("is no header name", expected='one such as "x-version"')
    if name.startswith(RESERVED_PREFIX):
        raise wrong(f'"{RESERVED_PREFIX}*" is reserved: clients cannot send these headers')
    return name


def header_value(value: str) -> str:
    """Return the field value that a request must have, "*" for any (RFC 9110 section 5.5)."""
    if value != value.strip() or not value:
        raise wrong(expected='text without spaces around it, or "*" for any value')
    if re.search(r"[^\t\x20-\x7e\x80-\xff]", value):
        raise wrong("a header cannot hold this text", expected="printable Latin-1 characters")
    return value


def host_pattern(value: str) -> str:
    """Return a host to match, or "*." and a domain, in lower case and without a port."""
    name = value.lower()
    if _HOST.fullmatch(name) and ".." not in name:
        return name
    without = re.sub(r"^[a-z]+://|/.*$|:[0-9]+(/.*)?$", "", name)
    suggestion = without if without != name and _HOST.fullmatch(without) else None
    expected = 'a host without scheme or port such as "api.example.com" or "*.example.com"'
    raise wrong(expected=expected, suggestion=suggestion)


def host_policy(value: str) -> str:
    """Return "keep", or the literal Host value to send upstream (RFC 9110 section 7.2)."""
    if not _AUTHORITY.fullmatch(value):
        raise wrong(expected='"keep" or a Host value such as "api.internal" or "api.internal:8080"')
    return value


def env_name(value: str) -> str:
    """Return the name of an environment variable."""
    if not re.fullmatch(ENV_PATTERN, value):
        raise wrong("is no name of an environment variable", expected='one such as "DATABASE_URL"')
    return value


def env_value(value: str) -> str:
    """Return the value of an environment variable."""
    if "\0" in value:
        raise wrong("an environment variable cannot hold a NUL", shows_value=False)
    return value


def auth(value: str) -> str:
    """Return "none", "upstream", or the "package.module:attribute" of a callable."""
    if re.fullmatch(AUTH_PATTERN, value):
        return value
    dotted = re.fullmatch(r"(\w+(?:\.\w+)*)\.(\w+)", value)
    suggestion = f"{dotted[1]}:{dotted[2]}" if dotted else nearest(value, ("none", "upstream"))
    raise wrong(expected='"none", "upstream" or "package.module:callable"', suggestion=suggestion)


def callable_name(value: str) -> str:
    """Return the "package.module:attribute" of a callable."""
    if re.fullmatch(CALLABLE_PATTERN, value):
        return value
    dotted = re.fullmatch(r"(\w+(?:\.\w+)*)\.(\w+)", value)
    suggestion = f"{dotted[1]}:{dotted[2]}" if dotted else None
    raise wrong(expected='"package.module:callable"', suggestion=suggestion)


def peers(value: str) -> str:
    """Return peers that are trusted: "unix", or a network in CIDR form."""
    if value == "unix":
        return value
    return _network(
        value, 'a network such as "10.0.0.0/8", an IP address, or "unix"', nearest(value, ["unix"])
    )


def network(value: str) -> str:
    """Return a network in CIDR form."""
    return _network(value, 'a network such as "10.0.0.0/8", or an IP address')


def _network(value: str, expected: str, otherwise: str | None = None) -> str:
    try:
        return str(_plain_network(ip_network(value)))
    except ValueError as error:
        raise wrong(expected=expected, suggestion=_probable_network(value) or otherwise) from error


def _plain_network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return IPv4 freed of its IPv6 wrapping (RFC 4291 section 2.5.5.2), as peers' addresses are, too."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


def _probable_network(value: str) -> str | None:
    if value == "*":
        return "0.0.0.0/0"
    if value == "localhost":
        return "127.0.0.1/32"
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        return None
