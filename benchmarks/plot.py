"""Plots as SVG, written by hand: a row for each contender, dots for medians, lines for ranges."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.figures import Column, Run
from benchmarks.tables import number

WIDTH, ROW, TOP, MARGIN = 760, 26, 64, 84
LETTER: Final = 7.5
"""How wide a letter of a name may be on average: that of the widest usual sans-serif, at 13 pixels."""
GAP: Final = 14
"""What is left free on both sides of the names."""
COLOURS: Final = ("#2f6f4f", "#c9722b", "#4a6fa5")
STYLE: Final = "font-family:sans-serif;font-size:13px;fill:#222"


@dataclass(frozen=True)
class Dot:
    """The values of one series in one row."""

    series: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Plot:
    """What is drawn: a logarithmic axis from left to right, and rows by name."""

    title: str
    unit: str
    series: Sequence[str]
    rows: dict[str, list[Dot]]

    @property
    def left(self) -> int:
        """Where the axis begins: the longest name has to fit in front of it."""
        return math.ceil(LETTER * max(map(len, self.rows))) + 2 * GAP


def plots(run: Run) -> dict[str, str]:
    """Return all plots of a run by name, as SVG; one for which nothing was measured is left out."""
    wanted = {
        "requests": _plot(
            run, "CPU per request, small JSON, 32 connections", "µs", {"": ("json-32", "cpu_us")}
        ),
        "connections": _plot(
            run,
            "CPU per request by connections, small JSON",
            "µs",
            {f"{count}": (f"json-{count}", "cpu_us") for count in (1, 32, 256)},
        ),
        "latency": _plot(
            run,
            "Latency at 1 connection, small JSON",
            "µs",
            {"p50": ("json-1", "p50_us"), "p99": ("json-1", "p99_us")},
        ),
        "held": _plot(
            run,
            "Memory for what is held open",
            "KiB",
            {"idle connection": ("idle", "kib"), "event stream": ("streams", "kib")},
        ),
    }
    return {name: drawn(plot) for name, plot in wanted.items() if plot.rows}


def _plot(run: Run, title: str, unit: str, series: dict[str, tuple[str, str]]) -> Plot:
    rows: dict[str, list[Dot]] = {}
    for key, (name, server) in run.contenders.items():
        for place, (workload, figure) in enumerate(series.values()):
            values = tuple(run.values(Column(workload, key, figure)).values())
            if values and min(values) > 0:
                rows.setdefault(_named(name, server), []).append(Dot(place, values))
    return Plot(title, unit, tuple(series), rows)


def _named(name: str, server: str) -> str:
    shown = server.removeprefix("uvicorn, ")
    return name if server in {"uvicorn, uvloop, httptools", "its own"} else f"{name} ({shown})"


def drawn(plot: Plot) -> str:
    """Return a plot as SVG."""
    values = [value for dots in plot.rows.values() for dot in dots for value in dot.values]
    scale = _Scale(min(values), max(values), plot.left)
    height = TOP + ROW * len(plot.rows) + 34
    full = plot.left + WIDTH + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {height}" role="img" style="{STYLE}">',
        f"<title>{escape(plot.title)}</title>",
        f'<rect width="{full}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" font-weight="bold">{escape(plot.title)}, {escape(plot.unit)}</text>',
        *_legend(plot.series, plot.left),
        *_axis(scale, height),
    ]
    for place, (name, dots) in enumerate(plot.rows.items()):
        parts += _row(scale, TOP + ROW * place + ROW / 2, name, dots)
    return "\n".join([*parts, "</svg>", ""])


class _Scale:
    """A logarithmic axis from a power of ten, or two or five times that, to another."""

    def __init__(self, least: float, most: float, left: int) -> None:
        self.left = left
        steps = [base * 10.0**power for power in range(-3, 8) for base in (1, 2, 5)]
        self.least = max((step for step in steps if step <= least), default=steps[0])
        self.most = min((step for step in steps if step > most), default=steps[-1])
        self.marks = [step for step in steps if self.least <= step <= self.most]

    def x(self, value: float) -> float:
        """Return where a value stands."""
        return self.left + WIDTH * math.log(value / self.least) / math.log(self.most / self.least)


def _legend(series: Sequence[str], left: int) -> Iterator[str]:
    for place, name in enumerate(series):
        if name:
            x = left + 120 * place
            yield f'<circle cx="{x}" cy="44" r="5" fill="{COLOURS[place]}"/>'
            yield f'<text x="{x + 10}" y="48">{escape(name)}</text>'


def _axis(scale: _Scale, height: int) -> Iterator[str]:
    for mark in scale.marks:
        x = f"{scale.x(mark):.1f}"
        yield f'<line x1="{x}" y1="{TOP - 4}" x2="{x}" y2="{height - 26}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{height - 10}" text-anchor="middle">{mark:,g}</text>'


def _row(scale: _Scale, y: float, name: str, dots: Sequence[Dot]) -> Iterator[str]:
    yield f'<text x="{scale.left - GAP}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
    for dot in dots:
        colour, middle = COLOURS[dot.series], scale.x(statistics.median(dot.values))
        ends = f'x1="{scale.x(min(dot.values)):.1f}" x2="{scale.x(max(dot.values)):.1f}"'
        yield f'<line {ends} y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>'
        yield f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    if len(dots) == 1:
        values = dots[0].values
        text = number(statistics.median(values))
        yield f'<text x="{scale.x(max(values)) + 10:.1f}" y="{y + 4:.1f}">{text}</text>'
