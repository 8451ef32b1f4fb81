"""Addresses of upstreams."""

from pathlib import Path

import pytest

from forst_asgi.config import Address, ConfigError, UpstreamConfig
from forst_asgi.sockets import SOCKET_PATH_LIMIT


def _address(text: str) -> Address:
    address = UpstreamConfig(address=text).address
    assert address is not None
    return address


def _refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        UpstreamConfig(address=text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/app/sidecar.sock", Address("unix", path="/run/app/sidecar.sock")),
        ("unix:///run/app/sidecar.sock", Address("unix", path="/run/app/sidecar.sock")),
        ("http://127.0.0.1:9000", Address("tcp", host="127.0.0.1", port=9000)),
        ("http://localhost/", Address("tcp", host="localhost", port=80)),
        ("https://quotes.internal", Address("tls", host="quotes.internal", port=443)),
        ("https://[::1]:8443", Address("tls", host="::1", port=8443)),
    ],
)
def test_an_address_is_parsed(text: str, address: Address) -> None:
    """Each form of address gives its kind and its parts, and the default port of its scheme."""
    assert _address(text) == address


@pytest.mark.parametrize("text", ["unix:/run/s.sock", "http://127.0.0.1:9000", "https://[::1]:8443"])
def test_str_of_an_address_is_what_was_written(text: str) -> None:
    """An address turns back into the text it came from."""
    assert str(_address(text)) == text


def test_an_address_object_is_taken_as_it_is() -> None:
    """Python code may pass an Address instead of text."""
    address = Address("tcp", host="h", port=1)
    assert UpstreamConfig(address=address).address is address


def test_a_relative_socket_is_relative_to_the_working_directory_in_python() -> None:
    """Without a file, the working directory is where relative paths begin, and ~ is the home folder."""
    assert _address("unix:run/s.sock").path == str(Path.cwd() / "run/s.sock")
    assert _address("unix:~/s.sock").path == str(Path("~/s.sock").expanduser())


def test_a_home_that_does_not_exist_is_refused() -> None:
    """`~somebody` without a home folder is a mistake, not a folder of that name."""
    assert "there is no such home folder" in _refusal("unix:~nobody-has-this-name/s.sock")


def test_a_socket_path_may_be_as_long_as_the_kernel_allows() -> None:
    """The limit is counted in bytes: the longest path passes, one byte more or a wide character does not."""
    longest = "/" + "s" * (SOCKET_PATH_LIMIT - 1)
    assert _address(f"unix:{longest}").path == longest
    assert f"is {SOCKET_PATH_LIMIT + 1} bytes long" in _refusal(f"unix:{longest}s")
    assert f"is {SOCKET_PATH_LIMIT + 1} bytes long" in _refusal(f"unix:{longest[:-1]}ü")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unix:", "expected a path"),
        ("unix:a\0b", "expected a path"),
        ("unix:@name", "abstract sockets are not supported"),
        ("/run/s.sock", 'the scheme is missing, expected "unix:/path/to.sock" or "http://host:port"'),
        ("/run/s.sock", 'did you mean "unix:/run/s.sock"?'),
        ("run.sock", 'did you mean "unix:run.sock"?'),
        ("127.0.0.1:9000", 'did you mean "http://127.0.0.1:9000"?'),
        ("nonsense", "the scheme is missing"),
        ("htp://h:1", 'the scheme "htp" is not known'),
        ("htp://h:1", 'did you mean "http://h:1"?'),
        ("unx://run/s", 'did you mean "unix:run/s"?'),
        ("ftp+x://h", 'the scheme "ftp+x" is not known'),
        ("http:/h:1", "the scheme is missing"),
        ("http://", "the host is missing or malformed"),
        ("http://a b:1", "the host is missing or malformed"),
        ("http://h:99999", "port out of range"),
        ("http://h:0", "port 0 cannot be connected to"),
        ("http://[::1", "invalid ipv6"),
        (
            "http://h:1/v1",
            'an address has no path; a route\'s `rewrite` can add one, did you mean "http://h:1"?',
        ),
        ("http://h:1?a=b", "an address has no query or fragment"),
        ("http://h:1#f", "an address has no query or fragment"),
    ],
)
def test_a_malformed_address_is_explained(text: str, said: str) -> None:
    """What is wrong is said in words, with the likeliest correction."""
    assert said in _refusal(text)


@pytest.mark.parametrize("text", ["http://user:hunter2@h:1", "htp://user:hunter2@h:1", "redis://:hunter2@h"])
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    """Credentials never reach the error text, whatever else is wrong with the address."""
    assert "hunter2" not in _refusal(text)


def test_an_address_is_text() -> None:
    """Another type is refused with both forms of address."""
    with pytest.raises(ConfigError, match=r'address = 9000: expected "unix:/path/to.sock" or "http://host'):
        UpstreamConfig(address=9000)  # type: ignore[arg-type]  # the mistake under test
