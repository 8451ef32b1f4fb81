"""Forwarding one WebSocket, from its arrival to its end.

    request     opening.py            scope -> target and fields; unsafe ones are refused
    auth        forward/auth.py       the app's own check, before anything is sent
    upstream    dial.py               its handshake comes first: the client is accepted when it was
    client      client.py             accepted with the upstream's choices, or answered otherwise
    messages    session.py            both ways, until somebody ends it
    no answer   forward/gate.py       the breaker; the app answers instead, where it may

What goes wrong before the client was accepted becomes an HTTP answer to its handshake, where the server
lets us give one (`websocket.http.response`), else the server's 403. After that it becomes a close code.

The app may answer only as long as the upstream got nothing. A handshake is a GET, but what it opens is more
than one. The app gets `websocket.connect` again, and that is all that was taken: a client must not send
anything before its handshake was answered (RFC 6455 section 4.1).
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from forst_asgi.errors import (
    ClientDisconnected,
    DeadlineExceeded,
    FallBack,
    RequestError,
    ResponseError,
    UpstreamError,
)
from forst_asgi.forward.answers import problem, problem_type
from forst_asgi.forward.auth import AuthRefused, authorize
from forst_asgi.forward.body import Replay
from forst_asgi.forward.fallback import was_not_sent
from forst_asgi.forward.gate import Gate
from forst_asgi.forward.outgoing import request_id_of
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.interfaces import Observer
from forst_asgi.messages import UpstreamRequest
from forst_asgi.routing import RouteMatch
from forst_asgi.types import RawHeaders, Receive, Scope, Send
from forst_asgi.websocket.client import Client
from forst_asgi.websocket.dial import Declined, Dialer
from forst_asgi.websocket.ending import ABNORMAL, Ending
from forst_asgi.websocket.link import Link
from forst_asgi.websocket.opening import Opening, declined_headers
from forst_asgi.websocket.report import Report
from forst_asgi.websocket.session import Session, Times

MAX_MESSAGE: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WebSocketPolicy:
    """What holds for the WebSockets of one route, beside its ForwardPolicy.

    Attributes:
        max_message: bytes that one message may have, in either direction.
        ping_interval_s: how often the upstream is pinged, in seconds; None for never.
        max_lifetime_s: how long it may stay open, in seconds; None for as long as it likes.
    """

    max_message: int = MAX_MESSAGE
    ping_interval_s: float | None = None
    max_lifetime_s: float | None = None


class WebSocketForwarder:
    """An ASGI app whose WebSockets are an upstream's.

    It finds the route's match in `scope["forst.match"]` and the decision in `scope["forst.decision"]`.

    Args:
        policy: how requests on this route are forwarded. Its `timeout_s` holds for the handshake only.
        limits: what holds for WebSockets beside that.
        dialer: opens WebSockets to the upstream.
        observer: who is told what became of them.
        gate: says whether the upstream may be asked; one of its own when left out.
    """

    def __init__(
        self,
        policy: ForwardPolicy,
        limits: WebSocketPolicy,
        dialer: Dialer,
        observer: Observer,
        gate: Gate | None = None,
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._dialer = dialer
        self._observer = observer
        self._gate = gate or Gate(policy.upstream, observer)
        self._opening = Opening(policy)

    def __repr__(self) -> str:
        return f"<WebSocketForwarder {self._policy.route} -> {self._policy.upstream}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one WebSocket.

        Raises:
            FallBack: the app shall answer.
        """
        client = Client(scope, receive, send)
        report = Report(self._policy, self._observer, scope)
        try:
            await client.arrive()
            request = await self._request(scope)
            session = self._session(client, report)
            with self._dialer.seats.one():
                ending = await session.run(lambda: self._open(request, scope))
        except ClientDisconnected:
            report.ended(Ending("client", ABNORMAL))
        except (Declined, AuthRefused, ResponseError) as answer:
            self._fall_back(answer, report, receive)
            await self._answer(answer, client, report, scope)
        else:
            report.ended(ending, session)

    def _session(self, client: Client, report: Report) -> Session:
        idle_timeout_s = self._policy.idle_timeout_s or self._dialer.limits.idle_timeout_s
        times = Times(idle_timeout_s, self._limits.ping_interval_s, self._limits.max_lifetime_s)
        return Session(client, times, report.accepted)

    async def _request(self, scope: Scope) -> UpstreamRequest:
        match: RouteMatch[object] = scope["forst.match"]
        request = self._opening.request(scope, match)
        await authorize(self._policy, scope, request)
        return request

    async def _open(self, request: UpstreamRequest, scope: Scope) -> tuple[Link, RawHeaders]:
        if self._policy.falls_back:
            self._gate.expect_ready()
        if not self._gate.breaker.is_closed:
            self._gate.admit()
        try:
            opened = await self._dial(request, scope)
        except Declined:
            self._gate.succeed()
            raise
        except BaseException as error:
            self._gate.fail(error)
            raise
        self._gate.succeed()
        return opened

    async def _dial(self, request: UpstreamRequest, scope: Scope) -> tuple[Link, RawHeaders]:
        offer = list(scope.get("subprotocols") or ())
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                return await self._dialer.open(request, offer, self._limits.max_message)
        except TimeoutError as error:
            raise DeadlineExceeded("the handshake took longer than the route's timeout") from error

    def _fall_back(self, answer: Exception, report: Report, receive: Receive) -> None:
        """Let the app answer, where the route says so and the upstream got nothing.

        Raises:
            FallBack: it shall.
        """
        if self._policy.falls_back and isinstance(answer, UpstreamError) and was_not_sent(answer):
            report.fell_back(answer)
            raise FallBack(Replay({"type": "websocket.connect"}, receive)) from answer

    async def _answer(
        self,
        answer: Declined | AuthRefused | ResponseError,
        client: Client,
        report: Report,
        scope: Scope,
    ) -> None:
        """Answer the client's handshake with what came instead of a WebSocket."""
        try:
            if isinstance(answer, Declined):
                await self._relay(answer, client, report, scope)
            elif isinstance(answer, AuthRefused):
                await self._refuse(answer, client, report)
            else:
                await self._explain(answer, client, report, scope)
        except ClientDisconnected:
            report.ended(Ending("client", ABNORMAL))

    async def _relay(self, answer: Declined, client: Client, report: Report, scope: Scope) -> None:
        prefix = scope["forst.match"].prefix
        headers = declined_headers(answer.status, answer.headers, answer.body, prefix, scope)
        report.status = answer.status if client.takes_responses else 403
        await client.respond(answer.status, headers, answer.body)
        report.declined()

    async def _refuse(self, answer: AuthRefused, client: Client, report: Report) -> None:
        report.status = answer.response.status_code if client.takes_responses else 403
        report.refused("auth")
        await client.respond_with(answer.response)

    async def _explain(self, error: ResponseError, client: Client, report: Report, scope: Scope) -> None:
        status, headers, body = problem(error, request_id_of(scope))
        report.status = status if client.takes_responses else 403
        if isinstance(error, RequestError):
            report.refused(problem_type(error))
        else:
            report.unanswered(error)
        await client.respond(status, headers, body)
