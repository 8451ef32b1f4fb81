"""What streams cost: memory for large bodies, delay of events, and how soon Go learns that a client has gone.

    python -m benchmarks.streaming [--server uvloop+httptools] [--mib 1024]

One uvicorn, with the middleware, in front of a Go upstream on a Unix socket. Memory is by how much the peak
of the server process (VmHWM, set back before) came to exceed what was resident before. Delays are between two
clocks that are one: client and upstream both read the system's.
"""

import argparse
import asyncio
import hashlib
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.soak.mix import block
from benchmarks.soak.process import ROOT, SERVERS, Server, serving
from benchmarks.soak.wire import Connection
from tests.integration.ledger import CountedUpstream, counted_upstream

MIB: Final = 1024 * 1024
PIECE: Final = 64 * 1024
EVENTS: Final = 1000
DISCONNECTS: Final = 50
PATIENCE_S: Final = 10.0

PHASES: Final = {
    "before the first byte": "/counted/small?wait=60000",
    "in the middle of a body": "/counted/download?bytes=100000000000&seed=a&framing=chunked",
    "idle event stream": "/counted/events?n=1&hold=1",
}


def main() -> None:
    """Measure and print tables."""
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
            asyncio.run(_measure(server, upstream, arguments.mib))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming")
    parser.add_argument(
        "--server", choices=SERVERS, default="uvloop+httptools", help="uvicorn's loop and parser"
    )
    parser.add_argument("--mib", type=int, default=1024, help="size of the large bodies")
    return parser.parse_args()


async def _measure(server: Server, upstream: CountedUpstream, mib: int) -> None:
    await _upload(server.port, MIB)  # loads what is loaded at the first request
    await _download(server.port, MIB)
    print(f"| {mib} MiB | peak memory grew by, MiB | seconds |\n|---|---|---|")
    for name, transfer in (("upload", _upload), ("download", _download)):
        server.forget_peak()
        before, began = server.memory(), time.monotonic()
        await transfer(server.port, mib * MIB)
        grown = (server.memory("VmHWM") - before) / 1024
        print(f"| {name} | {grown:.1f} | {time.monotonic() - began:.1f} |")
    await _measure_events(server, upstream)
    await _measure_disconnects(server, upstream)


async def _upload(port: int, size: int) -> None:
    connection = await Connection.open(port)
    hash_, piece = hashlib.sha256(), block("a")
    await connection.ask("POST", "/counted/upload", x_count_id="up", content_length=str(size))
    for _ in range(size // PIECE):
        hash_.update(piece)
        await connection.send(piece)
    head = await connection.head()
    answer = b"".join([each async for each in connection.body(head)]).decode()
    connection.close()
    if answer != f"up {size} {hash_.hexdigest()}":
        raise SystemExit(f"the upload arrived as another: {answer}")


async def _download(port: int, size: int) -> None:
    connection = await Connection.open(port)
    seen = hashlib.sha256()
    await connection.ask("GET", f"/counted/download?bytes={size}&seed=a&framing=chunked", x_count_id="down")
    async for piece in connection.body(await connection.head()):
        seen.update(piece)
    connection.close()
    expected = hashlib.sha256()
    for _ in range(size // PIECE):
        expected.update(block("a"))
    if seen.digest() != expected.digest():
        raise SystemExit("the download arrived as another")


# -- events --------------------------------------------------------------------------------------------


async def _measure_events(server: Server, upstream: CountedUpstream) -> None:
    print(f"\n| {EVENTS} events, delay in ms | p50 | p99 | max |\n|---|---|---|---|")
    path = upstream.address.removeprefix("unix:")
    direct = await _delays(Connection(*await asyncio.open_unix_connection(path)))
    through = await _delays(await Connection.open(server.port))
    for name, delays in (("direct", direct), ("through the middleware", through)):
        print(f"| {name} | {_at(delays, 0.5):.2f} | {_at(delays, 0.99):.2f} | {delays[-1]:.2f} |")
    extra = [_at(through, share) - _at(direct, share) for share in (0.5, 0.99, 1)]
    print("| extra | " + " | ".join(f"{each:.2f}" for each in extra) + " |")


async def _delays(connection: Connection) -> list[float]:
    """Return how long each event took, in milliseconds, sorted."""
    await connection.ask("GET", f"/counted/events?n={EVENTS}&wait=5", x_count_id="events")
    delays = []
    async for piece in connection.body(await connection.head()):
        now = time.time_ns()
        delays += [(now - int(line.split(b" ")[-1])) / 1e6 for line in piece.split(b"\n") if line]
    connection.close()
    return sorted(delays)


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


# -- disconnects ---------------------------------------------------------------------------------------


async def _measure_disconnects(server: Server, upstream: CountedUpstream) -> None:
    print(f"\n| {DISCONNECTS} disconnects, ms until Go's context is cancelled | p50 | max |\n|---|---|---|")
    for phase, target in PHASES.items():
        took = sorted([await _disconnect(server, upstream, phase, target, n) for n in range(DISCONNECTS)])
        print(f"| {phase} | {_at(took, 0.5):.2f} | {took[-1]:.2f} |")


async def _disconnect(
    server: Server, upstream: CountedUpstream, phase: str, target: str, number: int
) -> float:
    """Return how long it took, in milliseconds."""
    name = f"{phase} {number}".replace(" ", "-")
    connection = await Connection.open(server.port)
    await connection.ask("GET", target, x_count_id=name)
    if phase == "before the first byte":
        await _event(upstream, name, "begun")
    else:
        await anext(connection.body(await connection.head()))
    await asyncio.sleep(0.02)  # so that everything waits for something
    gone = time.time_ns()
    connection.close()
    return (await _event(upstream, name, "cancelled") - gone) / 1e6


async def _event(upstream: CountedUpstream, name: str, event: str) -> int:
    """Return when Go wrote that down, in nanoseconds since 1970."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for entry in upstream.entries().get(name, []):
            if entry.event == event:
                return entry.at_ns
        await asyncio.sleep(0.005)
    raise SystemExit(f"{name}: no {event!r} within {PATIENCE_S} s")


if __name__ == "__main__":
    main()
