"""The adapter transport: requests go through httpx, for what is rare.

HTTP/2 to the upstream, a client with hooks of the user's own, or, in a test, an in-process fake:

    SidecarMiddleware(app, config, transports={"sidecar": httpx.ASGITransport(fake)})

It costs many times what `Http1Transport` does, and its request body is sent before the response is read.
"""

import contextlib
import importlib.util
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias, cast

import httpx

from forst_asgi import errors
from forst_asgi.headers import HOP_BY_HOP, nominated, without
from forst_asgi.interfaces import Transport
from forst_asgi.loops import PerLoop
from forst_asgi.messages import RequestBody, UpstreamRequest
from forst_asgi.transport.origin import Limits, Origin
from forst_asgi.types import RawHeaders

_FAILURES: tuple[tuple[type[Exception], type[errors.UpstreamError]], ...] = (
    (httpx.ConnectTimeout, errors.ConnectTimeout),
    (httpx.PoolTimeout, errors.PoolTimeout),
    (httpx.WriteTimeout, errors.WriteTimeout),
    (httpx.ReadTimeout, errors.FirstByteTimeout),
    (httpx.ConnectError, errors.ConnectError),
    (httpx.WriteError, errors.WriteError),
    (httpx.ProtocolError, errors.ProtocolError),
)


HttpxClient: TypeAlias = httpx.AsyncClient | httpx.AsyncBaseTransport


class HttpxTransport:
    """Sends requests through an httpx client or transport.

    Args:
        client: an `httpx.AsyncClient`, whose hooks and event handlers run, or an
            `httpx.AsyncBaseTransport`. It stays the caller's to close. Default headers, cookies, redirects
            and authentication of a client are not applied: the request is sent as it came.
        base_url: scheme and authority that requests get; the path is always the request's own.
        limits: the durations count; numbers of connections are the client's own matter.
        unwanted: names of response fields, lower case, that shall not come back. By default those that
            an ASGI server writes itself.
        server_name: the name that the upstream's certificate must have; the host of `base_url` when None.
    """

    def __init__(
        self,
        client: HttpxClient,
        base_url: str = "http://sidecar",
        limits: Limits | None = None,
        unwanted: frozenset[bytes] = frozenset({b"date", b"server"}),
        server_name: str | None = None,
    ) -> None:
        self._dropped = HOP_BY_HOP | unwanted
        self._base_url = httpx.URL(base_url)
        self._client = client
        self._limits = limits or Limits()
        self._tls = {} if server_name is None else {"sni_hostname": server_name}

    def __repr__(self) -> str:
        return f"<HttpxTransport {self._base_url}>"

    async def send(self, request: UpstreamRequest) -> "HttpxResponse":
        """Send a request; see `interfaces.Transport.send`.

        Raises:
            UpstreamError: httpx's exceptions, by stage.
            RequestError: httpx does not take the target, such as one over 64 KiB.
        """
        request.tell_of_wait()
        timeout = _timeout(self._limits)
        try:
            outgoing = self._outgoing(request, timeout)
        except (httpx.InvalidURL, ValueError) as error:
            raise errors.RequestError(f"httpx: {error}") from error
        try:
            response = await self._answer(outgoing)
            # Read anew by httpx for the body: as long as nobody answers, another limit holds.
            timeout["read"] = request.idle_timeout_s or self._limits.idle_timeout_s
            return HttpxResponse(response, self._dropped)
        except errors.ForstError:
            raise
        except Exception as error:
            raise _failure(error) from error

    async def aclose(self) -> None:
        """Do nothing: the client is the caller's."""

    async def _answer(self, outgoing: httpx.Request) -> httpx.Response:
        client = self._client
        if isinstance(client, httpx.AsyncClient):
            return await client.send(outgoing, stream=True, auth=None, follow_redirects=False)
        return await client.handle_async_request(outgoing)

    def _outgoing(self, request: UpstreamRequest, timeout: dict[str, float]) -> httpx.Request:
        body = request.body
        headers = list(request.headers)
        length = len(body) if isinstance(body, bytes) else body.content_length if body is not None else None
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        outgoing = httpx.Request(
            request.method.decode("ascii"),
            self._base_url.copy_with(raw_path=request.target),
            headers=headers,
            content=body if body is None or isinstance(body, bytes) else _chunks(body),
            # httpx normalises the URL that it parses; httpcore sends this instead, byte for byte.
            extensions={"target": request.target, "timeout": timeout, **self._tls},
        )
        outgoing.method = request.method.decode("ascii")  # httpx makes it upper case
        return outgoing


def adapted(transport: Transport | HttpxClient) -> Transport:
    """Return a transport of ours for whatever sends requests: one of ours already, or httpx's."""
    if isinstance(transport, httpx.AsyncClient | httpx.AsyncBaseTransport):
        return HttpxTransport(transport)
    return transport


class HttpxOriginTransport:
    """Sends requests to one origin through httpx connections of its own; `transport = "httpx"`.

    Args:
        origin: returns where to; asked once per event loop, and again after `aclose`.
        limits: within which limits.
        unwanted: names of response fields, lower case, that shall not come back.
    """

    def __init__(
        self, origin: Callable[[], Origin], limits: Limits, unwanted: frozenset[bytes] = frozenset()
    ) -> None:
        self._clients = PerLoop(lambda _: _Client(origin(), limits, unwanted))

    def __repr__(self) -> str:
        return f"<HttpxOriginTransport {self._clients.values()}>"

    async def send(self, request: UpstreamRequest) -> "HttpxResponse":
        """Send a request; see `HttpxTransport.send`."""
        return await self._clients.get().transport.send(request)

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        client = self._clients.pop()
        if client is not None:
            await client.connections.aclose()


class _Client:
    """The connections of one event loop, and the adapter in front of them."""

    def __init__(self, origin: Origin, limits: Limits, unwanted: frozenset[bytes]) -> None:
        has_http2 = origin.tls is not None and importlib.util.find_spec("h2") is not None
        self.connections = httpx.AsyncHTTPTransport(
            verify=origin.tls or False,
            http2=has_http2,
            uds=origin.path,
            limits=httpx.Limits(
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_connections,
                keepalive_expiry=limits.keepalive_s,
            ),
        )
        base_url = "http://sidecar" if origin.path is not None else str(origin)
        name = origin.server_hostname
        self.transport = HttpxTransport(self.connections, base_url, limits, unwanted, name)


class HttpxResponse:
    """A response from httpx; see `messages.UpstreamResponse`."""

    def __init__(self, response: httpx.Response, dropped: frozenset[bytes]) -> None:
        self._response = response
        # Not `aiter_raw`, which refuses a response that a fake built from bytes.
        self._chunks = aiter(cast("httpx.AsyncByteStream", response.stream))
        self.status = response.status_code
        self.headers = _end_to_end(response.headers, dropped)
        self.trailers: RawHeaders = []
        self.announces_trailers = False
        self.has_ended = False

    def take(self) -> bytes:
        """Return nothing: httpx does not tell what is there."""
        return b""

    async def read(self) -> bytes:
        """Return the next bytes, `b""` at the end.

        Raises:
            BodyError, IdleTimeout: see `messages.UpstreamResponse.read`.
        """
        try:
            async for chunk in self._chunks:
                if chunk:
                    return chunk
        except errors.ForstError:
            raise
        except httpx.ReadTimeout as error:
            raise errors.IdleTimeout("the response body stands still") from error
        except Exception as error:
            raise errors.BodyError(f"the response body broke off: {error}") from error
        self.has_ended = True
        await self.aclose()
        return b""

    async def aclose(self) -> None:
        """Let go of the connection; that this fails is no failure of the response."""
        with contextlib.suppress(Exception):
            await self._response.aclose()


def _timeout(limits: Limits) -> dict[str, float]:
    return {
        "connect": limits.connect_timeout_s,
        "pool": limits.pool_timeout_s,
        "write": limits.write_timeout_s,
        "read": limits.first_byte_timeout_s,
    }


async def _chunks(body: RequestBody) -> AsyncIterator[bytes]:
    while chunk := await body.read():
        yield chunk


def _end_to_end(headers: httpx.Headers, dropped: frozenset[bytes]) -> RawHeaders:
    lower = [(name.lower(), value) for name, value in headers.raw]
    extra = nominated(value for name, value in lower if name == b"connection")
    return without(lower, dropped | extra)


def _failure(error: Exception) -> errors.UpstreamError:
    """Return our own exception, by stage, for what httpx or a fake raised."""
    for kind, ours in _FAILURES:
        if isinstance(error, kind):
            return ours(f"httpx: {error}")
    return errors.HeadError(f"httpx: {type(error).__name__}: {error}")
