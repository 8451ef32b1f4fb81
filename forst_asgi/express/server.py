"""The uvicorn that the lane fits into: it takes the place of what uvicorn does inside a connection."""

import inspect
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from forst_asgi.errors import ConfigError

_KNOWN = (
    "scope transport flow logger access_logger access_log default_headers message_event "
    "expect_100_continue keep_alive on_response"
)
_USED = ("_start_asgi_task", "_unset_keepalive_if_required")


def check(cycle: Callable[..., object] = RequestResponseCycle, protocol: type = HttpToolsProtocol) -> None:
    """Make sure that uvicorn makes its cycles of what we make them of, and starts them as we do.

    Raises:
        ConfigError: this version does not; nothing is known of how it keeps account of requests.
    """
    is_known = set(inspect.signature(cycle).parameters) == set(_KNOWN.split())
    if not is_known or not all(hasattr(protocol, name) for name in _USED):
        raise ConfigError(
            f"forst_asgi.express does not fit uvicorn {uvicorn.__version__}; "
            "use --http httptools, which forwards all routes"
        )
