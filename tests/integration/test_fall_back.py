"""Item 39 with `on_failure = "app"`: Go is killed under load, and what both sides did is counted."""

import asyncio
import hashlib
import itertools
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from forst_asgi import Config, Observer, RouteConfig, SidecarMiddleware, UpstreamConfig
from forst_asgi.events import Event, SidecarReady
from tests.integration.ledger import ID_FIELD, PATIENCE_S, counted_upstream, read_ledger

if TYPE_CHECKING:
    from tests.integration.conftest import Serve

CLIENTS = 8
KILLS = int(os.environ.get("FORST_TEST_KILLS", "8"))
"""How often Go is killed; more for a longer run."""

KILLS_IN_A_ROW = 4
"""The same for a process of ours, which would be given up after a few more."""
PAUSE_S = 0.005
ROUTE = {"id": "go", "path": "/counted/{rest:path}", "mode": "on", "auth": "none", "on_failure": "app"}
BY = "x-by"


class PythonSide:
    """The app's own handlers for what Go's do, with a ledger of their own.

    Attributes:
        did: by id, how often a handler did something.
    """

    def __init__(self) -> None:
        self.did: Counter[str] = Counter()
        self.app = Starlette(
            routes=[
                Route("/counted/small", self.small),
                Route("/counted/upload", self.upload, methods=["POST"]),
            ]
        )

    async def small(self, request: Request) -> PlainTextResponse:
        """Answer with the request's own id."""
        request_id = request.headers[ID_FIELD]
        self.did[request_id] += 1
        return PlainTextResponse(f"{request_id}\n", headers={BY: "python"})

    async def upload(self, request: Request) -> PlainTextResponse:
        """Answer with what arrived."""
        request_id = request.headers[ID_FIELD]
        body = await request.body()
        self.did[request_id] += 1
        digest = hashlib.sha256(body).hexdigest()
        return PlainTextResponse(f"{request_id} {len(body)} {digest}", headers={BY: "python"})


@dataclass
class Traffic:
    """Clients that send GETs and POSTs until they are told to stop, and what became of each.

    Attributes:
        answers: by id, status, who answered, and whether that was about this very request.
        by: how many good answers each side gave.
    """

    client: httpx.AsyncClient
    random: random.Random
    answers: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    is_over: bool = False
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def work(self) -> None:
        """Send requests, POSTs and GETs in turn."""
        while not self.is_over:
            number = next(self._numbers)
            await (self._post if number % 2 else self._get)(number)

    async def _get(self, number: int) -> None:
        wait = self.random.randrange(4)
        await self._ask(f"get-{number}", "GET", f"/counted/small?wait={wait}", None, "\n")

    async def _post(self, number: int) -> None:
        body = self.random.randbytes(self.random.choice([0, 10, 5_000, 100_000]))
        content = pieces(body) if self.random.random() < 0.5 else body
        proof = f" {len(body)} {hashlib.sha256(body).hexdigest()}"
        await self._ask(f"post-{number}", "POST", "/counted/upload", content, proof)

    async def _ask(self, request_id: str, method: str, path: str, content: Any, proof: str) -> None:
        answer = await self.client.request(method, path, content=content, headers={ID_FIELD: request_id})
        by = answer.headers.get(BY, "go")
        self.answers[request_id] = answer.status_code, by, answer.text == request_id + proof
        self.by[by] += answer.status_code == 200

    async def until(self, by: str, more: int) -> None:
        """Return once a side gave so many more answers."""
        goal = self.by[by] + more
        async with asyncio.timeout(PATIENCE_S):
            while self.by[by] < goal:  # noqa: ASYNC110 - the clients are at work meanwhile
                await asyncio.sleep(PAUSE_S)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in two halves, so that nobody knows its length before."""
    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
        yield piece
        await asyncio.sleep(0)


def drive(url: str, seed: int, rounds: Callable[[Traffic], Any]) -> Traffic:
    """Keep clients at work while something goes through its rounds."""

    async def main() -> Traffic:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
            traffic = Traffic(client, random.Random(seed))
            async with asyncio.TaskGroup() as group:
                for _ in range(CLIENTS):
                    group.create_task(traffic.work())
                await rounds(traffic)
                traffic.is_over = True
        return traffic

    return asyncio.run(main())


def check(traffic: Traffic, python: PythonSide, ledger: Path) -> dict[str, int]:
    """See that no GET failed, no POST was done twice, and that who answered is who did it; return figures."""
    go = Counter(
        {name: sum(each.event == "begun" for each in seen) for name, seen in read_ledger(ledger).items()}
    )
    figures: Counter[str] = Counter()
    for request_id, (status, by, is_right) in traffic.answers.items():
        kind = request_id.partition("-")[0]
        done = go[request_id], python.did[request_id]
        figures[f"{kind} {status} {by}"] += 1
        if kind == "get":
            assert (status, is_right) == (200, True), request_id
            assert go[request_id] <= 2, request_id
            continue
        assert sum(done) <= 1, (request_id, done, status)
        if status == 200:
            assert is_right, request_id
            assert done == ((1, 0) if by == "go" else (0, 1)), request_id
        else:
            # Go may have done it, or not; so the app must not.
            assert (status, python.did[request_id]) == (502, 0), request_id
    return dict(sorted(figures.items()))


@pytest.mark.slow
@pytest.mark.item(39, 41)
def test_item_39_go_is_killed_and_comes_back(upstream_binary: Path, folder: Path, serve: "Serve") -> None:
    """Killed under load and away for a while: the app answers, no GET fails, no POST is done twice."""
    python = PythonSide()

    async def kills(traffic: Traffic) -> None:
        for _ in range(KILLS):
            await traffic.until("go", 50)
            await asyncio.to_thread(upstream.kill)
            await traffic.until("python", 100)
            await asyncio.to_thread(upstream.start)
        await traffic.until("go", 50)  # by itself

    with counted_upstream(upstream_binary, folder) as upstream:
        config = Config(sidecar=UpstreamConfig(address=upstream.address), routes=[RouteConfig(**ROUTE)])  # type: ignore[arg-type]
        with serve(SidecarMiddleware(python.app, config)) as url:
            traffic = drive(url, 39, kills)
        figures = check(traffic, python, upstream.ledger)
    print(figures)  # noqa: T201 - for those who ask with -s
    assert upstream.kills == KILLS
    assert figures["get 200 python"] > 0
    assert figures["post 200 python"] > 0


class Processes(Observer):
    """Remembers which processes of the sidecar became ready."""

    wants_requests = False

    def __init__(self) -> None:
        self.pids: list[int] = []

    def observe(self, event: Event) -> None:
        """Take note."""
        if isinstance(event, SidecarReady):
            self.pids.append(event.pid)


@pytest.mark.slow
@pytest.mark.item(39, 49)
def test_item_39_a_sidecar_of_ours_is_killed(upstream_binary: Path, folder: Path, serve: "Serve") -> None:
    """The same for a process that we start: it is started anew, and no GET fails meanwhile."""
    python, processes = PythonSide(), Processes()
    ledger = folder / "ledger"
    sidecar = UpstreamConfig(command=[str(upstream_binary)], env={"LEDGER": str(ledger)}, ready_timeout="30s")

    async def kills(traffic: Traffic) -> None:
        for number in range(1, KILLS_IN_A_ROW + 1):
            await traffic.until("go", 50)
            os.kill(processes.pids[-1], signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S):
                while len(processes.pids) <= number:  # noqa: ASYNC110 - told in the server's thread
                    await asyncio.sleep(PAUSE_S)
        await traffic.until("go", 50)

    config = Config(sidecar=sidecar, routes=[RouteConfig(**ROUTE)])  # type: ignore[arg-type]
    with serve(SidecarMiddleware(python.app, config, observer=processes)) as url:
        traffic = drive(url, 40, kills)
    print(check(traffic, python, ledger))  # noqa: T201 - for those who ask with -s
    assert len(set(processes.pids)) == KILLS_IN_A_ROW + 1


SLOW_TO_START = """\
#!/bin/sh
until [ -e {gate} ]; do sleep 0.01; done
exec {program}
"""


@pytest.mark.slow
@pytest.mark.item(39, 49)
def test_item_39_nobody_waits_for_a_sidecar_that_starts(
    upstream_binary: Path, folder: Path, serve: "Serve"
) -> None:
    """Killed, and slow to start: Python answers all the while, though the socket is there to wait at."""
    python, processes, ledger, gate = PythonSide(), Processes(), folder / "ledger", folder / "gate"
    program = folder / "slow"
    program.write_text(SLOW_TO_START.format(gate=gate, program=upstream_binary))
    program.chmod(0o755)
    gate.touch()

    async def kills(traffic: Traffic) -> None:
        await traffic.until("go", 20)
        gate.unlink()
        os.kill(processes.pids[-1], signal.SIGKILL)
        await traffic.until("python", 200)
        by_go = traffic.by["go"]
        await traffic.until("python", 200)
        assert traffic.by["go"] == by_go
        gate.touch()
        await traffic.until("go", 20)  # by itself

    sidecar = UpstreamConfig(command=[str(program)], env={"LEDGER": str(ledger)}, ready_timeout="30s")
    config = Config(sidecar=sidecar, routes=[RouteConfig(**ROUTE)])  # type: ignore[arg-type]
    with serve(SidecarMiddleware(python.app, config, observer=processes)) as url:
        traffic = drive(url, 41, kills)
    check(traffic, python, ledger)
    assert len(processes.pids) == 2
