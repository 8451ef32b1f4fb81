"""The two heads of a handshake: the request that the upstream gets, and the fields that the client gets.

The request is made as any other (`forward.request`): end-to-end fields as they came, Origin and Cookie
among them, forwarding fields, request id. What a handshake has for one connection only is made anew on
each: Upgrade, Connection, and the `Sec-WebSocket-*` fields. So compression is the server's affair towards
the client, and there is none towards the upstream, which is next door.
"""

from typing import Final

from forst_asgi.forward.forwarded import ForwardingFields
from forst_asgi.forward.outgoing import request_id_of
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.forward.request import HeadBuilder
from forst_asgi.forward.response import SERVERS_OWN, with_prefix_restored
from forst_asgi.headers import HOP_BY_HOP, nominated, values_of, without
from forst_asgi.messages import BODYLESS, UpstreamRequest
from forst_asgi.routing import RouteMatch
from forst_asgi.types import RawHeaders, Scope

_PER_HOP: Final = frozenset(
    {
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    }
)

_NOT_OURS: Final = HOP_BY_HOP | SERVERS_OWN | _PER_HOP | {b"content-length"}


class Opening:
    """Makes the handshakes of one route.

    Args:
        policy: what the route asks for.
    """

    def __init__(self, policy: ForwardPolicy) -> None:
        self._heads = HeadBuilder(policy.host, ForwardingFields(policy.trusted, policy.pseudonym))

    def request(self, scope: Scope, match: RouteMatch[object]) -> UpstreamRequest:
        """Return the request for the upstream.

        Raises:
            UnsafeTarget, BadHost, HeadersTooLarge, LoopDetected, RequestError: nothing may be sent.
        """
        target = match.target()
        head = self._heads.build({"http_version": "1.1", **scope}, match.prefix, request_id_of(scope))
        fields = without(head.fields, _PER_HOP)
        if offer := scope.get("subprotocols"):
            fields.append((b"sec-websocket-protocol", ", ".join(offer).encode("latin-1")))
        return UpstreamRequest(b"GET", target, fields, block=head.block)


def end_to_end(headers: RawHeaders) -> RawHeaders:
    """Return the fields of the upstream's answer that are the client's too."""
    return without(headers, _NOT_OURS | nominated(values_of(headers, b"connection")))


def declined_headers(
    status: int, headers: RawHeaders, body: bytes, prefix: bytes, scope: Scope
) -> RawHeaders:
    """Return the fields of an answer other than 101, for the client.

    Args:
        status: its status.
        headers: its field lines.
        body: its whole body; the framing is made anew.
        prefix: what was removed in front of the request's path; it is put back into Location.
        scope: the WebSocket's scope.
    """
    kept = with_prefix_restored(end_to_end(headers), prefix, scope)
    return kept if status in BODYLESS else [*kept, (b"content-length", b"%d" % len(body))]
