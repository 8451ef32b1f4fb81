"""The caller's identity on its way to the sidecar: claims, signed for one request (wire format "v1").

    x-forst-identity: v1.<key id>.<payload>.<signature>

    payload    base64url of {"claims": {...}, "exp": <s>, "iat": <s>, "route": "<id>"}, seconds since 1970
    signature  base64url of HMAC-SHA256(key, "v1.<key id>.<payload>" LF <method> SP <request-target>)
    key        HMAC-SHA256(secret, "forst identity v1 key")
    key id     base64url of the first 6 bytes of HMAC-SHA256(secret, "forst identity v1 key id")

base64url is that of RFC 4648 section 5, without padding. Method and target are those that the upstream
sees, byte for byte; neither can hold a space or a line feed, so no two requests have one signed text. The
body is not covered: it has not been read yet. A signature holds for its own request line only, and for
`LIFETIME_S`: within that time the very same request line could be sent again by who can read the
sidecar's connection.

The secret is made anew at each boot and passed to the sidecar by file descriptor. In attach mode both
sides read it from a file or a variable (`read_secrets`); several secrets, one a line, make a change of
secret possible without a gap: the first one signs, all of them are accepted.

`go/forstsidecar/identity.go` is the other side; `go/forstsidecar/testdata/identity1.json` holds values
that both must agree on.
"""

import binascii
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from forst_asgi.errors import ConfigError, ForstError

LIFETIME_S: Final = 60
"""How long a signature holds. It has to outlast the wait for a connection, not the request itself."""

SKEW_S: Final = 5
"""By how much the clocks of both sides may differ."""

LEAST_SECRET: Final = 32
"""How many bytes a secret must have: as many as the digest (RFC 2104 section 3)."""

_VERSION: Final = b"v1"


class IdentityRefused(ForstError):
    """The value is not what we signed for this request; the text says why."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What a signature is bound to.

    Attributes:
        method: as the upstream sees it.
        target: the request-target, path and query, as the upstream sees it.
    """

    method: bytes
    target: bytes


class Signer:
    """Signs claims, and checks what it has signed.

    Args:
        secret: at least `LEAST_SECRET` bytes that nobody else knows.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < LEAST_SECRET:
            raise ValueError(f"a secret of {len(secret)} bytes; expected at least {LEAST_SECRET}")
        self._key = hmac.digest(secret, b"forst identity v1 key", "sha256")
        self.key_id = _encode(hmac.digest(secret, b"forst identity v1 key id", "sha256")[:6])
        self._head = b"%s.%s." % (_VERSION, self.key_id)

    def __repr__(self) -> str:
        return f"<Signer {self.key_id.decode()}>"

    def sign(self, claims: Mapping[str, Any], route: str, line: RequestLine, now: float) -> bytes:
        """Return the value of `x-forst-identity`.

        Args:
            claims: what the route's `auth` callable returned.
            route: the route's id.
            line: the request that is about to be sent.
            now: seconds since 1970.

        Raises:
            TypeError, ValueError: JSON has no form for the claims.
        """
        issued = int(now)
        payload = {"claims": dict(claims), "exp": issued + LIFETIME_S, "iat": issued, "route": route}
        text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
        signed = self._head + _encode(text.encode())
        return b"%s.%s" % (signed, _encode(self._digest(signed, line)))

    def verify(self, value: bytes, line: RequestLine, now: float) -> dict[str, Any]:
        """Return the payload: `claims`, `exp`, `iat` and `route`. For tests, and for sidecars in Python.

        Raises:
            IdentityRefused: we did not sign it, not for this request, or too long ago.
        """
        signed, _, signature = value.rpartition(b".")
        if not signed.startswith(self._head):
            raise IdentityRefused("not of this version or not signed with this key")
        if not hmac.compare_digest(_encode(self._digest(signed, line)), signature):
            raise IdentityRefused("the signature is wrong")
        payload = _decode(signed.removeprefix(self._head))
        if not payload["iat"] - SKEW_S <= now <= payload["exp"]:
            raise IdentityRefused("the signature does not hold at this time")
        return payload

    def _digest(self, signed: bytes, line: RequestLine) -> bytes:
        return hmac.digest(self._key, b"%s\n%s %s" % (signed, line.method, line.target), "sha256")


class RouteSigner:
    """Signs for one route, with whatever secret holds at the moment.

    Args:
        route: the route's id.
        secret: returns the secret; None while there is none.
        now: returns seconds since 1970.
    """

    def __init__(
        self, route: str, secret: Callable[[], bytes | None], now: Callable[[], float] = time.time
    ) -> None:
        self._route = route
        self._secret = secret
        self._now = now
        self._known: tuple[bytes, Signer] | None = None

    def __repr__(self) -> str:
        return f"<RouteSigner {self._route}>"

    def sign(self, claims: Mapping[str, Any], line: RequestLine) -> bytes | None:
        """Return the value of `x-forst-identity`; None without a secret, for nobody could verify it.

        Raises:
            TypeError, ValueError: JSON has no form for the claims.
        """
        secret = self._secret()
        if not secret:
            return None
        if self._known is None or self._known[0] != secret:
            self._known = secret, Signer(secret)
        return self._known[1].sign(claims, self._route, line, self._now())


def read_secrets(text: str, where: str) -> tuple[bytes, ...]:
    """Return the secrets in the content of a file or variable, one a line; the first one signs.

    Blank lines are skipped, and so is white space around a secret.

    Args:
        text: the content.
        where: what to call it in an error.

    Raises:
        ConfigError: there is none, or one is too short. The text does not tell the secret.
    """
    secrets = tuple(line.strip().encode() for line in text.splitlines() if line.strip())
    if not secrets:
        raise ConfigError(f"{where}: is empty, expected a secret of at least {LEAST_SECRET} bytes")
    _refuse_short(secrets, where)
    return secrets


def _refuse_short(secrets: Iterable[bytes], where: str) -> None:
    for number, secret in enumerate(secrets, 1):
        if len(secret) < LEAST_SECRET:
            raise ConfigError(
                f"{where}: secret {number} has {len(secret)} bytes, expected at least {LEAST_SECRET}: "
                'python -c "import secrets; print(secrets.token_urlsafe(48))" makes one'
            )


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> dict[str, Any]:
    """Return the payload; it was signed, so whatever is wrong with it was our doing."""
    try:
        payload: dict[str, Any] = json.loads(urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as error:
        raise IdentityRefused("the payload is not JSON") from error
    return payload
