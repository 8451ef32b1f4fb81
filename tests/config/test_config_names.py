"""Names: of routes, methods, headers, hosts, variables, callables and networks."""

from collections.abc import Callable

import pytest
from pydantic_core import PydanticCustomError

from forst_asgi.config import names

Check = Callable[[str], str]


@pytest.mark.parametrize(
    ("check", "value", "normal"),
    [
        (names.identifier, "get-quote_2", "get-quote_2"),
        (names.method, "post", "POST"),
        (names.method, "M-SEARCH", "M-SEARCH"),
        (names.header_name, "X-Version", "x-version"),
        (names.header_value, "*", "*"),
        (names.header_value, "text/html; q=1", "text/html; q=1"),
        (names.host_pattern, "API.example.com", "api.example.com"),
        (names.host_pattern, "*.Example.com", "*.example.com"),
        (names.host_pattern, "[::1]", "[::1]"),
        (names.host_policy, "keep", "keep"),
        (names.host_policy, "api.internal:8080", "api.internal:8080"),
        (names.env_name, "DATABASE_URL", "DATABASE_URL"),
        (names.env_value, "", ""),
        (names.auth, "none", "none"),
        (names.auth, "upstream", "upstream"),
        (names.auth, "shop.auth:Users.check", "shop.auth:Users.check"),
        (names.peers, "unix", "unix"),
        (names.network, "10.0.0.0/8", "10.0.0.0/8"),
        (names.network, "127.0.0.1", "127.0.0.1/32"),
        (names.network, "::1", "::1/128"),
    ],
)
def test_a_good_name_is_brought_into_its_normal_form(check: Check, value: str, normal: str) -> None:
    """Names pass, with their case folded where case means nothing."""
    assert check(value) == normal


@pytest.mark.parametrize(
    ("check", "value", "suggestion"),
    [
        (names.identifier, "Get Quote!", "get-quote"),
        (names.identifier, "-x", "x"),
        (names.identifier, "", None),
        (names.identifier, "a\n", "a"),
        (names.method, "connect", None),
        (names.method, "TRACE", None),
        (names.method, "GET POST", None),
        (names.method, "", None),
        (names.header_name, "x version", None),
        (names.header_name, "", None),
        (names.header_name, "X-Forst-Identity", None),
        (names.header_value, "", None),
        (names.header_value, " 2", None),
        (names.header_value, "a\nb", None),
        (names.header_value, "€", None),
        (names.host_pattern, "https://api.example.com/v1", "api.example.com"),
        (names.host_pattern, "api.example.com:8080", "api.example.com"),
        (names.host_pattern, "*.*.com", None),
        (names.host_pattern, "a..b", None),
        (names.host_pattern, "exa*.com", None),
        (names.host_pattern, "", None),
        (names.host_policy, "", None),
        (names.host_policy, "a b", None),
        (names.host_policy, "http://h", None),
        (names.env_name, "2X", None),
        (names.env_name, "A=B", None),
        (names.env_value, "a\0b", None),
        (names.auth, "shop.auth.check", "shop.auth:check"),
        (names.auth, "upstrem", "upstream"),
        (names.auth, "shop:auth:check", None),
        (names.auth, "", None),
        (names.network, "10.0.0.1/8", "10.0.0.0/8"),
        (names.network, "*", "0.0.0.0/0"),
        (names.network, "localhost", "127.0.0.1/32"),
        (names.peers, "unx", "unix"),
        (names.network, "unx", None),
        (names.network, "proxy.internal", None),
    ],
)
def test_a_bad_name_is_refused_with_a_suggestion(check: Check, value: str, suggestion: str | None) -> None:
    """What cannot be used is refused; what was probably meant is suggested where it can be guessed."""
    with pytest.raises(PydanticCustomError) as caught:
        check(value)
    context = caught.value.context or {}
    assert context["suggestion"] == suggestion
    assert context["problem"] or context["expected"]
