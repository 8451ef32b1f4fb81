"""The names that users import, pinned: taking one away breaks somebody."""

import forst_asgi

PUBLIC = [
    "Config",
    "ConfigError",
    "Event",
    "ForstError",
    "Http1Transport",
    "HttpxTransport",
    "LogsConfig",
    "Observer",
    "RequestError",
    "RouteConfig",
    "SidecarError",
    "SidecarMiddleware",
    "TlsConfig",
    "Transport",
    "UpstreamConfig",
    "UpstreamError",
    "UpstreamRequest",
    "UpstreamResponse",
]


def test_the_public_names_are_exactly_these() -> None:
    """`forst_asgi.__all__` holds these names, in order."""
    assert list(forst_asgi.__all__) == PUBLIC


def test_every_public_name_is_there_and_documented() -> None:
    """Each public name can be imported and says what it is."""
    for name in forst_asgi.__all__:
        assert getattr(forst_asgi, name).__doc__, name


def test_every_error_of_ours_is_a_forst_error() -> None:
    """`except ForstError` catches every exception that is public."""
    for name in forst_asgi.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(forst_asgi, name), forst_asgi.ForstError), name
