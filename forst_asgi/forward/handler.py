"""Forwarding one request: ASGI in, one exchange with the upstream, ASGI out.

    request     outgoing.py, request.py   scope -> method, target, end-to-end fields
    auth        auth.py                   the app's own check, if the route names one
    body        body.py                   receive() -> bytes: small ones whole, others as a stream
    exchange    transport/                UpstreamRequest -> UpstreamResponse
    response    relay.py, response.py     end-to-end fields and body -> send()
    interrupt   watch.py                  the client went away, or time is up
    failure     answers.py                a problem document, as long as no head was sent

After the response head was sent no failure maps to a status any more: it is raised, so that the server
cuts the connection and the client can tell a torn answer from a whole one.
"""

import asyncio
from typing import cast

from forst_asgi.errors import ClientDisconnected, RequestError, ResponseError
from forst_asgi.forward.answers import problem_type, send_problem
from forst_asgi.forward.auth import AuthRefused, claims
from forst_asgi.forward.outgoing import Outgoing
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.forward.relay import relay
from forst_asgi.forward.report import Report
from forst_asgi.forward.response import is_event_stream
from forst_asgi.forward.watch import Exchange, Watch
from forst_asgi.headers import IDENTITY
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.loops import PerLoop
from forst_asgi.messages import UpstreamRequest
from forst_asgi.request_id import RequestId, current
from forst_asgi.types import Receive, Scope, Send


class Forwarder:
    """An ASGI app whose answers come from an upstream.

    It finds the route's match in `scope["forst.match"]` and the decision in `scope["forst.decision"]`.

    Args:
        policy: how requests on this route are forwarded.
        transport: where they go.
        observer: who is told how they ended.
    """

    def __init__(self, policy: ForwardPolicy, transport: Transport, observer: Observer) -> None:
        self._policy = policy
        self._transport = transport
        self._observer = observer
        self._outgoing = Outgoing(policy)
        self._watches = PerLoop(Watch)

    def __repr__(self) -> str:
        return f"<Forwarder {self._policy.route} -> {self._policy.upstream}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one HTTP request.

        Raises:
            UpstreamError, RequestError: it broke off after the response head was sent.
        """
        report = Report(self._policy, self._observer, scope)
        try:
            await self._forward(scope, receive, send, report)
            report.forwarded()
        except ClientDisconnected:
            report.abandoned()
        except AuthRefused as refusal:
            await refusal.response(scope, receive, send)
            report.refused(refusal.response.status_code, "auth")
        except ResponseError as error:
            await self._fail(error, send, report)

    async def _forward(self, scope: Scope, receive: Receive, send: Send, report: Report) -> None:
        outgoing = self._outgoing
        request, head = outgoing.head(scope)
        auth = self._policy.auth
        if auth is not None and (identity := await claims(auth, scope, head.headers)) is not None:
            head.headers.append((IDENTITY, identity))
        stream = None
        if outgoing.has_body(scope, head):
            stream = await outgoing.body(request, head, scope, receive)
        exchange = Exchange(cast("asyncio.Task[None]", asyncio.current_task()), receive, stream)
        watch = self._watches.get()
        watch.begin(exchange, self._policy.timeout_s)
        try:
            await self._exchange(request, exchange, scope, send, report)
        except asyncio.CancelledError:
            exchange.translate_cancellation()
            raise
        finally:
            watch.end(exchange)
            if exchange.is_watched:
                await exchange.stop_watching()

    async def _exchange(
        self, request: UpstreamRequest, exchange: Exchange, scope: Scope, send: Send, report: Report
    ) -> None:
        response = await self._transport.send(request)
        if exchange.has_deadline and is_event_stream(response.headers):
            exchange.drop_deadline()
        try:
            await relay(response, scope, send, report)
        finally:
            if exchange.is_streaming or not response.has_ended:
                await response.aclose()

    async def _fail(self, error: ResponseError, send: Send, report: Report) -> None:
        """Answer a failure, or abort when the answer has begun already."""
        if report.status is not None:
            report.failed(error)
            raise error
        bound = current.get(None)
        try:
            await send_problem(send, error, bound if isinstance(bound, RequestId) else None)
        except OSError:
            report.abandoned()
            return
        if isinstance(error, RequestError):
            report.refused(error.status, problem_type(error))
        else:
            report.status = error.status
            report.failed(error)
