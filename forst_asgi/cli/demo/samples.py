"""The requests that the demo makes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_JSON: Final = "application/json"
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One request.

    Attributes:
        method, target: its first line.
        label: what is shown for it.
        body: the content; b"" for none.
        content_type: what that is; "" for none.
    """

    method: str
    target: str
    label: str
    body: bytes = b""
    content_type: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields that the client adds to its own."""
        return {"content-type": self.content_type} if self.content_type else {}


def _post_json(target: str, label: str, value: Any) -> Sample:
    return Sample("POST", target, label, json.dumps(value).encode(), _JSON)


def _order(number: int) -> dict[str, str]:
    return {
        "id": f"o-{number}",
        "customer": "  ada   LOVELACE ",
        "email": f"Ada.{number}@Example.org",
        "amount": f"{number % 997}.{number % 1000:03}",
        "currency": ("gbp", "usd", "eur")[number % 3],
        "placed_at": "2024-02-29T23:59:59+01:30",
    }


SAMPLES: Final = (
    _post_json(
        "/process-data",
        "POST /process-data (1,000)",
        {"target": "EUR", "orders": [_order(number) for number in range(1000)]},
    ),
    Sample("GET", "/search?q=golden+riv&limit=10", "GET /search?q=golden+riv"),
    _post_json(
        "/calculate",
        "POST /calculate (20,000)",
        {"values": [(number * 7919 % 10007) / 16 for number in range(20_000)]},
    ),
    Sample("GET", "/events?n=100&interval_ms=0", "GET /events?n=100"),
    Sample("POST", "/upload", "POST /upload (4 MiB)", bytes(4 * _MIB), "application/octet-stream"),
    Sample("GET", f"/download?size={8 * _MIB}", "GET /download (8 MiB)"),
    Sample("GET", "/health", "GET /health"),
    Sample("GET", "/quotes/2", "GET /quotes/2"),
    _post_json("/notifications", "POST /notifications", {"to": "ada", "text": "hello"}),
)
"""One for each endpoint that Go answers, and some that stay in Python."""
