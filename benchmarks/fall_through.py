"""What a request that is not forwarded pays for the middleware, in microseconds of CPU.

    python -m benchmarks.fall_through

The same empty ASGI callable is driven with and without the middleware around it, in one process, without a
server; the difference is the price. Best of several rounds, since nothing but noise makes code slower.
"""

import timeit
from collections.abc import Iterator

from forst_asgi import Config, SidecarMiddleware
from forst_asgi.types import ASGIApp, Receive, Scope, Send

CALLS = 20_000
ROUNDS = 15


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Do nothing."""


def main() -> None:
    """Measure and print a table."""
    print("| routes | same path again, µs | ever new paths, µs |\n|---|---|---|")
    for routes in (0, 1, 10, 1000, 10_000):
        app = SidecarMiddleware(nothing, _config(routes))
        print(f"| {routes} | {_price(app, vary=False):.2f} | {_price(app, vary=True):.2f} |")


def _config(count: int) -> Config:
    routes = [
        {
            "id": f"r{i}",
            "path": f"/svc{i}/items/{{id:int}}" if i % 2 else f"/svc{i}/list",
            "mode": "on",
            "auth": "none",
        }
        for i in range(count)
    ]
    return Config.model_validate({"sidecar": {"address": "unix:/nowhere.sock"}, "route": routes})


def _price(app: ASGIApp, *, vary: bool) -> float:
    return _best(app, vary=vary) - _best(nothing, vary=vary)


def _best(app: ASGIApp, *, vary: bool) -> float:
    scopes = _scopes(vary=vary)
    return min(timeit.repeat(lambda: _drive(app, next(scopes)), number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def _drive(app: ASGIApp, scope: Scope) -> None:
    call = app(scope, None, None)  # type: ignore[arg-type]  # nothing receives or sends
    try:
        call.send(None)  # type: ignore[attr-defined]  # it is a coroutine
    except StopIteration:
        return


def _scopes(*, vary: bool) -> Iterator[Scope]:
    paths = [f"/accounts/{i}/orders" for i in range(CALLS if vary else 1)]
    headers = [(b"host", b"example.com"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    scopes: list[Scope] = [
        {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 5000),
        }
        for path in paths
    ]
    while True:
        yield from scopes


if __name__ == "__main__":
    main()
