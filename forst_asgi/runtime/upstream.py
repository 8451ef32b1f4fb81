"""One upstream, live: its transport, and its process if we start it."""

import secrets

from forst_asgi.config import UpstreamConfig
from forst_asgi.errors import SidecarError, SidecarNotReady
from forst_asgi.forward import SERVERS_OWN
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.messages import UpstreamRequest
from forst_asgi.runtime import convert
from forst_asgi.supervisor import PrivateSocket, Sidecar, SidecarSpec, private_socket
from forst_asgi.transport import Http1Transport, HttpxOriginTransport, Origin

READY_PATH = "/.forst/ready"
"""What is asked for when the configuration names no `ready_path`; any answer will do then."""

SECRET_BYTES = 32


class Upstream:
    """Where one upstream is, how it is spoken to, and the process that listens there.

    Args:
        name: its name in the configuration.
        config: what the user wrote about it.
        observer: told of the life of the process.
        transport: used instead of one made from the configuration, when given.

    Attributes:
        websockets: one member for each WebSocket that is open.
    """

    def __init__(
        self, name: str, config: UpstreamConfig, observer: Observer, transport: Transport | None = None
    ) -> None:
        self.name = name
        self.config = config
        self._observer = observer
        self._origin = convert.origin(config.address, config.tls) if config.address is not None else None
        self._sidecar: Sidecar | None = None
        self._socket: PrivateSocket | None = None
        self._is_given = transport is not None
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self.limits = convert.limits(config)
        self.websockets: set[object] = set()
        self.transport = self._make_transport() if transport is None else transport

    def __repr__(self) -> str:
        return f"<Upstream {self.name!r} {self._origin or 'not started'} {self._sidecar or ''}>"

    @property
    def has_process(self) -> bool:
        """Whether we start it ourselves."""
        return self.config.command is not None and not self._is_given

    @property
    def secret(self) -> bytes | None:
        """What the process verifies our signatures with; None when we do not start it."""
        return self._secret if self.has_process else None

    async def start(self) -> None:
        """Start the process, if it is ours to start, and return when it is ready.

        Raises:
            SidecarError: it could not be started or did not become ready; nothing of it is left.
        """
        if not self.has_process:
            return
        try:
            self._sidecar = Sidecar(self._spec(), self._probe, self._observer)
            await self._sidecar.start()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connections, stop the process, remove its socket."""
        await self.transport.aclose()
        sidecar, self._sidecar = self._sidecar, None
        if sidecar is not None:
            await sidecar.aclose()
        self.remove_socket()

    def remove_socket(self) -> None:
        """Remove the private socket; also at exit, when no event loop runs any more."""
        socket, self._socket = self._socket, None
        if socket is not None:
            self._origin = None
            socket.remove()

    def _make_transport(self) -> Transport:
        if self.config.transport == "httpx":
            return HttpxOriginTransport(self.where, self.limits, SERVERS_OWN)
        return Http1Transport(self.where, self.limits, SERVERS_OWN)

    def where(self) -> Origin:
        """Return where to connect to.

        Raises:
            SidecarNotReady: our own process is not there at present, or somebody gave us a transport
                instead of a place to connect to.
        """
        if self._is_given:
            raise SidecarNotReady(f"the upstream {self.name!r} has a transport that carries no WebSockets")
        sidecar = self._sidecar
        if self._origin is None or (sidecar is not None and sidecar.pid is None):
            raise SidecarNotReady(f"the sidecar {self.name!r} does not run")
        return self._origin

    def _spec(self) -> SidecarSpec:
        config = self.config
        if config.command is None:
            raise SidecarError(f"upstream {self.name!r} has no command to start")
        return SidecarSpec(
            name=self.name,
            command=config.command,
            listen=self._listen(),
            cwd=None if config.cwd is None else str(config.cwd),
            env=config.env,
            env_pass=config.env_pass,
            ready_timeout_s=config.ready_timeout,
            stop_timeout_s=config.stop_timeout,
            secret=self._secret,
        )

    def _listen(self) -> str:
        """Decide where the process shall listen, in the form that it gets as FORST_LISTEN."""
        if self._origin is None:
            if self.config.socket in (None, "auto"):
                self._socket = private_socket(self.name)
                self._origin = Origin(path=self._socket.path)
            else:
                self._origin = Origin(path=str(self.config.socket))
        if self._origin.path is not None:
            return f"unix:{self._origin.path}"
        return f"tcp:{self._origin.authority}"

    async def _probe(self) -> bool:
        """Ask for the ready path; without one in the configuration any HTTP answer counts."""
        path = self.config.ready_path or READY_PATH
        request = UpstreamRequest(b"GET", path.encode("ascii"), [(b"host", b"localhost")])
        response = await self.transport.send(request)
        try:
            return self.config.ready_path is None or 200 <= response.status < 300
        finally:
            await response.aclose()
