"""One address where a sidecar listens, as the supervisor sees it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A Unix socket, or a host and port.

    Attributes:
        path: the path of a Unix socket, "" for TCP.
        host: a host name or IP address, IPv6 without brackets.
        port: a TCP port.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return the form that FORST_LISTEN has."""
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}"
