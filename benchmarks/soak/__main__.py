"""A soak: random load, cancellations and kills; then nothing may be left, or have been wrong.

    python -m benchmarks.soak [--for 600] [--seed 1] [--server uvloop+httptools]

A uvicorn in a process of its own, with the middleware in front of a Go upstream on a Unix socket. Clients
send small GETs and POSTs, uploads, downloads, event streams and WebSockets; some are slow, some go away at
random moments; the upstream is slow at times, sends junk at times, and is killed every few seconds. The exit
status is 1 if anything was left behind or went wrong.
"""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak import verdict
from benchmarks.soak.load import Load, Tally
from benchmarks.soak.mix import KINDS
from benchmarks.soak.process import ROOT, SERVERS, Server, serving
from tests.integration.ledger import CountedUpstream, counted_upstream

SETTLES_S = 20.0
"""How long the server may take to let go of everything once the load is over; keep-alive included."""


MOST = 50
"""How many problems are named."""


def main() -> None:
    """Soak, print a report, and exit with 1 if anything is wrong."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as name:
        folder = Path(name)
        program = folder / "upstream"
        source = ROOT / "tests" / "integration" / "upstream"
        subprocess.run(["go", "build", "-buildvcs=false", "-o", program, "."], cwd=source, check=True)
        with (
            counted_upstream(program, folder) as upstream,
            serving("benchmarks.soak.server:app", upstream.address, SERVERS[arguments.server]) as server,
        ):
            problems = asyncio.run(_soak(server, upstream, arguments))
    print("\n".join(f"WRONG: {problem}" for problem in problems[:MOST]) or "nothing is wrong")
    if len(problems) > MOST:
        print(f"and {len(problems) - MOST} more")
    sys.exit(1 if problems else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--for", dest="duration_s", type=float, default=600, help="seconds of load")
    parser.add_argument("--seed", type=int, default=1, help="what all random choices follow from")
    parser.add_argument(
        "--server", choices=SERVERS, default="uvloop+httptools", help="uvicorn's loop and parser"
    )
    return parser.parse_args()


async def _soak(server: Server, upstream: CountedUpstream, arguments: argparse.Namespace) -> list[str]:
    warm = Load(server.port, upstream, 0, "warm")
    await warm.run(2)  # so that what is made once is there before it is counted
    before = await _settled(server, upstream)
    load = Load(server.port, upstream, arguments.seed, "soak")
    samples: list[int] = []
    watch = asyncio.create_task(_watch(server, samples))
    await load.run(arguments.duration_s)
    watch.cancel()
    after = await _settled(server, upstream)
    _report(load.tally, samples, after)
    return list(_problems(load.tally, upstream, samples, before, after))


async def _watch(server: Server, samples: list[int]) -> None:
    while True:
        samples.append(server.memory())
        await asyncio.sleep(0.5)


async def _settled(server: Server, upstream: CountedUpstream) -> dict[str, Any]:
    """Return what the server holds once that is as little as it gets."""
    until = time.monotonic() + SETTLES_S
    while True:
        state = await asyncio.to_thread(server.state)
        counts = await asyncio.to_thread(upstream.counts)
        state |= {"fds": server.fds(), "upstream connections": counts["connections"]}
        if state["open"] == counts["connections"] == 0 or time.monotonic() > until:
            return state
        await asyncio.sleep(0.5)


def _problems(
    tally: Tally, upstream: CountedUpstream, samples: list[int], before: dict[str, Any], after: dict[str, Any]
) -> Iterator[str]:
    yield from verdict.leaks(before, after)
    yield from verdict.growth(samples)
    yield from verdict.answers(tally)
    yield from verdict.deliveries(tally, upstream.entries())


def _report(tally: Tally, samples: list[int], after: dict[str, Any]) -> None:
    ends = ("whole", "refused", "cut", "cancelled", "wrong")
    print("| kind | " + " | ".join(ends) + " |\n|---|" + "---|" * len(ends))
    for kind in KINDS:
        print(f"| {kind} | " + " | ".join(str(tally.outcomes[kind, end]) for end in ends) + " |")
    first, last = verdict.memory(samples)
    print(f"\n{sum(tally.outcomes.values())} requests, {len(tally.downtimes)} kills of the upstream")
    most = max(samples)
    print(f"memory in MiB: {first / 1024:.1f} warm, {last / 1024:.1f} at the end, {most / 1024:.1f} at most")
    left = {what: after[what] for what in ("open", "idle", "waiting", "fds", "upstream connections")}
    print(f"left: {left}, {len(after['tasks'])} tasks")
    print(f"events: {after['events']}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
