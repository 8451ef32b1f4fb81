"""The upstream's response on its way to the client."""

from forst_asgi.errors import ClientDisconnected
from forst_asgi.forward.report import Report
from forst_asgi.forward.response import client_headers
from forst_asgi.messages import UpstreamResponse
from forst_asgi.routing import RouteMatch
from forst_asgi.types import Scope, Send


async def relay(response: UpstreamResponse, scope: Scope, send: Send, report: Report) -> None:
    """Send head and body as they come; never more than one read ahead of the client.

    Raises:
        ClientDisconnected: the server could not write to the client.
        UpstreamError: the body broke off.
    """
    match: RouteMatch[object] = scope["forst.match"]
    report.status = response.status
    headers = client_headers(response, match.prefix, scope)
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        while True:
            data = await response.read()
            has_ended = response.has_ended
            await send({"type": "http.response.body", "body": data, "more_body": not has_ended})
            if has_ended:
                return
    except OSError as error:
        # The upstream's failures are ForstErrors by now, so this is the client's connection.
        raise ClientDisconnected("the client's connection broke while it was written to") from error
