"""Whether the app may answer what the sidecar did not, and how it gets the request.

Never a double effect. What was not sent may be answered by anybody. What was sent, or may have been, is
given to the app only if doing it twice is the same as doing it once (RFC 9110 section 9.2.2), as long as no
whole head of an answer came and the body is still there.
"""

from forst_asgi.errors import (
    ConnectError,
    ConnectTimeout,
    FirstByteTimeout,
    HeadError,
    PoolFull,
    PoolTimeout,
    ProtocolError,
    ResponseError,
    SidecarNotReady,
    TransportClosed,
    WriteError,
    WriteTimeout,
)
from forst_asgi.forward.body import Replay
from forst_asgi.forward.call import Call
from forst_asgi.messages import UpstreamRequest
from forst_asgi.types import Receive

_NOTHING_SENT = (ConnectError, ConnectTimeout, SidecarNotReady, PoolFull, PoolTimeout)
_NOTHING_CAME = (HeadError, FirstByteTimeout, WriteError, WriteTimeout, TransportClosed)


def was_not_sent(error: ResponseError) -> bool:
    """Tell whether the upstream got nothing of the request, or of the first attempt at a replayable one."""
    return isinstance(error, _NOTHING_SENT)


def replayed(
    error: ResponseError, call: Call, request: UpstreamRequest, receive: Receive, replay_max: int
) -> Receive | None:
    """Return the `receive` with which the app can answer instead, None when it must not.

    Args:
        error: why the sidecar did not answer.
        call: the call; nothing was sent to its client.
        request: what was to be sent upstream.
        receive: the ASGI callable.
        replay_max: how many bytes of a body that was sent are given to the app.
    """
    if was_not_sent(error):
        return _again(call, request, receive)
    if not isinstance(error, _NOTHING_CAME) or isinstance(error, ProtocolError) or not request.is_replayable:
        return None
    if isinstance(request.body, bytes) and len(request.body) > replay_max:
        return None
    return _again(call, request, receive)


def _again(call: Call, request: UpstreamRequest, receive: Receive) -> Receive | None:
    if call.stream is not None:
        return call.stream.again()
    if not call.has_received:
        return receive
    body = request.body if isinstance(request.body, bytes) else b""
    return Replay({"type": "http.request", "body": body, "more_body": False}, receive)
