"""Forwarding without an upstream: what would be sent is caught at the seam where transports begin."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from forst_asgi.errors import SidecarNotReady
from forst_asgi.events import Event
from forst_asgi.forward import Forwarder, ForwardPolicy
from forst_asgi.messages import UpstreamRequest, UpstreamResponse
from forst_asgi.routing import RouteMatch
from forst_asgi.types import Message, Scope

_SMALL: Final = 64 * 1024
"""No longer body is waited for before it is forwarded."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer that the client gets instead of one from either side."""

    status: int
    why: str


def rehearse(policy: ForwardPolicy, scope: Scope) -> UpstreamRequest | Refusal:
    """Return what a forwarder would send upstream, or why it would not.

    Args:
        policy: how requests on the route are forwarded.
        scope: the request's scope as the middleware hands it on, with "forst.match" and "forst.decision".
    """
    return asyncio.run(_rehearse(policy, scope))


async def _rehearse(policy: ForwardPolicy, scope: Scope) -> UpstreamRequest | Refusal:
    catcher, answer = _Catcher(), _Answer(_declared_length(scope))
    await Forwarder(policy, catcher, Silence())(scope, answer.receive, answer.send)
    if catcher.request is not None:
        return catcher.request
    match: RouteMatch[object] = scope["forst.match"]
    return Refusal(answer.status, match.unsafe or answer.detail)


def _declared_length(scope: Scope) -> int:
    values = [value for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    return min(int(values[0]), _SMALL) if values else 0


class _Catcher:
    """A transport that keeps the request and answers nothing."""

    def __init__(self) -> None:
        self.request: UpstreamRequest | None = None

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.request = request
        raise SidecarNotReady("nothing is sent in a rehearsal")

    async def aclose(self) -> None: ...


class _Answer:
    """The client's side: a body as long as was declared, and what came back."""

    def __init__(self, length: int) -> None:
        self._body = bytes(length)
        self.status = 0
        self._content = b""

    @property
    def detail(self) -> str:
        """What the problem document says is wrong."""
        return str(json.loads(self._content)["detail"]).replace("-", " ")

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self._content += message.get("body", b"")


class Silence:
    """An observer that tells nobody."""

    wants_requests = False

    def observe(self, event: Event) -> None:
        """Take no note of it."""
