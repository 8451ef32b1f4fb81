"""Scopes as a server would make them."""

from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import pytest

from forst_asgi.types import RawHeaders


class ScopeOf(Protocol):
    """Makes an ASGI scope of a raw path."""

    def __call__(
        self,
        raw: bytes,
        *,
        method: str = "GET",
        query: bytes = b"",
        headers: RawHeaders | None = None,
        root_path: str = "",
    ) -> dict[str, Any]: ...


def scope_of_raw_path(
    raw: bytes,
    *,
    method: str = "GET",
    query: bytes = b"",
    headers: RawHeaders | None = None,
    root_path: str = "",
) -> dict[str, Any]:
    """Decode the path as a whole, as every server does."""
    return {
        "type": "http",
        "method": method,
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
        "raw_path": raw,
        "query_string": query,
        "root_path": root_path,
        "headers": headers or [],
    }


@pytest.fixture(scope="session")
def scope_of() -> ScopeOf:
    """What turns a raw path into a scope."""
    return scope_of_raw_path
