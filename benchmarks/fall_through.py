"""What a request that is not forwarded pays for the middleware, in microseconds of CPU.

    python -m benchmarks.fall_through

The same empty ASGI callable is driven with and without the middleware around it, in one process, without a
server; the difference is the price. Best of several rounds, since nothing but noise makes code slower.
"""

import time
import timeit
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Figures
from forst_asgi import Config, SidecarMiddleware
from forst_asgi.types import ASGIApp, Receive, Scope, Send

SIZES = (0, 1, 10, 1000, 10_000)


@dataclass(frozen=True)
class Effort:
    """How often everything is done."""

    calls: int = 20_000
    rounds: int = 15


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Do nothing."""


def main() -> None:
    """Measure and print a table."""
    print("| routes | same path again, µs | ever new paths, µs |\n|---|---|---|")
    for routes in SIZES:
        figures = prices(routes, Effort())
        print(f"| {routes} | {figures['same_us']:.2f} | {figures['new_us']:.2f} |")


def prices(routes: int, effort: Effort) -> Figures:
    """Return what a request that matches none of so many routes pays, in microseconds."""
    app = SidecarMiddleware(nothing, _config(routes))
    return {"same_us": _price(app, effort, paths=1), "new_us": _price(app, effort, paths=effort.calls)}


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


def _price(app: ASGIApp, effort: Effort, paths: int) -> float:
    return _best(app, effort, paths) - _best(nothing, effort, paths)


def _best(app: ASGIApp, effort: Effort, paths: int) -> float:
    scopes = _scopes(paths)
    times = timeit.repeat(
        lambda: _drive(app, next(scopes)), timer=time.process_time, number=effort.calls, repeat=effort.rounds
    )
    return min(times) / effort.calls * 1e6


def _drive(app: ASGIApp, scope: Scope) -> None:
    call = app(scope, None, None)  # type: ignore[arg-type]  # nothing receives or sends
    try:
        call.send(None)  # type: ignore[attr-defined]  # it is a coroutine
    except StopIteration:
        return


def _scopes(count: int) -> Iterator[Scope]:
    headers = [(b"host", b"example.com"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    scopes: list[Scope] = [
        {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/accounts/{i}/orders",
            "raw_path": f"/accounts/{i}/orders".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 5000),
        }
        for i in range(count)
    ]
    while True:
        yield from scopes


if __name__ == "__main__":
    main()
