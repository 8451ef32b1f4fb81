"""What forwarding on one route does, as plain values."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import HTTPConnection

from forst_asgi.forward.forwarded import NOBODY, TrustedProxies
from forst_asgi.identity import RouteSigner

Claims: TypeAlias = Mapping[str, Any] | None
AuthCallable: TypeAlias = Callable[[HTTPConnection], Claims | Awaitable[Claims]]


@dataclass(frozen=True, slots=True)
class ForwardPolicy:
    """How requests on one route are forwarded.

    Attributes:
        route: the route's id, for events.
        upstream: the upstream's name, for events.
        timeout_s: a deadline for the whole call, None for none. Event streams are exempt from it once
            their head is there.
        idle_timeout_s: how long a response body may stand still, None for the upstream's own limit.
        client_timeout_s: how long the client may send nothing of a body, or take nothing of an answer, while
            it holds a connection to the upstream.
        max_body: bytes that a request body may have, None for any number.
        falls_back: whether the app answers when the sidecar does not, where nothing can happen twice.
        replay_max: bytes of a body that was sent to the sidecar which the app gets when it did not answer.
        host: the Host value that the upstream gets, None to keep the client's.
        auth: called before anything is sent; what it returns travels as `x-forst-identity`.
        signer: signs that; None, or no secret, and it does not travel, for nobody could believe it.
        pseudonym: what we call ourselves in Via on this route; finding it there means a loop.
        trusted: peers whose forwarding fields are believed.
    """

    route: str
    upstream: str
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    client_timeout_s: float = 60.0
    max_body: int | None = None
    falls_back: bool = False
    replay_max: int = 64 * 1024
    host: bytes | None = None
    auth: AuthCallable | None = None
    signer: RouteSigner | None = None
    pseudonym: bytes = b"forst"
    trusted: TrustedProxies = NOBODY
