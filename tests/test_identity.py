"""Claims are signed for one request and one minute; both sides agree on every byte."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.errors import ConfigError
from forst_asgi.identity import (
    LIFETIME_S,
    SKEW_S,
    IdentityRefused,
    RequestLine,
    RouteSigner,
    Signer,
    read_secrets,
)

ROOT = Path(__file__).parents[1]
GOLDEN = json.loads((ROOT / "go" / "forstsidecar" / "testdata" / "identity1.json").read_text())

SECRET = b"0123456789abcdef0123456789abcdef"
LINE = RequestLine(b"POST", b"/orders?id=7")
NOW = 1_700_000_000.75


def signed(claims: dict[str, Any] | None = None) -> bytes:
    """A good value."""
    return Signer(SECRET).sign({"sub": "ada"} if claims is None else claims, "orders", LINE, NOW)


@pytest.mark.parametrize("case", GOLDEN["values"], ids=lambda case: case["name"])
def test_golden_values(case: dict[str, Any]) -> None:
    """The value is, to the byte, what the Go module's tests read."""
    line = RequestLine(case["method"].encode(), case["target"].encode())
    signer = Signer(case["secret"].encode())
    assert signer.key_id.decode() == case["key_id"]
    assert signer.sign(case["claims"], case["route"], line, case["now"]).decode() == case["value"]


@pytest.mark.parametrize("case", GOLDEN["refused"], ids=lambda case: case["name"])
def test_golden_refusals(case: dict[str, Any]) -> None:
    """What Go refuses is refused here too."""
    line = RequestLine(case["method"].encode(), case["target"].encode())
    with pytest.raises(IdentityRefused):
        Signer(GOLDEN["secret"].encode()).verify(case["value"].encode(), line, case["now"])


def test_what_was_signed_is_read_back() -> None:
    """The payload names claims, times in whole seconds, and the route."""
    payload = Signer(SECRET).verify(signed({"sub": "ünal", "n": 2**60}), LINE, NOW)
    issued = int(NOW)
    assert payload == {
        "claims": {"sub": "ünal", "n": 2**60},
        "exp": issued + LIFETIME_S,
        "iat": issued,
        "route": "orders",
    }


@pytest.mark.parametrize(
    "line",
    [RequestLine(b"GET", b"/orders?id=7"), RequestLine(b"POST", b"/orders?id=8"), RequestLine(b"POST", b"/")],
)
def test_another_request_is_refused(line: RequestLine) -> None:
    """A signature is of use for its own method and target only."""
    with pytest.raises(IdentityRefused, match="signature is wrong"):
        Signer(SECRET).verify(signed(), line, NOW)


@pytest.mark.parametrize("now", [NOW + LIFETIME_S + 1, NOW - SKEW_S - 1])
def test_another_time_is_refused(now: float) -> None:
    """A signature holds for a minute, and not before it was made."""
    with pytest.raises(IdentityRefused, match="does not hold"):
        Signer(SECRET).verify(signed(), LINE, now)


def test_every_changed_byte_is_noticed() -> None:
    """No byte of the value can be another."""
    value = signed()
    for at in range(len(value)):
        changed = bytearray(value)
        changed[at] = ord("A") if changed[at] != ord("A") else ord("B")
        with pytest.raises(IdentityRefused):
            Signer(SECRET).verify(bytes(changed), LINE, NOW)


@pytest.mark.parametrize("value", [b"", b".", b"v1", b"v1..", b"eyJzdWIiOiJyb290In0"])
def test_an_unsigned_value_is_refused(value: bytes) -> None:
    """Neither nothing nor claims alone will do."""
    with pytest.raises(IdentityRefused):
        Signer(SECRET).verify(value, LINE, NOW)


def test_a_signed_payload_that_is_no_json() -> None:
    """Even what carries a good signature is read with care."""
    signer = Signer(SECRET)
    signed_text = b"v1.%s.%s" % (signer.key_id, urlsafe_b64encode(b"{"))
    value = b"%s.%s" % (signed_text, urlsafe_b64encode(signer._digest(signed_text, LINE)).rstrip(b"="))
    with pytest.raises(IdentityRefused, match="not JSON"):
        signer.verify(value, LINE, NOW)


@pytest.mark.parametrize("claims", [{"n": float("nan")}, {"o": object()}])
def test_claims_that_json_has_no_form_for(claims: dict[str, Any]) -> None:
    """They are the app's mistake, and nothing is signed."""
    with pytest.raises((TypeError, ValueError)):
        signed(claims)


def test_the_secret_shows_nowhere() -> None:
    """A signer names its key, not its secret."""
    assert repr(Signer(SECRET)) == "<Signer xLrV2uJh>"


def test_a_short_secret_is_no_secret() -> None:
    """Fewer bytes than the digest has are refused."""
    with pytest.raises(ValueError, match="31 bytes; expected at least 32"):
        Signer(SECRET[:31])


def test_secrets_stand_one_a_line() -> None:
    """The first one signs; blank lines and space around them mean nothing."""
    text = f"\n  {SECRET.decode()}\n\n{'x' * 40}\r\n"
    assert read_secrets(text, "secrets.txt") == (SECRET, b"x" * 40)


@pytest.mark.parametrize(("text", "problem"), [(" \n", "is empty"), ("hunter2\n", "secret 1 has 7 bytes")])
def test_secrets_that_are_none(text: str, problem: str) -> None:
    """The error names the place and what was expected, not the secret."""
    with pytest.raises(ConfigError, match=problem) as refused:
        read_secrets(text, "FORST_SECRET")
    assert str(refused.value).startswith("FORST_SECRET: ")
    assert "hunter2" not in str(refused.value)


def test_a_route_signs_with_the_secret_of_the_moment() -> None:
    """A secret may come late and may change; without one nothing is signed."""
    secrets: list[bytes | None] = [None, SECRET, SECRET, b"x" * 40]
    signer = RouteSigner("orders", lambda: secrets.pop(0), lambda: NOW)
    assert repr(signer) == "<RouteSigner orders>"
    assert signer.sign({"sub": "ada"}, LINE) is None
    assert signer.sign({"sub": "ada"}, LINE) == signer.sign({"sub": "ada"}, LINE) == signed()
    last = signer.sign({"sub": "ada"}, LINE)
    assert last is not None
    assert Signer(b"x" * 40).verify(last, LINE, NOW)["claims"] == {"sub": "ada"}
