"""What the contenders are asked for, and what is measured meanwhile."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import client, wrk
from benchmarks.contenders import ANSWERS, BODY, BULK, ECHO, EVENTS, HELD, SOCKET, Server
from benchmarks.figures import Figures
from benchmarks.machine import cores, cpu_seconds, forget_peak, memory_kib, pinned

MIB: Final = 1024 * 1024
DOCUMENT: Final = json.dumps(
    [{"id": n, "name": "ten kibibytes of json", "tags": ["a", "b"]} for n in range(157)]
)


@dataclass(frozen=True)
class Settings:
    """How much of everything."""

    rounds: int = 5
    rounds_apart: int = 3
    seconds: int = 2
    mib: int = 1024
    held: int = 1000


@dataclass(frozen=True)
class Workload:
    """One kind of load; `is_fresh` if each turn wants a process that has done nothing before."""

    key: str
    title: str
    needs: int
    run: Callable[[Server, Settings], Figures]
    is_fresh: bool = False


def _asking(connections: int, path: str, script: str = "") -> Callable[[Server, Settings], Figures]:
    def run(server: Server, settings: Settings) -> Figures:
        url = f"http://127.0.0.1:{server.port}{path}"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(script)
            file.flush()
            command = wrk.command(url, connections, settings.seconds, file.name if script else "")
            return _loaded(server, command)

    return run


def _loaded(server: Server, command: list[str]) -> Figures:
    pids = server.pids()
    before = cpu_seconds(pids)
    done = subprocess.run(pinned(command, cores()[1]), capture_output=True, text=True, check=True)
    used = cpu_seconds(pids) - before
    load = wrk.parsed(done.stdout)
    return {
        "cpu_us": used / load.requests * 1e6,
        "per_s": load.per_second,
        "p50_us": load.p50_us,
        "p99_us": load.p99_us,
    }


def _bulk(transfer: Callable[[int, int], None]) -> Callable[[Server, Settings], Figures]:
    def run(server: Server, settings: Settings) -> Figures:
        transfer(server.port, MIB)
        pids = server.pids()
        forget_peak(pids)
        before, resident, began = cpu_seconds(pids), memory_kib(pids), time.monotonic()
        transfer(server.port, settings.mib * MIB)
        return {
            "cpu_s": cpu_seconds(pids) - before,
            "wall_s": time.monotonic() - began,
            "peak_mib": (memory_kib(pids, "VmHWM") - resident) / 1024,
        }

    return run


def _streams(server: Server, settings: Settings) -> Figures:
    with client.streams(server.port, 10):
        pass
    pids = server.pids()
    resident = memory_kib(pids)
    with client.streams(server.port, settings.held):
        held = memory_kib(pids) - resident
        before = cpu_seconds(pids)
        time.sleep(settings.seconds * 2)
        idle = cpu_seconds(pids) - before
    return {"kib": held / settings.held, "idle_ms_per_s": idle * 1e3 / (settings.seconds * 2)}


def _idle(server: Server, settings: Settings) -> Figures:
    client.warm(server.port)
    pids = server.pids()
    resident = memory_kib(pids)
    with client.idle(server.port, settings.held):
        return {"kib": (memory_kib(pids) - resident) / settings.held}


def _messages(server: Server, settings: Settings) -> Figures:
    pids = server.pids()
    before = cpu_seconds(pids)
    count = client.echo(server.port, 32, settings.seconds)
    return {"cpu_us": (cpu_seconds(pids) - before) / count * 1e6, "per_s": count / settings.seconds}


ALL: Final = (
    Workload("json-1", "small JSON, 1 connection", ANSWERS, _asking(1, "/json")),
    Workload("json-32", "small JSON, 32 connections", ANSWERS, _asking(32, "/json")),
    Workload("json-256", "small JSON, 256 connections", ANSWERS, _asking(256, "/json")),
    Workload("post", "10 KiB JSON POST", ECHO, _asking(32, "/echo", wrk.posting(DOCUMENT.encode()))),
    Workload("body", "64 KiB response", BODY, _asking(32, "/body")),
    Workload("messages", "WebSocket messages, echoed", SOCKET, _messages),
    Workload("download", "1 GiB download", BULK, _bulk(client.download), is_fresh=True),
    Workload("upload", "1 GiB upload", BULK, _bulk(client.upload), is_fresh=True),
    Workload("streams", "event streams held", EVENTS, _streams, is_fresh=True),
    Workload("idle", "idle connections", HELD, _idle, is_fresh=True),
)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for sockets, configuration and logs of one run; its path is short, for sockets."""
    return tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp" if Path("/tmp").is_dir() else None)
