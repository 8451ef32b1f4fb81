"""Forwarding one request: ASGI in, one exchange with the upstream, ASGI out.

    request     outgoing.py, request.py   scope -> method, target, end-to-end fields
    auth        auth.py                   the app's own check, if the route names one
    body        body.py                   receive() -> bytes: small ones whole, others as a stream
    exchange    transport/                UpstreamRequest -> UpstreamResponse
    response    response.py               end-to-end fields and body -> send()
    extensions  extensions.py             early hints and trailers, where the server takes them
    no answer   gate.py, fallback.py      the breaker; whether the app may answer instead
    early end   call.py                   the client went away, or time is up
    failure     answers.py                a problem document, as long as no head was sent

After the response head was sent no failure maps to a status any more: it is raised, so that the server
cuts the connection and the client can tell a torn answer from a whole one.
"""

import time
from contextlib import suppress
from copy import copy

from forst_asgi.errors import (
    ClientDisconnected,
    FallBack,
    HeadError,
    RequestError,
    ResponseError,
    UpstreamError,
)
from forst_asgi.forward.answers import (
    hides_next_request,
    last_on_connection,
    problem_type,
    send_nothing,
    send_problem,
)
from forst_asgi.forward.auth import AuthRefused, authorize
from forst_asgi.forward.call import Call, Deadline
from forst_asgi.forward.early import Admitted, Early, Rest
from forst_asgi.forward.extensions import Extensions
from forst_asgi.forward.fallback import replayed
from forst_asgi.forward.gate import Gate
from forst_asgi.forward.outgoing import Outgoing, request_id_of
from forst_asgi.forward.policy import ForwardPolicy
from forst_asgi.forward.report import Reporter
from forst_asgi.forward.response import client_headers, is_event_stream
from forst_asgi.interfaces import EagerTransport, Exchange, Observer, Transport
from forst_asgi.loops import PerLoop
from forst_asgi.messages import BODYLESS, UpstreamResponse
from forst_asgi.request_id import bound
from forst_asgi.resilience import Breaker
from forst_asgi.routing import RouteMatch
from forst_asgi.timers import TimeoutQueue
from forst_asgi.types import RawHeaders, Receive, Scope, Send


class Forwarder:
    """An ASGI app whose answers come from an upstream.

    It finds the route's match in `scope["forst.match"]` and the decision in `scope["forst.decision"]`.

    Args:
        policy: how requests on this route are forwarded.
        transport: where they go.
        observer: who is told how they ended.
        gate: says whether the upstream may be asked; one of its own when left out.
    """

    def __init__(
        self, policy: ForwardPolicy, transport: Transport, observer: Observer, gate: Gate | None = None
    ) -> None:
        self._policy = policy
        self._transport = transport
        # The app's own check, and the app that may have to answer, both need a cycle.
        needs_cycle = policy.auth is not None or policy.falls_back
        self._eager = transport if isinstance(transport, EagerTransport) and not needs_cycle else None
        self._outgoing = Outgoing(policy)
        self._reporter = Reporter(policy, observer)
        self._gate = Gate(policy.upstream, observer) if gate is None else gate
        self._breaker: Breaker | Admitted = self._gate.breaker
        timeout_s = policy.timeout_s or 0.0
        self._loops = PerLoop(lambda loop: loop)
        self._deadlines: PerLoop[Deadline] | Rest = PerLoop(
            lambda loop: TimeoutQueue(loop, timeout_s, Call.expire)
        )
        self._patience = PerLoop(lambda loop: TimeoutQueue(loop, policy.client_timeout_s, Call.stall))

    def __repr__(self) -> str:
        return f"<Forwarder {self._policy.route} -> {self._policy.upstream}>"

    def begin(self, early: Early, match: RouteMatch[object]) -> Exchange | None:
        """Send an HTTP/1.1 request before there is an ASGI cycle, if nothing has to be waited for.

        Args:
            early: the request, whose whole body is here.
            match: the route's match.

        Returns:
            What was begun, to be finished by `finish` or `carry_on`; None when nothing was sent.

        Raises:
            ResponseError: why it must not be sent; a call of the forwarder answers with that.
        """
        transport = self._eager
        if transport is None or not self._breaker.is_closed:
            return None
        request, head = self._outgoing.request(early, match, match.prefix)
        return transport.begin(request) if self._outgoing.add_whole(request, head, early.body) else None

    def finish(self, early: Early, response: UpstreamResponse, prefix: bytes) -> RawHeaders:
        """Take note that the whole answer to what was begun is here; return the client's fields."""
        if self._breaker.is_tainted:
            self._gate.succeed()
        if self._reporter.wants_requests:
            with bound(request_id_of(early.scope)):
                self._reporter.forwarded(early)
        if prefix or response.status in BODYLESS:
            return client_headers(response, prefix, early.scope)
        return response.headers

    def abandon(self, early: Early) -> None:
        """Take note that the client went away before the answer to what was begun."""
        with bound(request_id_of(early.scope)):
            self._reporter.abandoned(early)

    def carry_on(self, exchange: Exchange, began: float) -> "Forwarder":
        """Return a forwarder for this one request, which was begun.

        Args:
            exchange: what was begun.
            began: when the request arrived, by `time.perf_counter`.
        """
        other = copy(self)
        other.take_over(exchange, began)
        return other

    def take_over(self, exchange: Exchange, began: float) -> None:
        """Be about nothing but one request, which was begun; see `carry_on`."""
        self._transport = exchange
        self._breaker = Admitted(self._gate.breaker)
        passed_s = time.perf_counter() - began
        self._reporter = self._reporter.since(passed_s)
        if self._policy.timeout_s is not None:
            self._deadlines = Rest(self._loops.get(), self._policy.timeout_s - passed_s)

    # One function, because each call costs; what hardly any request needs is elsewhere.
    async def __call__(  # noqa: C901, PLR0912
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Forward one HTTP request.

        Raises:
            UpstreamError, RequestError: it broke off after the response head was sent.
            FallBack: the app shall answer.
        """
        call = Call(scope, receive, self._loops.get())
        match: RouteMatch[object] = scope["forst.match"]
        prefix = match.prefix
        policy = self._policy
        if policy.timeout_s is not None:
            call.begin_deadline(self._deadlines.get())
        try:
            request, head = self._outgoing.request(call, match, prefix)
            extensions = Extensions(call, send, request) if scope.get("extensions") else None
            if policy.auth is not None:
                await authorize(self._policy, scope, request)
            if head.content_length is not None or head.is_chunked or scope["http_version"] >= "2":
                await self._outgoing.add_body(request, head, call, receive)
            call.request = request
            if policy.falls_back:
                self._gate.expect_ready()
            if not self._breaker.is_closed:
                self._gate.admit()
            call.response = response = await self._transport.send(request)
            call.request = None  # it refers to the call, and so the collector would have to take both
            if self._breaker.is_tainted:
                self._gate.succeed()
            call.status = status = response.status
            headers = response.headers
            if policy.timeout_s is not None and is_event_stream(headers):
                call.end_deadline()
            if prefix or status in BODYLESS:
                headers = client_headers(response, prefix, scope)
            start = {"type": "http.response.start", "status": status, "headers": headers}
            if extensions is not None:
                await extensions.prepare(start, response)
            await send(start)
            data = response.take()
            if not response.has_ended:
                data = await self._stream(call, response, data, send)
            await send({"type": "http.response.body", "body": data, "more_body": False})
            if extensions is not None:
                await extensions.finish(response)
        except BaseException as error:  # noqa: BLE001 - cancellation has a meaning too; `_fail` raises it on
            await self._fail(error, call, receive, send)
        else:
            if call.holds_something:
                await call.let_go()
            if self._reporter.wants_requests:
                self._reporter.forwarded(call)

    async def _stream(self, call: Call, response: UpstreamResponse, data: bytes, send: Send) -> bytes:
        """Send the body on as it comes, all but its last piece, which is returned.

        As long as the client does not take a piece, the upstream has to wait, too; so that has a limit.
        """
        if not data:
            # Some servers keep the head until there is some body. A message is its receiver's, to change as
            # well, as Starlette's GZipMiddleware does: so each is a new one.
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        patience = self._patience.get()
        while not response.has_ended:
            if data:
                patience.add(call)
                try:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                finally:
                    patience.discard(call)
            data = await response.read()
        return data

    async def _fail(self, error: BaseException, call: Call, receive: Receive, send: Send) -> None:
        """Answer a failure, or raise it when the answer has begun already or it is nobody's to answer."""
        await call.let_go()
        error = call.translate(error)
        if call.request is not None and call.response is None:
            error = self._blame_transport(error)
        if isinstance(error, ClientDisconnected | OSError):
            # The upstream's failures are all ours by now: an OSError came from the client's side.
            self._reporter.abandoned(call)
            if call.status is None:
                await send_nothing(send)
        elif isinstance(error, AuthRefused):
            call.status = error.response.status_code
            self._reporter.refused(call, "auth")
            if hides_next_request(error, call.scope):
                send = last_on_connection(send)
            with suppress(OSError):  # the client does not wait for it any more
                await error.response(call.scope, receive, send)
        elif isinstance(error, ResponseError):
            self._fall_back(error, call, receive)
            await self._answer(error, call, send)
        else:
            raise error

    def _blame_transport(self, error: BaseException) -> BaseException:
        """Take note of why there was no response head, and return it, as an error of ours."""
        if isinstance(error, OSError):
            error, cause = HeadError(f"the transport let out {error!r}"), error
            error.__cause__ = cause
        self._gate.fail(error)
        return error

    def _fall_back(self, error: ResponseError, call: Call, receive: Receive) -> None:
        """Let the app answer, where the route says so and nothing can happen twice.

        Raises:
            FallBack: it shall.
        """
        if not self._policy.falls_back or not isinstance(error, UpstreamError):
            return
        if call.status is not None or call.request is None:
            return
        again = replayed(error, call, call.request, receive, self._policy.replay_max)
        if again is not None:
            self._reporter.fell_back(call, error)
            raise FallBack(again) from error

    async def _answer(self, error: ResponseError, call: Call, send: Send) -> None:
        if call.status is not None:
            self._reporter.failed(call, error)
            raise error
        call.status = error.status
        if isinstance(error, RequestError):
            self._reporter.refused(call, problem_type(error))
        else:
            self._reporter.failed(call, error)
        if hides_next_request(error, call.scope):
            send = last_on_connection(send)
        with suppress(OSError):
            await send_problem(send, error, request_id_of(call.scope))
