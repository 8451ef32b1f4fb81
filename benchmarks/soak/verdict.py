"""What must be true in the end, as functions that yield what is not."""

import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.soak.load import Tally
from tests.integration.ledger import Entry

MAX_GROWTH_KIB: Final = 8 * 1024
"""How much more memory may be resident in the last fifth of the run than in the second one.

The first fifth warms up: code is loaded, every kind of request has been there, the allocator has seen large
bodies. After that a leak grows with the number of requests: a connection, task or buffer that stays for each
fiftieth request is some 5 KiB, which in ten minutes (about 200,000 requests) makes 20 MiB. What an allocator
keeps beyond its need does not grow that way. The count of objects, which has no margin at all, finds what is
too small or too rare for this one.
"""


def memory(samples: list[int]) -> tuple[float, float]:
    """Return the resident memory of the second fifth and of the last, in KiB, medians."""
    fifth = max(1, len(samples) // 5)
    return statistics.median(samples[fifth : 2 * fifth] or samples), statistics.median(samples[-fifth:])


def growth(samples: list[int]) -> Iterator[str]:
    """Memory is flat."""
    before, after = memory(samples)
    if after - before > MAX_GROWTH_KIB:
        yield f"memory grew from {before / 1024:.1f} to {after / 1024:.1f} MiB"


def leaks(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What the process holds is what it held before the load."""
    for what in ("open", "idle", "waiting", "fds", "upstream connections"):
        if after[what] != before[what]:
            yield f"{what}: {after[what]} instead of {before[what]}"
    for what in ("tasks", "objects"):
        more, fewer = Counter(after[what]), Counter(before[what])
        if more != fewer:
            yield f"{what}: more {dict(more - fewer)}, fewer {dict(fewer - more)}"
    if Counter(after["tasks"]) != Counter(before["tasks"]):
        yield from (f"still waits: {waits}" for waits in after["waits"])


def answers(tally: Tally) -> Iterator[str]:
    """Every answer was correct, or visibly none; and without a kill there was no failure."""
    yield from tally.wrong
    for failure in tally.unexplained():
        duration_s = failure.ended - failure.began
        yield f"{failure.id} failed without a kill after {duration_s:.3f} s: {failure.text}"
    missing = {kind for kind, _ in tally.outcomes} - {kind for kind, end in tally.outcomes if end == "whole"}
    for kind in missing - {"junk"}:
        yield f"{kind}: not one was answered"


def deliveries(tally: Tally, entries: dict[str, list[Entry]]) -> Iterator[str]:
    """Every POST reached Go at most once, and whole if it was answered; anything else at most twice."""
    for name, seen in entries.items():
        begun = [entry for entry in seen if entry.event == "begun"]
        if len(begun) > (1 if name in tally.sent else 2):
            yield f"{name}: reached Go {len(begun)} times"
    for name in tally.whole & tally.sent.keys():
        whole = [(entry.bytes, entry.sha256) for entry in entries.get(name, []) if entry.event == "whole"]
        if whole != [tally.sent[name]]:
            yield f"{name}: answered, but Go has {whole}"
