"""The transport of our own: HTTP/1.1 over TCP, TLS or a Unix socket, with keep-alive pools.

One transport serves any number of event loops and survives a fork, because a pool belongs to the loop
that made it and loops are not shared: under a pre-forking server each worker makes its own on its first
request.
"""

from collections.abc import Callable

from forst_asgi.errors import HeadError
from forst_asgi.loops import PerLoop
from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport.begun import Begun
from forst_asgi.transport.connection import Connection
from forst_asgi.transport.origin import Limits, Origin
from forst_asgi.transport.pool import Pool
from forst_asgi.transport.response import Http1Response


class Http1Transport:
    """Sends requests to one origin.

    Args:
        origin: where to; or a function that tells, called for each new connection. It may raise an
            UpstreamError, when there is nowhere to connect to at present.
        limits: within which limits; the defaults suit a sidecar on the same machine.
        unwanted: names of response fields, lower case, that shall not come back.
    """

    def __init__(
        self,
        origin: Origin | Callable[[], Origin],
        limits: Limits | None = None,
        unwanted: frozenset[bytes] = frozenset(),
    ) -> None:
        self.limits = limits or Limits()
        find = (lambda: origin) if isinstance(origin, Origin) else origin
        self._pools = PerLoop(lambda loop: Pool(find, self.limits, loop, unwanted))

    def __repr__(self) -> str:
        return f"<Http1Transport {self._pools.values()}>"

    async def send(self, request: UpstreamRequest) -> Http1Response:
        """Send a request and return its response once the head is there.

        A request that failed on a connection out of the pool, before a single byte came back, is sent
        once more on a new connection when that is harmless: the upstream hung up while idle, and we
        learnt it too late (RFC 9112 section 9.3.1). Never when the body is a stream.

        Raises:
            UpstreamError: see `interfaces.Transport.send`.
        """
        connection = self._pools.get().take_idle(is_replayable=request.is_replayable) or await self._acquire(
            request
        )
        waiter = None
        try:
            waiter = connection.start(request)
            return await waiter
        except BaseException as error:
            await connection.give_up(waiter)
            if not self.may_retry(request, connection, error):
                raise
        return await self.send_again(request)

    def begin(self, request: UpstreamRequest) -> Begun | None:
        """Send a request if there is an idle connection for it, so that nothing has to be waited for.

        Args:
            request: one whose body is no stream.

        Returns:
            The exchange, which is the caller's to carry on or to abandon; None when there is no such
            connection, and nothing was sent.

        Raises:
            RequestError: the head cannot be written safely; nothing was sent.
        """
        connection = self._pools.get().take_idle(is_replayable=request.is_replayable)
        if connection is None:
            return None
        try:
            return Begun(self, connection, request)
        except BaseException:
            connection.close()
            raise

    async def send_again(self, request: UpstreamRequest) -> Http1Response:
        """Send a request that failed before, on another connection; this time there is no other.

        Raises:
            UpstreamError: see `interfaces.Transport.send`.
        """
        connection = await self._acquire(request)
        waiter = None
        try:
            waiter = connection.start(request)
            return await waiter
        except BaseException:
            await connection.give_up(waiter)
            raise

    async def _acquire(self, request: UpstreamRequest) -> Connection:
        """Return a connection that has to be made, or waited for."""
        request.tell_of_wait()
        return await self._pools.get().acquire(is_replayable=request.is_replayable)

    def may_retry(self, request: UpstreamRequest, connection: Connection, error: BaseException) -> bool:
        """Tell whether sending again has no second effect, repeats no fault, and is not too much."""
        is_complete = request.body is None or isinstance(request.body, bytes)
        was_used_before = connection.exchanges > 1
        is_stale = was_used_before and isinstance(error, HeadError) and connection.saw_no_byte
        if not (request.is_replayable and is_complete and is_stale):
            return False
        pool = self._pools.get()
        pool.purge()  # what broke one idle connection has broken the others
        return pool.retries.spend(pool.loop.time(), pool.requests)

    def pool(self) -> Pool:
        """Return the pool of the running event loop, making it at its first use."""
        return self._pools.get()

    async def aclose(self) -> None:
        """Close the running loop's connections; those of other loops end with their loops."""
        pool = self._pools.pop()
        if pool is not None:
            await pool.aclose()
