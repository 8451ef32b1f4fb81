"""CPU per forwarded request, against the same server answering by itself.

    python -m benchmarks.forwarding [--rounds 5] [--seconds 3] [--connections 32]

One uvicorn worker (uvloop, httptools) per contender, a Go upstream on a Unix socket and one on TCP, wrk as
the client; all on loopback. The contenders take turns within each round. The figure is the server process's
user and system time, as the operating system counts it, divided by the requests that wrk saw answered: it
holds on a shared machine where wall time does not. Quote the ratios of one run, medians over the rounds.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contender:
    """One thing to measure: a server process, and the path that it is asked for."""

    name: str
    pid: int
    port: int
    path: str


def main() -> None:
    """Measure and print a table."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit(
            "benchmarks.forwarding: needs wrk on the PATH (Debian and Homebrew have a package of that name)"
        )
    with contextlib.ExitStack() as stack:
        contenders = _start_all(stack)
        measured: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        for _ in range(arguments.rounds):
            for contender in contenders:
                measured[contender.name].append(_measure(contender, arguments.seconds, arguments.connections))
    _print_table(measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    return parser.parse_args()


def _start_all(stack: contextlib.ExitStack) -> list[Contender]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forst-bench-")))
    program = folder / "upstream"
    subprocess.run(["go", "build", "-o", program, "."], cwd=HERE / "upstream", check=True)
    port = _free_port()
    unix, tcp = f"unix:{folder}/up.sock", f"tcp:127.0.0.1:{port}"
    for listen in (unix, tcp):
        stack.enter_context(_process([str(program)], FORST_LISTEN=listen))
    unix_server = stack.enter_context(_server("benchmarks.app:app", BENCH_ADDRESS=unix))
    tcp_server = stack.enter_context(_server("benchmarks.app:app", BENCH_ADDRESS=f"http://127.0.0.1:{port}"))
    empty_server = stack.enter_context(_server("benchmarks.app:empty"))
    return [
        Contender("empty ASGI app", *empty_server, "/"),
        Contender("Starlette JSON route", *unix_server, "/plain"),
        Contender("forwarded, Unix socket", *unix_server, "/json"),
        Contender("forwarded, TCP", *tcp_server, "/json"),
    ]


@contextlib.contextmanager
def _process(command: list[str], **env: str) -> Iterator[int]:
    process = subprocess.Popen(command, env={**os.environ, **env}, cwd=HERE.parent)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _server(app: str, **env: str) -> Iterator[tuple[int, int]]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log"]
    with _process(
        [*command, "--log-level", "error", "--loop", "uvloop", "--http", "httptools"], **env
    ) as pid:
        _wait_for(port)
        yield pid, port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    sys.exit(f"benchmarks.forwarding: nothing listens on port {port} after 30 s")


def _measure(contender: Contender, seconds: int, connections: int) -> float:
    """Return CPU microseconds per request."""
    before = _cpu_seconds(contender.pid)
    url = f"http://127.0.0.1:{contender.port}{contender.path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) requests in", output)
    if found is None or "Non-2xx" in output:
        sys.exit(f"benchmarks.forwarding: {contender.name}: {output}")
    return (_cpu_seconds(contender.pid) - before) / int(found[1]) * 1e6


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print_table(measured: dict[str, list[float]]) -> None:
    floor, *_ = measured.values()
    plain = measured["Starlette JSON route"]
    print("| contender | CPU µs/request | / empty app | / Starlette route |\n|---|---|---|---|")
    for name, values in measured.items():
        ratios = [
            statistics.median(a / b for a, b in zip(values, base, strict=True)) for base in (floor, plain)
        ]
        print(f"| {name} | {statistics.median(values):.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")


if __name__ == "__main__":
    main()
