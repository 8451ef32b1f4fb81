"""What a Connection field may nominate."""

import pytest

from forst_asgi.headers import nominated, values_of, without


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([], set()),
        ([b""], set()),
        ([b"close"], set()),
        ([b"X-One"], {b"x-one"}),
        ([b" x-one ,\tX-Two,, "], {b"x-one", b"x-two"}),
        ([b"x-one", b"x-two"], {b"x-one", b"x-two"}),
        ([b"host, content-length, authorization, cookie, set-cookie, transfer-encoding, te"], set()),
    ],
)
def test_nominated(values: list[bytes], names: set[bytes]) -> None:
    """Tokens of all lines, in lower case, without what is hop-by-hop anyway or must not be nominated."""
    assert nominated(values) == names


def test_by_name() -> None:
    """Fields are found and left out by name, in order."""
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    assert values_of(headers, b"a") == [b"1", b"3"]
    assert without(headers, frozenset({b"a"})) == [(b"b", b"2")]
