"""Calls of a `Forwarder` as a server would make them, and what the client got."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from forst_asgi.decision import Decision, Reason, Target
from forst_asgi.forward import Forwarder, ForwardPolicy, Gate
from forst_asgi.identity import RouteSigner
from forst_asgi.interfaces import Observer, Transport
from forst_asgi.messages import UpstreamRequest
from forst_asgi.request_id import RequestId
from forst_asgi.routing import RouteSpec, RouteTable
from forst_asgi.testing import Answer, FakeTransport, RecordingObserver
from forst_asgi.types import Header, Message, RawHeaders, Scope

HOST: Header = (b"host", b"api.example")
PEER = "192.0.2.7"
DECISION = Decision(Target.SIDECAR, Reason.MODE_ON)

POST: dict[str, Any] = {"method": "POST"}

SECRET = b"a secret of at least thirty-two bytes"


def http_scope(*headers: Header, path: bytes = b"/api/quotes/7", **more: Any) -> Scope:
    """Return a scope; its one Host field comes first unless `host=False`."""
    has_host = more.pop("host", True)
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": b"",
        "root_path": "",
        "client": (PEER, 5000),
        "server": ("127.0.0.1", 80),
        "headers": [HOST, *headers] if has_host else list(headers),
        **more,
    }


class Client:
    """What stands on the other side of `receive` and `send`.

    Args:
        messages: what `receive` brings, in order; an exception is raised, an event is waited for. After
            them it waits for `gone`, then says that the client disconnected. Left out: an empty body.
        on_send: awaited with each message that the app sends, before it counts as sent.

    Attributes:
        gone: set it, and the client has disconnected.
        sent: the messages that the app sent.
        receives: how often `receive` was called.
    """

    def __init__(
        self,
        *messages: Message | Exception | asyncio.Event,
        on_send: Callable[[Message], Awaitable[None]] | None = None,
    ) -> None:
        self._messages = list(messages) or [piece(b"")]
        self._on_send = on_send
        self.gone = asyncio.Event()
        self.sent: list[Message] = []
        self.receives = 0

    async def receive(self) -> Message:
        """Be the ASGI callable."""
        self.receives += 1
        while self._messages:
            message = self._messages.pop(0)
            if isinstance(message, asyncio.Event):
                await message.wait()
            elif isinstance(message, Exception):
                raise message
            else:
                return message
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Be the ASGI callable."""
        if self._on_send is not None:
            await self._on_send(message)
        self.sent.append(message)

    @property
    def status(self) -> int:
        """The status of the response."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> RawHeaders:
        """The fields of the response."""
        headers: RawHeaders = self.sent[0]["headers"]
        return headers

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def is_complete(self) -> bool:
        """Whether the response came to its end."""
        return bool(self.sent) and self.sent[-1].get("more_body") is False


def piece(body: bytes, *, more: bool = False) -> Message:
    """Return a message that brings a piece of the request's body."""
    return {"type": "http.request", "body": body, "more_body": more}


class Forwarding:
    """A forwarder to a transport, and the route that leads to it.

    Attributes:
        observer: what was told.
    """

    def __init__(
        self,
        transport: Transport | None = None,
        *,
        strip_prefix: str | None = None,
        observer: Observer | None = None,
        gate: Gate | None = None,
        **policy: Any,
    ) -> None:
        self.fake = FakeTransport(lambda _: Answer.text("answered"))
        self.observer = RecordingObserver()
        signer = RouteSigner("quotes", lambda: SECRET)
        given = ForwardPolicy("quotes", "sidecar", **{"signer": signer, **policy})
        self.forward = Forwarder(given, transport or self.fake, observer or self.observer, gate)
        spec = RouteSpec("quotes", "/api/{rest:path}", None, strip_prefix=strip_prefix)
        self._table: RouteTable[None] = RouteTable([spec])

    async def __call__(self, scope: Scope, client: Client) -> None:
        """Forward one request."""
        scope["forst.match"] = self._table.match(scope)
        scope["forst.decision"] = DECISION
        scope.setdefault("forst.request_id", RequestId.of(scope))
        await self.forward(scope, client.receive, client.send)

    async def answer(self, scope: Scope, *messages: Message | Exception) -> Client:
        """Forward one request and return the client that asked."""
        client = Client(*messages)
        await self(scope, client)
        return client


def sent_for(scope: Scope, *messages: Message, **policy: Any) -> UpstreamRequest:
    """Return the request that the upstream got for a scope."""
    forwarding = Forwarding(**policy)
    client = asyncio.run(asyncio.wait_for(forwarding.answer(scope, *messages), 30))
    assert client.status == 200, client.body
    (request,) = forwarding.fake.requests
    return request


def answered(scope: Scope, *messages: Message | Exception, **policy: Any) -> Client:
    """Return what the client got for a scope that is not forwarded."""
    forwarding = Forwarding(**policy)
    client = asyncio.run(asyncio.wait_for(forwarding.answer(scope, *messages), 30))
    assert not forwarding.fake.requests
    return client
