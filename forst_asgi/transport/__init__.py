"""Connections to upstreams: our own HTTP/1.1 client, and an adapter for httpx.

Nothing in here knows of ASGI. `Http1Transport` is what the data path uses; `HttpxTransport` is for what
is rare: HTTP/2, proxies, or an in-process fake in a test.
"""

from forst_asgi.transport.http1 import Http1Transport
from forst_asgi.transport.httpx_adapter import HttpxClient, HttpxOriginTransport, HttpxTransport, adapted
from forst_asgi.transport.origin import Limits, Origin

__all__ = [
    "Http1Transport",
    "HttpxClient",
    "HttpxOriginTransport",
    "HttpxTransport",
    "Limits",
    "Origin",
    "adapted",
]
