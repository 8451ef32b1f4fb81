"""Fakes for the tests of an app that forwards: no socket, no sidecar process, no log to read.

    from forst_asgi import SidecarMiddleware
    from forst_asgi.testing import Answer, FakeTransport, RecordingObserver

    async def test_quotes_are_forwarded() -> None:
        sidecar, observer = FakeTransport([Answer.json({"price": 7})]), RecordingObserver()
        guarded = SidecarMiddleware(
            app, config="forst.toml", transports={"sidecar": sidecar}, observer=observer
        )
        in_process = httpx.ASGITransport(guarded)
        async with httpx.AsyncClient(transport=in_process, base_url="http://test") as client:
            response = await client.get("/quotes/7")
        assert response.json() == {"price": 7}
        assert sidecar.requests[0].target == b"/quotes/7"
        assert "forst.request.forwarded" in observer.names

A whole ASGI app can stand in for the sidecar too; the transport for that is `HttpxTransport`, with nothing
to add: `transports={"sidecar": HttpxTransport(httpx.ASGITransport(fake_app))}`.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, cast

from forst_asgi.events import Event
from forst_asgi.messages import UpstreamRequest
from forst_asgi.types import RawHeaders


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fake sidecar answers.

    Attributes:
        status: a final status code, 200 to 599.
        headers: field lines, names in lower case.
        body: the pieces that arrive one by one; an exception among them breaks the body off there.
        trailers: field lines that come after the body.
    """

    status: int = 200
    headers: RawHeaders = field(default_factory=list)
    body: tuple[bytes | Exception, ...] = ()
    trailers: RawHeaders = field(default_factory=list)

    @classmethod
    def text(cls, text: str, status: int = 200) -> Self:
        """Return an answer of plain text."""
        return cls(status, [(b"content-type", b"text/plain; charset=utf-8")], (text.encode(),))

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Self:
        """Return an answer that is JSON."""
        return cls(status, [(b"content-type", b"application/json")], (json.dumps(value).encode(),))


Outcome: TypeAlias = Answer | Exception
AnswerCallable: TypeAlias = Callable[[UpstreamRequest], Outcome | Awaitable[Outcome]]


class FakeTransport:
    """A `Transport` that answers from a list, or by asking a function, and keeps what it was sent.

    Args:
        answers: one outcome for each request, in order; or a function, sync or async, from a request to
            its outcome. An outcome that is an exception is raised, as a real transport raises a
            `forst_asgi.UpstreamError`, but after the request's body: a streamed one is gone by then, so
            that a route with `on_failure = "app"` does not fall back. An async function may wait for as
            long as the test likes; the client can disconnect meanwhile.

    Attributes:
        requests: what was sent, in order. A streamed body was read to its end and stands there as bytes.
        responses: what was answered, in order; each knows whether it `is_closed`.
        closed: how often `aclose` was called.
    """

    def __init__(self, answers: Iterable[Outcome] | AnswerCallable = ()) -> None:
        self.requests: list[UpstreamRequest] = []
        self.responses: list[FakeResponse] = []
        self.closed = 0
        self._answer: AnswerCallable = answers if callable(answers) else _in_turn(iter(answers))

    def __repr__(self) -> str:
        return f"<FakeTransport requests={len(self.requests)}>"

    async def send(self, request: UpstreamRequest) -> "FakeResponse":
        """Read the request's body to its end, then answer; see `interfaces.Transport.send`.

        Raises:
            AssertionError: there are more requests than answers.
            Exception: the outcome, when it is one; or what reading the request's body raised.
        """
        seen = copy(request)
        seen.body = await _whole(request)
        self.requests.append(seen)
        outcome = self._answer(self.requests[-1])
        if inspect.isawaitable(outcome):
            request.tell_of_wait()
            outcome = await outcome
        if isinstance(outcome, Exception):
            raise outcome
        self.responses.append(FakeResponse(outcome))
        return self.responses[-1]

    async def aclose(self) -> None:
        """Count the call; a later `send` answers all the same, as the contract has it."""
        self.closed += 1


class FakeResponse:
    """An `UpstreamResponse` that brings an `Answer`.

    Args:
        answer: what it brings.

    Attributes:
        is_closed: whether `aclose` was called.
    """

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers = list(answer.headers)
        self.trailers = list(answer.trailers)
        self.announces_trailers = bool(answer.trailers)
        self.is_closed = False
        self._pieces = list(answer.body)

    def __repr__(self) -> str:
        return f"<FakeResponse {self.status} pieces={len(self._pieces)}>"

    @property
    def has_ended(self) -> bool:
        """True once every piece was read."""
        return not self._pieces

    def take(self) -> bytes:
        """Return the next piece, unless it is an exception."""
        if self._pieces and isinstance(self._pieces[0], bytes):
            return cast("bytes", self._pieces.pop(0))
        return b""

    async def read(self) -> bytes:
        """Return the next piece, `b""` at the end; raise the piece when it is an exception."""
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        """Take note."""
        self.is_closed = True


class RecordingObserver:
    """An `Observer` that keeps what it is told.

    Args:
        wants_requests: whether forwarded and abandoned requests shall be told too.

    Attributes:
        events: what was told, in order.
    """

    def __init__(self, *, wants_requests: bool = True) -> None:
        self.wants_requests = wants_requests
        self.events: list[Event] = []

    def __repr__(self) -> str:
        return f"<RecordingObserver {self.names}>"

    @property
    def names(self) -> list[str]:
        """The names of the events, in order."""
        return [event.name for event in self.events]

    def observe(self, event: Event) -> None:
        """Keep it."""
        self.events.append(event)


def _in_turn(outcomes: Iterator[Outcome]) -> AnswerCallable:
    def next_outcome(request: UpstreamRequest) -> Outcome:
        for outcome in outcomes:
            return outcome
        target = request.target.decode("latin-1")
        raise AssertionError(f"FakeTransport: no answer is left for {request.method.decode()} {target}")

    return next_outcome


async def _whole(request: UpstreamRequest) -> bytes | None:
    body = request.body
    if body is None or isinstance(body, bytes):
        return body
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    return b"".join(pieces)
