"""X-Forwarded-*, Forwarded and Via: who is asking, and who is believed (item 13)."""

import asyncio
import ipaddress
from typing import Any

import pytest

from forst_asgi.forward import TrustedProxies
from forst_asgi.types import Header, RawHeaders
from tests.forward.calls import PEER, Forwarding, answered, http_scope, sent_for

CLAIMED: RawHeaders = [
    (b"x-forwarded-for", b"198.51.100.1, 198.51.100.2"),
    (b"x-forwarded-for", b"198.51.100.3"),
    (b"x-forwarded-host", b"www.example"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-port", b"443"),
    (b"x-forwarded-prefix", b"/outer"),
    (b"x-real-ip", b"198.51.100.1"),
    (b"forwarded", b"for=198.51.100.1"),
]

NETWORK = TrustedProxies((ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")))
UNIX = TrustedProxies((), trusts_unix=True)


def about(*headers: Header, policy: dict[str, object] | None = None, **more: Any) -> dict[bytes, bytes]:
    """Return what the upstream is told about the client; no field comes twice."""
    fields = sent_for(http_scope(*headers, **more), **(policy or {})).headers
    told = [field for field in fields if field[0] not in (b"host", b"x-request-id")]
    assert len(dict(told)) == len(told)
    return dict(told)


@pytest.mark.item(13)
def test_stranger() -> None:
    """What a peer that is not trusted says of itself is replaced."""
    assert about(*CLAIMED) == {
        b"x-forwarded-for": b"192.0.2.7",
        b"x-real-ip": b"192.0.2.7",
        b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"api.example",
        b"forwarded": b"for=192.0.2.7;host=api.example;proto=http",
        b"via": b"1.1 forst",
    }


@pytest.mark.item(13)
def test_trusted_proxy() -> None:
    """What a trusted proxy says is kept; it is appended to the lists itself."""
    assert about(*CLAIMED, policy={"trusted": NETWORK, "strip_prefix": "/api"}) == {
        b"x-forwarded-for": b"198.51.100.1, 198.51.100.2, 198.51.100.3, 192.0.2.7",
        b"x-forwarded-host": b"www.example",
        b"x-forwarded-proto": b"https",
        b"x-forwarded-port": b"443",
        b"x-forwarded-prefix": b"/outer/api",
        b"x-real-ip": b"198.51.100.1",
        b"forwarded": b"for=198.51.100.1, for=192.0.2.7;host=api.example;proto=http",
        b"via": b"1.1 forst",
    }


@pytest.mark.item(13)
def test_trusted_proxy_that_says_little() -> None:
    """What a trusted proxy leaves out is filled in from the connection."""
    told = about((b"x-forwarded-proto", b"https"), policy={"trusted": NETWORK})
    assert told[b"x-forwarded-proto"] == b"https"
    assert (told[b"x-forwarded-for"], told[b"x-real-ip"]) == (b"192.0.2.7", b"192.0.2.7")
    told = about((b"x-forwarded-for", b"198.51.100.1"), policy={"trusted": NETWORK})
    assert told[b"x-forwarded-for"] == b"198.51.100.1, 192.0.2.7"
    assert b"x-real-ip" not in told  # ours would be the proxy's


@pytest.mark.item(13)
@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        (PEER, True),
        ("203.0.113.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:192.0.2.9", True),
        ("::ffff:203.0.113.1", False),
        ("a name", False),
        (None, False),
    ],
)
def test_who_is_trusted(peer: str | None, *, is_trusted: bool) -> None:
    """Networks hold addresses of their own kind, mapped IPv4 included; names and nobody are not in them."""
    for _ in range(2):
        assert (peer in NETWORK) is is_trusted
    assert (None in UNIX) is True
    assert PEER not in UNIX


def test_answers_are_not_remembered_without_end() -> None:
    """More peers than are remembered are still told apart."""
    for number in range(3000):
        assert (f"192.0.2.{number % 256}" in NETWORK) is True
        assert (f"203.0.{number // 256}.{number % 256}" in NETWORK) is False


@pytest.mark.item(13)
def test_ipv6_client() -> None:
    """An IPv6 address stands as it is in X-Forwarded-For, in brackets and quotes in Forwarded."""
    told = about(client=("2001:db8::1", 1))
    assert told[b"x-forwarded-for"] == told[b"x-real-ip"] == b"2001:db8::1"
    assert told[b"forwarded"].startswith(b'for="[2001:db8::1]";')


@pytest.mark.item(13)
@pytest.mark.parametrize("client", [None, {}])
def test_client_without_an_address(client: object) -> None:
    """On a Unix socket there is no address to tell."""
    told = about(*CLAIMED, client=client)
    assert not {b"x-forwarded-for", b"x-real-ip"} & told.keys()
    assert told[b"forwarded"] == b"for=unknown;host=api.example;proto=http"


@pytest.mark.item(13)
def test_trusted_proxy_on_a_unix_socket() -> None:
    """A proxy on a Unix socket can be trusted; it has no address to append."""
    told = about(*CLAIMED, client=None, policy={"trusted": UNIX})
    assert told[b"x-forwarded-for"] == b"198.51.100.1, 198.51.100.2, 198.51.100.3"
    assert told[b"x-forwarded-host"] == b"www.example"


@pytest.mark.item(13)
@pytest.mark.parametrize(("scheme", "proto"), [("https", b"https"), ("ws", b"http"), ("wss", b"https")])
def test_scheme(scheme: str, proto: bytes) -> None:
    """The scheme is told as http or https."""
    assert about(scheme=scheme)[b"x-forwarded-proto"] == proto


@pytest.mark.item(13)
def test_host_that_is_no_token() -> None:
    """A host with a port is quoted in Forwarded."""
    told = about((b"host", b"[::1]:8000"), host=False)
    assert told[b"forwarded"] == b'for=192.0.2.7;host="[::1]:8000";proto=http'


@pytest.mark.item(13)
def test_oldest_version() -> None:
    """Via names HTTP/1.0 as such, also where the server calls it 1."""
    assert about(http_version="1")[b"via"].startswith(b"1.0 ")
    assert about(http_version="1.0")[b"via"].startswith(b"1.0 ")


def test_many_peers() -> None:
    """The fields are right for more peers than are remembered."""
    forwarding = Forwarding()

    async def main() -> None:
        for number in range(1100):
            await forwarding.answer(http_scope(client=(f"peer-{number}", 1)))
            fields = dict(forwarding.fake.requests[-1].headers)
            assert fields[b"x-real-ip"] == b"peer-%d" % number

    asyncio.run(main())


@pytest.mark.item(15)
def test_via_is_kept_and_added_to() -> None:
    """Entries of Via are passed on in order; ours comes last."""
    fields = sent_for(http_scope((b"via", b"1.0 a, 2 b"), (b"via", b"1.1 c (forst)"))).headers
    assert [value for name, value in fields if name == b"via"] == [
        b"1.0 a, 2 b",
        b"1.1 c (forst)",
        b"1.1 forst",
    ]


@pytest.mark.item(15)
def test_loop() -> None:
    """A request that has been here before, as Via says, is answered 502 (item 15)."""
    client = answered(http_scope((b"via", b"1.1 a, 1.1 forst")))
    assert client.status == 502
    assert b"loop-detected" in client.body
