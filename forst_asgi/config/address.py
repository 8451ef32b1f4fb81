"""The address of an upstream: a Unix socket, or a host and port with or without TLS.

An address is where connections go to and nothing more; paths belong to routes, credentials to nobody.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

from forst_asgi.config.findings import nearest, wrong
from forst_asgi.config.origin import resolved
from forst_asgi.config.shape import Shape
from forst_asgi.sockets import SOCKET_PATH_LIMIT

ADDRESS_PATTERN: Final = r"^(?:unix:.+|https?://[^/?#@]+/?)$"

_SCHEMES: Final = {"http": ("tcp", 80), "https": ("tls", 443)}
_EXPECTED: Final = '"unix:/path/to.sock" or "http://host:port"'
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an upstream listens; `str()` gives back the form in which it is written in the file.

    Attributes:
        kind: "unix", "tcp" or "tls".
        path: the absolute path of a "unix" address, else "".
        host: the host name or IP address (IPv6 without brackets) of a "tcp" or "tls" address, else "".
        port: its port, else 0.
    """

    kind: Literal["unix", "tcp", "tls"]
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        scheme = "http" if self.kind == "tcp" else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def parse_address(value: object, info: ValidationInfo) -> Address:
    """Return the address that a text such as "unix:run/app.sock" or "https://10.0.0.7:8443" means.

    Raises:
        PydanticCustomError: it is no such text, or says more than an address may.
    """
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise wrong(expected=_EXPECTED)
    scheme, colon, rest = value.partition(":")
    if colon and scheme == "unix":
        return Address("unix", path=socket_path(rest.removeprefix("//"), info))
    if scheme in _SCHEMES and rest.startswith("//"):
        return _network(value)
    raise _without_scheme(value)


def socket_path(path: str, info: ValidationInfo) -> str:
    """Return the absolute path of a Unix socket.

    Raises:
        PydanticCustomError: there is no path, or it is longer than a socket address can be.
    """
    if path.startswith("@"):
        raise wrong("abstract sockets are not supported", expected="the path of a socket file")
    whole = resolved(path, info)
    size = len(whole.encode(errors="surrogateescape"))
    if size > SOCKET_PATH_LIMIT:
        raise wrong(f"{whole} is {size} bytes long, the path of a Unix socket can have {SOCKET_PATH_LIMIT}")
    return whole


def _network(value: str) -> Address:
    parts, port = _split(value)
    _refuse_extras(parts)
    kind, default_port = _SCHEMES[parts.scheme]
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise wrong("the host is missing or malformed", expected=f'"{parts.scheme}://host:port"')
    return Address("tls" if kind == "tls" else "tcp", host=host, port=default_port if port is None else port)


def _split(value: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise wrong(str(error).lower(), expected=_EXPECTED) from error
    if port == 0:
        raise wrong("port 0 cannot be connected to")
    return parts, port


def _refuse_extras(parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        raise wrong("an address has no user name or password", shows_value=False)
    plain = f"{parts.scheme}://{parts.netloc}"
    if parts.query or parts.fragment:
        raise wrong("an address has no query or fragment", suggestion=plain)
    if parts.path not in {"", "/"}:
        raise wrong("an address has no path; a route's `rewrite` can add one", suggestion=plain)


def _without_scheme(value: str) -> Exception:
    if value.startswith(("/", "./", "../", "~")) or value.endswith(".sock"):
        return wrong("the scheme is missing", expected=_EXPECTED, suggestion=f"unix:{value}")
    scheme, separator, rest = value.partition("://")
    if not separator:
        suggestion = f"http://{value}" if re.fullmatch(r"[\w.\[\]:-]+:[0-9]+", value) else None
        return wrong("the scheme is missing", expected=_EXPECTED, suggestion=suggestion)
    close = nearest(scheme, ("unix", *_SCHEMES))
    suggestion = f"{close}:{rest}" if close == "unix" else close and f"{close}://{rest}"
    shows_value = "@" not in value
    return wrong(
        f'the scheme "{scheme}" is not known',
        expected=_EXPECTED,
        suggestion=suggestion if shows_value else None,
        shows_value=shows_value,
    )


AddressField = Annotated[
    Address,
    BeforeValidator(parse_address),
    PlainSerializer(str, return_type=str, when_used="json"),
    Shape({"type": "string", "pattern": ADDRESS_PATTERN}),
]
"""An address in a model."""
