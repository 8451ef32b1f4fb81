"""The testers' header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forst_asgi.decision import FlagSpec, OverridePolicy, Reason, Target, rollout_of, sign
from forst_asgi.decision.override import MOST_TOKENS
from tests.decision.asking import NOW, decided, scope

SECRET = b"0123456789abcdef"
OTHER = b"fedcba9876543210"
END = int(NOW) + 3600
POLICY = OverridePolicy((SECRET,))
OFF = FlagSpec("calculate", rollout_of("off"), override=POLICY)
ON = FlagSpec("calculate", rollout_of("on"), override=POLICY)
TOKEN = sign(SECRET, Target.SIDECAR, "calculate", END)


def side(
    value: str, policy: OverridePolicy = POLICY, *more: tuple[str, str], client: str = "192.0.2.7"
) -> str:
    """Return who answers on a route that is off, asked with this header: "sidecar" only by override."""
    request = scope(("x-forst-route", value), *more, client=client)
    found = decided(FlagSpec("calculate", rollout_of("off"), override=policy), request)
    assert (found.reason is Reason.OVERRIDE) is (found.target is Target.SIDECAR)
    return str(found.target)


def test_a_signed_header_chooses_the_side() -> None:
    """A tester reaches the sidecar of a route that is off, and the app of one that is on."""
    assert side(TOKEN) == "sidecar"
    token = sign(SECRET, Target.APP, "calculate", END)
    found = decided(ON, scope(("x-forst-route", token)))
    assert (found.target, found.reason) == (Target.APP, Reason.OVERRIDE)


def test_a_token_is_the_same_everywhere() -> None:
    """The format is pinned: the signature is HMAC-SHA256 over the parts with NULs between."""
    assert sign(SECRET, Target.SIDECAR, "calculate", 1767225600) == (
        "v1.sidecar.calculate.1767225600.uUl9_IU3zoUqn-VyV3htRboFG0YdznqoyHo8QXsIZL0"
    )


@pytest.mark.parametrize(
    "value",
    [
        "sidecar",
        "",
        "v1",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN.replace("v1.", "v2."),
        TOKEN.replace(str(END), str(END + 1)),
        TOKEN.replace(str(END), "9" * 5000),
        TOKEN.replace(str(END), "²²"),
        TOKEN.replace("calculate", "other"),
        TOKEN.rpartition(".")[0] + ".",
        TOKEN.upper(),
        TOKEN + ".x",
        sign(OTHER, Target.SIDECAR, "calculate", END),
        sign(b"", Target.SIDECAR, "calculate", END),
        sign(SECRET, Target.SIDECAR, "other", END),
        sign(SECRET, Target.SIDECAR, "calculate", int(NOW)),
        sign(SECRET, Target.SIDECAR, "calculate", int(NOW) - 1),
        "\xff" + TOKEN,
    ],
)
def test_whatever_is_not_signed_for_this_route_and_time_does_nothing(value: str) -> None:
    """An attacker's header changes nothing: unsigned, forged, altered, ended, or for another route."""
    assert side(value) == "app"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_no_text_is_a_token(value: str) -> None:
    """Nothing that is made up chooses a side, or raises."""
    assert side(value) == "app"


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    """Each part is signed."""
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert (side(changed) == "sidecar") is (changed.strip() == TOKEN)


def test_one_header_may_hold_tokens_for_several_routes() -> None:
    """They are parted by commas, or in lines of their own; the first that is valid counts."""
    other = sign(SECRET, Target.APP, "other", END)
    assert side(f"{other}, {TOKEN}") == "sidecar"
    assert side(other, POLICY, ("x-forst-route", TOKEN)) == "sidecar"


def test_only_so_many_tokens_are_looked_at() -> None:
    """A long header costs no more than a short one."""
    assert side(",".join(["x"] * (MOST_TOKENS - 1) + [TOKEN])) == "sidecar"
    assert side(",".join(["x"] * MOST_TOKENS + [TOKEN])) == "app"


def test_secrets_can_be_replaced_without_a_gap() -> None:
    """Tokens of every secret in the list count."""
    assert side(sign(OTHER, Target.SIDECAR, "calculate", END), OverridePolicy((SECRET, OTHER))) == "sidecar"


def test_a_bare_word_counts_from_trusted_peers_only() -> None:
    """In development no signature is needed, from the peers that are named."""
    development = OverridePolicy((), frozenset({"127.0.0.1"}))
    assert side("sidecar", development, client="127.0.0.1") == "sidecar"
    assert side("sidecar", development) == "app"
    assert side("both", development, client="127.0.0.1") == "app"
    assert side(TOKEN, development, client="127.0.0.1") == "app"


@pytest.mark.parametrize(
    "field", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
)
def test_a_bare_word_through_a_proxy_that_shows_does_not_count(field: str) -> None:
    """Behind such a proxy on the same machine every client would be trusted otherwise."""
    development = OverridePolicy((), frozenset({"127.0.0.1"}))
    assert side("sidecar", development, (field, "203.0.113.9"), client="127.0.0.1") == "app"


def test_a_peer_without_address_is_not_trusted() -> None:
    """A Unix socket is no network."""
    request = scope(("x-forst-route", "sidecar"), client=None)
    development = OverridePolicy((), frozenset({"127.0.0.1"}))
    assert decided(FlagSpec("calculate", rollout_of("off"), override=development), request).target == "app"
    assert decided(OFF, request).target == "app"
