"""Where an upstream is, and within which limits it is asked."""

import ssl
from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """One address that connections are made to.

    Attributes:
        path: the path of a Unix socket; when set, `host` and `port` are not used.
        host: a host name or IP address.
        port: a TCP port.
        tls: a client context, None for plain text.
        server_hostname: the name that the certificate must be for; `host` when None.
    """

    path: str | None = None
    host: str = "127.0.0.1"
    port: int = 80
    tls: ssl.SSLContext | None = None
    server_hostname: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"{'http' if self.tls is None else 'https'}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port, an IPv6 address in brackets (RFC 3986 section 3.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one transport may use, per event loop. Durations are in seconds, sizes in bytes.

    Attributes:
        max_connections: connections open at one time, idle ones included.
        max_pending: requests that may wait for a connection; the next one fails with PoolFull.
        connect_timeout_s: for connecting, TLS handshake included.
        pool_timeout_s: for a connection to become free.
        write_timeout_s: for the upstream to take more of the request body.
        first_byte_timeout_s: from the request's last byte to the final response head; interim responses do
            not prolong it.
        idle_timeout_s: for the next bytes of a response body.
        keepalive_s: how long an unused connection is kept. Keep it below the upstream's own limit, so
            that it is not the upstream that hangs up just as a request is being written.
        max_header_bytes: of one response head.
    """

    max_connections: int = 100
    max_pending: int = 1000
    connect_timeout_s: float = 2.0
    pool_timeout_s: float = 5.0
    write_timeout_s: float = 30.0
    first_byte_timeout_s: float = 30.0
    idle_timeout_s: float = 300.0
    keepalive_s: float = 30.0
    max_header_bytes: int = 64 * KIB
