"""Figures: what was measured, kept raw, and the medians and ratios that are taken of it."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Figures = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """What one turn of one contender came to; a figure's unit is the end of its name."""

    workload: str
    contender: str
    round: int
    figures: Figures


@dataclass(frozen=True)
class Column:
    """What is looked at: one figure of one contender under one workload."""

    workload: str
    contender: str
    figure: str


@dataclass
class Run:
    """All that one run measured, and on what."""

    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)
    contenders: dict[str, tuple[str, str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def values(self, column: Column) -> dict[int, float]:
        """Return the values of a column by round; none, if the contender did not take part."""
        return {
            each.round: each.figures[column.figure]
            for each in self.samples
            if (each.workload, each.contender) == (column.workload, column.contender)
            and column.figure in each.figures
        }

    def median(self, column: Column) -> float | None:
        """Return the median of a column over the rounds."""
        values = self.values(column).values()
        return statistics.median(values) if values else None

    def ratio(self, over: Column, under: Column) -> float | None:
        """Return the median of the ratios of two columns, each ratio within one round."""
        return _median(a / b for a, b in self._pairs(over, under) if b)

    def difference(self, over: Column, under: Column) -> float | None:
        """Return the median of the differences of two columns, each difference within one round."""
        return _median(a - b for a, b in self._pairs(over, under))

    def _pairs(self, over: Column, under: Column) -> list[tuple[float, float]]:
        first, second = self.values(over), self.values(under)
        return [(first[number], second[number]) for number in first if number in second]

    def write(self, path: Path) -> None:
        """Write everything down as JSON, a sample a line."""
        text = asdict(self)
        samples = ",\n".join(f"  {json.dumps(each)}" for each in text.pop("samples"))
        head = json.dumps(text, indent=1).removesuffix("\n}")
        path.write_text(f'{head},\n "samples": [\n{samples}\n ]\n}}\n', encoding="utf-8")


def read(path: Path) -> Run:
    """Read what `write` wrote."""
    text: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    text["samples"] = [Sample(**each) for each in text["samples"]]
    text["contenders"] = {key: (title, server) for key, (title, server) in text["contenders"].items()}
    return Run(**text)


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None
