"""The tables of a run, in Markdown."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from benchmarks.figures import Column, Run
from benchmarks.targets import all_targets, cpu

NOTHING: Final = "–"  # noqa: RUF001 - the dash that stands for "none" in a table


def tables(run: Run) -> dict[str, str]:
    """Return all tables of a run by name; one for which nothing was measured is left out."""
    made = {
        "targets": _targets(run),
        "requests": _requests(run),
        "connections": _connections(run),
        "bodies": _bodies(run),
        "bulk": _bulk(run),
        "held": _held(run),
        "routes": _routes(run),
    }
    shown = {name: rows for name, rows in made.items() if rows.count("\n") > 1}
    about = [f"{name}: {value}" for name, value in (run.machine | run.versions).items()]
    shown |= {"machine": "; ".join(about) + "."} if about else {}
    return shown | ({"notes": "\n".join(f"- {note}" for note in run.notes)} if run.notes else {})


def page(run: Run) -> str:
    """Return a page with everything: the machine, the tables, what was left out."""
    found = [f"## {name}\n\n{rows}" for name, rows in tables(run).items()]
    return "\n\n".join(["# Benchmarks", *found]) + "\n"


def number(value: float | None) -> str:
    """Return a number with three digits that mean something, or more in front of the point."""
    if value is None:
        return NOTHING
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _table(heads: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _targets(run: Run) -> str:
    def rows() -> Iterator[list[str]]:
        for target in all_targets(run):
            value, verdict = target.verdict(run)
            yield [
                target.title,
                number(value) + (target.unit if value is not None else ""),
                f"≤ {target.limit:g}{target.unit}",
                verdict,
            ]

    return _table(["figure", "measured", "target", ""], rows())


def _rows(run: Run, cells: Callable[[str], list[str]]) -> Iterator[list[str]]:
    """Return a row for each contender that has at least one of the cells."""
    for key, (title, server) in run.contenders.items():
        found = cells(key)
        if any(each != NOTHING for each in found):
            yield [title, server, *found]


def _requests(run: Run) -> str:
    def cells(key: str) -> list[str]:
        shown = [run.ratio(cpu(key), cpu(under)) for under in ("empty", "starlette", "nginx")]
        others = [run.median(Column("json-32", key, name)) for name in ("per_s", "p50_us", "p99_us")]
        return [number(run.median(cpu(key))), *map(number, shown), *map(number, others)]

    heads = ["contender", "server", "CPU µs/request", "/ empty app", "/ Starlette", "/ nginx"]
    return _table([*heads, "requests/s", "p50 µs", "p99 µs"], _rows(run, cells))


def _connections(run: Run) -> str:
    def cells(key: str) -> list[str]:
        counts = [run.median(cpu(key, f"json-{count}")) for count in (1, 32, 256)]
        growth = run.ratio(cpu(key, "json-256"), cpu(key))
        latency = [run.median(Column("json-1", key, name)) for name in ("p50_us", "p99_us")]
        return [number(each) for each in (*counts, growth, *latency)]

    heads = ["contender", "server", "CPU µs/request, 1 connection", "32", "256", "256 / 32"]
    return _table([*heads, "p50 µs, 1 connection", "p99 µs"], _rows(run, cells))


def _bodies(run: Run) -> str:
    def cells(key: str) -> list[str]:
        return [number(run.median(cpu(key, each))) for each in ("post", "body", "messages")]

    heads = [
        "contender",
        "server",
        "10 KiB POST, CPU µs",
        "64 KiB response, CPU µs",
        "WebSocket message, CPU µs",
    ]
    return _table(heads, _rows(run, cells))


def _bulk(run: Run) -> str:
    def cells(key: str) -> list[str]:
        return [
            number(run.median(Column(each, key, figure)))
            for each in ("download", "upload")
            for figure in ("cpu_s", "peak_mib")
        ]

    heads = ["contender", "server", "down, CPU s", "down, peak MiB more", "up, CPU s", "up, peak MiB more"]
    return _table(heads, _rows(run, cells))


def _held(run: Run) -> str:
    def cells(key: str) -> list[str]:
        columns = (("idle", "kib"), ("streams", "kib"), ("streams", "idle_ms_per_s"))
        return [number(run.median(Column(each, key, figure))) for each, figure in columns]

    heads = ["contender", "server", "KiB per idle connection", "KiB per event stream"]
    return _table([*heads, "CPU ms/s while all are idle"], _rows(run, cells))


def _routes(run: Run) -> str:
    def cells(size: str) -> list[str]:
        falling = [run.median(Column("fall-through", size, each)) for each in ("same_us", "new_us")]
        table = [run.median(Column("routing", size, each)) for each in ("match_us", "compile_ms")]
        return [number(each) for each in (*falling, *table)]

    sizes = dict.fromkeys(
        each.contender for each in run.samples if each.workload in {"fall-through", "routing"}
    )
    heads = ["routes", "falls through, a path seen before, µs", "ever new paths, µs"]
    rows = ([f"{int(size):,}", *cells(size)] for size in sizes)
    return _table([*heads, "match of a template, µs", "compile the table, ms"], rows)
