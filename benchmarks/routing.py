"""How long the route table takes: `python -m benchmarks.routing`.

Prints nanoseconds of CPU time for each operation, the median of several rounds, for tables of different
sizes; half of each table's routes are static and half have a parameter.
"""

import gc
import statistics
import sys
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import Any

from benchmarks.figures import Figures
from forst_asgi.routing import RouteSpec, RouteTable

SIZES = (0, 1, 10, 1_000, 10_000)
ROUNDS = 15
CALLS = 5_000

Operation = Callable[[dict[str, Any]], object]


def table_of(size: int) -> RouteTable[int]:
    """A table of `size` routes, static ones and templates in turn."""
    methods = frozenset({"GET"})
    return RouteTable(
        RouteSpec(f"r{place}", template_of(place), place, methods=methods) for place in range(size)
    )


def template_of(place: int) -> str:
    """The template at a place of the table."""
    return f"/svc{place}/items/{{id:int}}" if place % 2 else f"/svc{place}/list"


def scope_of(path: str, raw: str = "") -> dict[str, Any]:
    """A scope as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": (raw or path).encode(),
        "query_string": b"page=2&size=50",
        "root_path": "",
        "headers": [(b"host", b"api.example.com"), (b"accept", b"*/*")],
    }


def nothing(scope: dict[str, Any]) -> None:
    """What a call costs by itself; divide by it to compare machines."""


def cases(table: RouteTable[int]) -> dict[str, tuple[Operation, dict[str, Any]]]:
    """What is measured, by name."""

    def forward(scope: dict[str, Any]) -> object:
        match = table.match(scope)
        return match.target() if match is not None else None

    middle = len(table.routes) // 4 * 2  # an even place, so a static route
    return {
        "(empty call)": (nothing, {}),
        "miss": (table.match, scope_of("/users/12345/orders")),
        "miss below a prefix": (table.match, scope_of(f"/svc{middle + 1}/items/latest")),
        "miss, %20": (table.match, scope_of("/users/a b/orders", "/users/a%20b/orders")),
        "static": (table.match, scope_of(f"/svc{middle}/list")),
        "static + target": (forward, scope_of(f"/svc{middle}/list")),
        "template": (table.match, scope_of(f"/svc{middle + 1}/items/4711")),
        "template + target": (forward, scope_of(f"/svc{middle + 1}/items/4711")),
    }


def measure(operation: Operation, scope: dict[str, Any]) -> float:
    """The median time of one call in nanoseconds."""
    rounds = []
    for _ in range(ROUNDS):
        begin = process_time_ns()
        for _ in range(CALLS):
            operation(scope)
        rounds.append((process_time_ns() - begin) / CALLS)
    return statistics.median(rounds)


def compile_ms(size: int) -> float:
    """The median time to compile a table of `size` routes, in milliseconds."""
    rounds = []
    for _ in range(3):
        begin = perf_counter_ns()
        table_of(size)
        rounds.append((perf_counter_ns() - begin) / 1e6)
    return statistics.median(rounds)


def prices(size: int) -> Figures:
    """Return what a table of so many routes costs: to compile it, and to find a template in its middle."""
    table = table_of(size)
    match_ns = measure(*cases(table)["template"])
    return {"match_us": match_ns / 1e3, "compile_ms": compile_ms(size)}


def main() -> None:
    """Measure every case at every size and print a table."""
    gc.freeze()
    columns = {size: cases(table_of(size)) for size in SIZES}
    print(f"Python {sys.version.split()[0]}, ns per call, median of {ROUNDS} rounds of {CALLS} calls")
    print(f"{'routes':>20}" + "".join(f"{size:>10}" for size in SIZES))
    for name in columns[0]:
        times = (measure(*columns[size][name]) for size in SIZES)
        print(f"{name:>20}" + "".join(f"{time:>10.0f}" for time in times))
    print(f"{'compile, ms':>20}" + "".join(f"{compile_ms(size):>10.1f}" for size in SIZES))


if __name__ == "__main__":
    main()
