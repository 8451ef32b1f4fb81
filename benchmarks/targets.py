"""The targets that this project has set itself, and whether a run met them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Column, Run

PEERS: Final = ("fastapi-proxy-lib", "asgiproxy", "asgi-proxy-lib")
HTTPX_PEERS: Final = ("fastapi-proxy-lib", "asgi-proxy-lib")


@dataclass(frozen=True)
class Target:
    """A figure of a run that shall not exceed a limit; `figure` returns None where it was not measured."""

    title: str
    limit: float
    unit: str
    figure: Callable[[Run], float | None]

    def verdict(self, run: Run) -> tuple[float | None, str]:
        """Return the figure and what it means."""
        found = self.figure(run)
        if found is None:
            return None, "not measured"
        return found, "met" if found <= self.limit else f"missed by {found / self.limit - 1:.0%}"


def cpu(contender: str, workload: str = "json-32") -> Column:
    """Return where the CPU per request of a contender stands."""
    return Column(workload, contender, "cpu_us")


def best(run: Run, among: tuple[str, ...]) -> str | None:
    """Return who of them needs the least CPU for a small answer, if any took part."""
    found = {each: median for each in among if (median := run.median(cpu(each))) is not None}
    return min(found, key=found.__getitem__) if found else None


def _against(under: str, over: str = "unix") -> Callable[[Run], float | None]:
    return lambda run: run.ratio(cpu(over), cpu(under))


def _against_best(among: tuple[str, ...]) -> Callable[[Run], float | None]:
    def figure(run: Run) -> float | None:
        peer = best(run, among)
        return run.ratio(cpu("unix"), cpu(peer)) if peer else None

    return figure


def _latency(run: Run) -> float | None:
    extra = run.difference(Column("json-1", "unix", "p50_us"), Column("json-1", "empty", "p50_us"))
    return extra / 1e3 if extra is not None else None


def _download(run: Run) -> float | None:
    return run.ratio(Column("download", "unix", "cpu_s"), Column("download", "nginx", "cpu_s"))


def all_targets(run: Run) -> Iterator[Target]:
    """Return the targets, with those named that a run chose: the best peers."""
    named = (best(run, PEERS) or "none took part", best(run, HTTPX_PEERS) or "none took part")
    yield Target(f"CPU/request, ours / best Python peer ({named[0]})", 0.25, "", _against_best(PEERS))
    yield Target(f"CPU/request, ours / httpx-based peer ({named[1]})", 0.03, "", _against_best(HTTPX_PEERS))
    yield Target("CPU/request, ours / plain Starlette JSON route", 0.75, "", _against("starlette"))
    yield Target("CPU/request, ours / empty ASGI app", 1.4, "", _against("empty"))
    yield Target("CPU/request, express lane / nginx", 1.2, "", _against("nginx", "express"))
    yield Target("latency p50 at 1 connection, ours minus empty app", 0.2, " ms", _latency)
    yield Target("1 GiB download, CPU seconds, ours / nginx", 2.5, "", _download)
    yield Target(
        "fall-through at 1,000 routes, a path seen before",
        1.0,
        " µs",
        lambda run: run.median(Column("fall-through", "1000", "same_us")),
    )
    yield Target(
        "CPU/request, ours, 256 connections / 32",
        1.15,
        "",
        lambda run: run.ratio(cpu("unix", "json-256"), cpu("unix")),
    )
