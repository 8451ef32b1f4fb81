"""Move live HTTP endpoints from Python to Go, one at a time.

app.add_middleware(SidecarMiddleware, config="forst.toml")
"""

from forst_asgi.config import Config, LogsConfig, RouteConfig, TlsConfig, UpstreamConfig
from forst_asgi.errors import ConfigError, ForstError, RequestError, SidecarError, UpstreamError
from forst_asgi.events import Event
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.messages import UpstreamRequest, UpstreamResponse
from forst_asgi.middleware import SidecarMiddleware
from forst_asgi.transport import Http1Transport, HttpxTransport

__all__ = [
    "Config",
    "ConfigError",
    "Event",
    "ForstError",
    "Http1Transport",
    "HttpxTransport",
    "LogsConfig",
    "Observer",
    "RequestError",
    "RouteConfig",
    "SidecarError",
    "SidecarMiddleware",
    "TlsConfig",
    "Transport",
    "UpstreamConfig",
    "UpstreamError",
    "UpstreamRequest",
    "UpstreamResponse",
]
