"""The header with which a tester chooses the side: `x-forst-route`.

    x-forst-route: v1.sidecar.calculate.1767225600.<signature>

The parts are the target, the route's id, the second (Unix time) at which it ends, and HMAC-SHA256 over
"forst-route" 00 "v1" 00 target 00 route 00 end, in base64url without padding. The header may hold several,
parted by commas or in several lines, for several routes. Whatever else stands in it does nothing.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from forst_asgi.decision.asked import Peers
from forst_asgi.decision.outcome import OVERRIDDEN, Decision, Target
from forst_asgi.peers import peer_of
from forst_asgi.types import RawHeaders, Scope

HEADER: Final = b"x-forst-route"

SHORTEST_SECRET: Final = 16
"""Bytes; with fewer a signature can be guessed."""

MOST_TOKENS: Final = 8
"""How many tokens of a request are looked at, whoever sent them."""

_VERSION: Final = "v1"
_OF_PROXIES: Final = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)
"""Fields that tell that the peer is not the client; a proxy need not send any of them, and nginx does not."""


@dataclass(frozen=True, slots=True)
class OverridePolicy:
    """Whose override counts.

    Attributes:
        secrets: what valid tokens are signed with; the first signs new ones.
        unsigned_from: the peers whose bare "sidecar" or "app" counts; for development, without a proxy.
    """

    secrets: tuple[bytes, ...] = ()
    unsigned_from: Peers = ()


def sign(secret: bytes, target: Target, route: str, end: int) -> str:
    """Return a token, the value of the header.

    Args:
        secret: what to sign with.
        target: who shall answer.
        route: the id of the route that it is for.
        end: until when it counts, in Unix seconds.
    """
    return ".".join(
        (_VERSION, target.value, route, str(end), _signature(secret, target.value, route, str(end)))
    )


def _signature(secret: bytes, *parts: str) -> str:
    message = "\0".join(("forst-route", _VERSION, *parts)).encode()
    return urlsafe_b64encode(hmac.digest(secret, message, sha256)).rstrip(b"=").decode()


class Testers:
    """Reads the overrides of one route.

    Args:
        route: the route's id.
        policy: whose override counts.
        now: the time in Unix seconds.
    """

    def __init__(self, route: str, policy: OverridePolicy, now: Callable[[], float]) -> None:
        self._route = route
        self._policy = policy
        self._now = now

    def decision(self, scope: Scope) -> Decision | None:
        """Return what a tester asks for; None when nobody who may asks for anything."""
        for name, _ in scope["headers"]:
            if name == HEADER:
                return self._chosen(scope)
        return None

    def _chosen(self, scope: Scope) -> Decision | None:
        for number, token in enumerate(_tokens(scope["headers"])):
            if number == MOST_TOKENS:
                break
            target = self._unsigned(token, scope) if token in OVERRIDDEN else self._signed(token)
            if target is not None:
                return OVERRIDDEN[target]
        return None

    def _unsigned(self, token: str, scope: Scope) -> Target | None:
        """Return the target of a bare word from a peer that may, if nothing shows that it is a proxy."""
        if peer_of(scope) not in self._policy.unsigned_from:
            return None
        return None if any(name in _OF_PROXIES for name, _ in scope["headers"]) else Target(token)

    def _signed(self, token: str) -> Target | None:
        parts = token.split(".")
        if len(parts) != 5 or parts[0] != _VERSION or parts[2] != self._route or parts[1] not in OVERRIDDEN:
            return None
        _, target, route, end, signature = parts
        if not (end.isdecimal() and end.isascii() and len(end) <= 12 and int(end) > self._now()):
            return None
        is_ours = [
            hmac.compare_digest(signature, _signature(secret, target, route, end))
            for secret in self._policy.secrets
        ]
        return Target(target) if any(is_ours) else None


def _tokens(headers: RawHeaders) -> Iterator[str]:
    for name, value in headers:
        if name == HEADER and value.isascii():
            for token in value.decode("ascii").split(","):
                yield token.strip()
