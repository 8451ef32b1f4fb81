"""Who is at the other end of a connection."""

import pytest

from forst_asgi.peers import peer_of
from forst_asgi.types import Scope


@pytest.mark.parametrize(
    ("scope", "peer"),
    [
        ({"client": ("192.0.2.7", 4711)}, "192.0.2.7"),
        ({"client": ["2001:db8::1", 4711]}, "2001:db8::1"),
        ({"client": ("", 0)}, None),
        ({"client": None}, None),
        ({}, None),
    ],
)
def test_a_peer_without_an_address_is_none(scope: Scope, peer: str | None) -> None:
    """ASGI allows no client at all, and servers differ in what they say of a Unix socket."""
    assert peer_of(scope) == peer
