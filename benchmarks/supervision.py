"""What a client notices while the sidecar is restarted, killed, or loses the worker that runs it.

    python -m benchmarks.supervision swap          `forst-asgi sidecar restart` again and again
    python -m benchmarks.supervision kill-go       SIGKILL to the Go process every two seconds
    python -m benchmarks.supervision stop-go       SIGSTOP to the Go process
    python -m benchmarks.supervision kill-leader   SIGKILL to the worker that runs it
    python -m benchmarks.supervision recycle       SIGTERM to the worker that runs it, which hands over

Four uvicorn workers, one Go process that writes down each POST before it answers, and as many clients as are
asked for, half of them sending POSTs. In the end: answers by status, POSTs that arrived twice or that were
answered and never arrived, how many Go processes there were at a time, and file descriptors of the workers.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
APP = """
import os
from forst_asgi import SidecarMiddleware

async def inner(scope, receive, send):
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})

app = SidecarMiddleware(inner, "forst.toml")
"""
CONFIG = """
[sidecar]
command = ["./counter"]
env = {{ LEDGER = "{folder}/ledger" }}

[[route]]
id = "go"
path = "/go/{{rest:path}}"
strip_prefix = "/go"
mode = "on"
auth = "none"
"""


class Tally:
    """What the clients saw."""

    def __init__(self) -> None:
        self.answers: collections.Counter[str] = collections.Counter()
        self.slowest_s = 0.0
        self.acknowledged: set[str] = set()


async def one_client(port: int, number: int, tally: Tally, pause_s: float, until: float) -> None:
    """Send requests one after the other, odd clients POSTs, over one connection as long as it lasts."""
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    for turn in itertools.count():
        if time.monotonic() > until:
            break
        mark = f"{number}-{turn}"
        began = time.monotonic()
        try:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            status = await exchange(reader, writer, mark if number % 2 else "")
        except (OSError, EOFError, ValueError):
            tally.answers["connection lost"] += 1
            if writer is not None:
                writer.close()
            reader = writer = None
            continue
        tally.answers[f"{'POST' if number % 2 else 'GET'} {status}"] += 1
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - began)
        if number % 2 and status == 200:
            tally.acknowledged.add(mark)
        await asyncio.sleep(pause_s)
    if writer is not None:
        writer.close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mark: str) -> int:
    """Send one request and return the status of its answer."""
    if mark:
        writer.write(
            f"POST /go/count HTTP/1.1\r\nhost: x\r\ncontent-length: {len(mark)}\r\n\r\n{mark}".encode()
        )
    else:
        writer.write(b"GET /go/pid HTTP/1.1\r\nhost: x\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ")[1])


def processes(folder: Path) -> list[int]:
    """Return the Go processes of this run, zombies included."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_go = (entry / "comm").read_text().strip() == "counter"
            if is_go and (is_zombie(entry) or f"LEDGER={folder}" in (entry / "environ").read_text()):
                found.append(int(entry.name))
    return found


def is_zombie(entry: Path) -> bool:
    """Tell whether a process has ended and was not reaped."""
    return (entry / "stat").read_text().rpartition(") ")[2].startswith("Z")


def standing(folder: Path) -> dict[str, int]:
    """Return what `forst-asgi sidecar status` says."""
    said = subprocess.run(
        [sys.executable, "-m", "forst_asgi", "sidecar", "status", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(said.stdout) if said.returncode == 0 else []
    return found[0] if found else {}


def fault(kind: str, folder: Path) -> None:
    """Make one fault happen."""
    if kind == "swap":
        done = subprocess.run(
            [sys.executable, "-m", "forst_asgi", "sidecar", "restart"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print("restart:", done.stderr)
        return
    if kind in {"kill-go", "stop-go"}:
        number = signal.SIGKILL if kind == "kill-go" else signal.SIGSTOP
        for pid in processes(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return
    leader = standing(folder).get("leader")
    if leader:
        os.kill(leader, signal.SIGKILL if kind == "kill-leader" else signal.SIGTERM)


@contextlib.contextmanager
def served(folder: Path, port: int, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run uvicorn in that folder."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--workers", str(workers)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-access-log"],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        try:
            while not process.poll() and (folder / "log").read_text().count("startup complete") < workers:
                time.sleep(0.1)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def descriptors(folder: Path) -> dict[int, int]:
    """Return how many descriptors each worker has open."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_here = (entry / "cwd").readlink() == folder
            if is_here and "python" in (entry / "exe").readlink().name:
                found[int(entry.name)] = len(list((entry / "fd").iterdir()))
    return found


async def run(options: argparse.Namespace, folder: Path, port: int) -> None:
    """Put on the load, make the faults happen, tell what came of it."""
    tally, most, samples = Tally(), 0, collections.Counter[int]()
    until = time.monotonic() + options.seconds
    clients = [
        asyncio.create_task(one_client(port, number, tally, options.pause / 1000, until))
        for number in range(options.clients)
    ]
    before = descriptors(folder)
    next_fault = time.monotonic() + options.every
    faults = 0
    while time.monotonic() < until:
        await asyncio.sleep(0.1)
        count = len(processes(folder))
        samples[count] += 1
        most = max(most, count)
        if time.monotonic() > next_fault:
            next_fault = time.monotonic() + options.every
            faults += 1
            await asyncio.to_thread(fault, options.fault, folder)
    await asyncio.gather(*clients)
    await asyncio.sleep(2.5)
    arrived = collections.Counter((folder / "ledger").read_text().split())
    print(f"{options.fault}: {faults} faults in {options.seconds} s, {options.clients} clients")
    print("  answers            ", dict(tally.answers), f"slowest {tally.slowest_s * 1000:.0f} ms")
    print("  POSTs arrived twice", sum(count > 1 for count in arrived.values()))
    print("  answered, not there", len(tally.acknowledged - set(arrived)))
    print(
        "  Go processes       ",
        dict(sorted(samples.items())),
        "by sample; in the end",
        len(processes(folder)),
    )
    print("  descriptors        ", before, "->", descriptors(folder))


def main() -> None:
    """Build, serve, run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("fault", choices=["swap", "kill-go", "stop-go", "kill-leader", "recycle", "none"])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--every", type=float, default=2, help="seconds between faults")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause", type=float, default=20, help="ms between two requests of a client")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fs-", dir="/tmp"))
    try:
        subprocess.run(
            ["go", "build", "-buildvcs=false", "-o", str(folder / "counter"), "."],
            cwd=ROOT / "tests" / "supervisor" / "counter",
            check=True,
        )
        (folder / "app.py").write_text(APP)
        (folder / "forst.toml").write_text(CONFIG.format(folder=folder))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with served(folder, port, options.workers):
            asyncio.run(run(options, folder, port))
        time.sleep(2)
        print("  after the end       Go processes", processes(folder))
        shutil.copy(folder / "log", "/tmp/forst-supervision.log")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
