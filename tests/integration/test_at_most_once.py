"""Item 39 and 40 from Go's side: what its ledger says while it is killed, hangs up, or the client forks."""

import asyncio
import hashlib
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette

from forst_asgi import Config, RouteConfig, SidecarMiddleware, UpstreamConfig
from tests.integration.ledger import ID_FIELD, PATIENCE_S, CountedUpstream, Entry, counted_upstream

if TYPE_CHECKING:
    from tests.integration.conftest import Serve

WORKERS = 12
ROUTE = RouteConfig(id="go", path="/{rest:path}", mode="on", auth="none")


@pytest.fixture
def upstream(upstream_binary: Path, folder: Path) -> Iterator[CountedUpstream]:
    """A Go program that counts, and may be killed."""
    with counted_upstream(upstream_binary, folder) as running:
        yield running


def middleware(upstream: CountedUpstream) -> SidecarMiddleware:
    """Return an app that forwards everything to it, over few connections so that they are used again."""
    config = Config(
        sidecar=UpstreamConfig(address=upstream.address, max_connections=WORKERS - 2), routes=[ROUTE]
    )
    return SidecarMiddleware(Starlette(), config)


@dataclass
class Traffic:
    """Clients that send requests with ids of their own, and what became of each.

    Attributes:
        answered: by id, the status and text of each answer.
        sent: by id, the body that was meant to be sent.
    """

    client: httpx.AsyncClient
    random: random.Random
    answered: dict[str, tuple[int, str]] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    whole: int = 0

    async def post(self, number: int) -> None:
        """Send a POST, half of the time in pieces."""
        request_id = f"post-{number}"
        body = self.random.randbytes(self.random.choice([0, 10, 5_000, 100_000]))
        self.sent[request_id] = body
        content = pieces(body) if self.random.random() < 0.5 else body
        await self._ask(request_id, "POST", "/counted/upload", content)

    async def get(self, number: int) -> None:
        """Send a GET that takes Go a moment."""
        wait = self.random.randrange(4)
        await self._ask(f"get-{number}", "GET", f"/counted/small?wait={wait}", None)

    async def _ask(
        self, request_id: str, method: str, path: str, content: bytes | AsyncIterator[bytes] | None
    ) -> None:
        headers = {ID_FIELD: request_id}
        answer = await self.client.request(method, path, content=content, headers=headers)
        self.answered[request_id] = answer.status_code, answer.text
        self.whole += answer.status_code == 200

    async def work(self, goal: int) -> None:
        """Send requests, POSTs and GETs in turn, until so many were answered by Go."""
        while self.whole < goal:
            number = len(self.answered) + self.random.getrandbits(60)
            await (self.post if number % 2 else self.get)(number)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in two halves, and nothing when there is none."""
    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
        yield piece
        await asyncio.sleep(0)


def check(traffic: Traffic, entries: dict[str, list[Entry]]) -> None:
    """See that what Go wrote down fits what the clients know."""
    for request_id, (status, text) in traffic.answered.items():
        seen = entries.get(request_id, [])
        begun = sum(entry.event == "begun" for entry in seen)
        assert status in (200, 502, 503), (request_id, status, text)
        if request_id.startswith("get"):
            assert begun <= 2, request_id
            assert status != 200 or text == f"{request_id}\n"
            continue
        assert begun <= 1, request_id
        body = traffic.sent[request_id]
        if status == 200:
            [whole] = [entry for entry in seen if entry.event == "whole"]
            digest = hashlib.sha256(body).hexdigest()
            assert (whole.bytes, whole.sha256) == (len(body), digest)
            assert text == f"{request_id} {len(body)} {digest}"


@pytest.mark.slow
@pytest.mark.item(39)
@pytest.mark.parametrize("seed", [39, 1853])
def test_item_39_a_post_reaches_go_at_most_once_under_a_kill_loop(
    upstream: CountedUpstream, serve: "Serve", seed: int
) -> None:
    """Killed again and again amid requests, Go saw no POST twice, and each answered one whole and once."""
    rounds, each = 12, 40

    async def main(url: str) -> Traffic:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
            traffic = Traffic(client, random.Random(seed))
            for _ in range(rounds):
                goal = traffic.whole + traffic.random.randrange(1, 2 * each)
                further = goal + each  # still sent when the kill comes
                async with asyncio.TaskGroup() as group:
                    for _ in range(WORKERS):
                        group.create_task(traffic.work(further))
                    while traffic.whole < goal:  # noqa: ASYNC110 - the clients are at work meanwhile
                        await asyncio.sleep(0)
                    await asyncio.to_thread(upstream.restart)
            return traffic

    with serve(middleware(upstream)) as url:
        traffic = asyncio.run(main(url))
    assert upstream.kills == rounds
    assert any(status == 502 for status, _ in traffic.answered.values()), "no kill met a request"
    check(traffic, upstream.entries())


@pytest.mark.slow
@pytest.mark.item(37, 38, 39)
def test_item_39_nor_does_it_over_connections_that_go_hangs_up_on(
    upstream_binary: Path, folder: Path, serve: "Serve"
) -> None:
    """Go closes idle connections just as requests come; no POST is sent twice, and no GET fails."""

    async def main(url: str) -> Traffic:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
            traffic = Traffic(client, random.Random(39))
            for number in range(300):
                await (traffic.post if number % 2 else traffic.get)(number)
                # About as long as Go waits before it hangs up: the two shall meet.
                await asyncio.sleep(traffic.random.uniform(0.004, 0.006))
            return traffic

    with counted_upstream(upstream_binary, folder, idle_timeout="5ms") as upstream:
        with serve(middleware(upstream)) as url:
            traffic = asyncio.run(main(url))
        counts, entries = upstream.counts(), upstream.entries()
    assert counts["accepted"] > 30, "Go hung up too seldom"
    check(traffic, entries)
    assert all(traffic.answered[key][0] == 200 for key in traffic.answered if key.startswith("get"))


# -- forks ---------------------------------------------------------------------------------------------

_ASK = """
import asyncio, os, sys
from forst_asgi.messages import UpstreamRequest
from forst_asgi.transport import Http1Transport, Origin

transport = Http1Transport(Origin(path=sys.argv[1]))

async def ask(name):
    headers = [(b"host", b"go"), (b"x-count-id", name)]
    response = await transport.send(UpstreamRequest(b"POST", b"/counted/upload", headers, b"x"))
    while not response.has_ended:
        await response.read()
    await response.aclose()

def fork(then):
    pid = os.fork()
    if pid == 0:
        try:
            then()
        except BaseException as error:
            print(repr(error), flush=True)
        finally:
            os._exit(0)
    return pid

def child():
    asyncio.run(ask(b"child"))
"""

AFTERWARDS = f"""{_ASK}
with asyncio.Runner() as runner:
    runner.run(ask(b"parent"))
    os.waitpid(fork(child), 0)
    runner.run(ask(b"parent again"))
"""

MEANWHILE = f"""{_ASK}
async def main():
    await ask(b"parent")
    await asyncio.to_thread(os.waitpid, fork(child), 0)
    await ask(b"parent again")

asyncio.run(main())
"""

PREFORK = f"""{_ASK}
with asyncio.Runner() as runner:
    runner.run(ask(b"parent"))
for name in (b"child", b"child 2"):
    os.waitpid(fork(lambda: asyncio.run(ask(name))), 0)
asyncio.run(ask(b"parent again"))
"""


@pytest.mark.item(40)
@pytest.mark.parametrize(
    ("script", "children"),
    [
        pytest.param(PREFORK, {"child", "child 2"}, id="after the loop, as preloading servers do"),
        pytest.param(AFTERWARDS, {"child"}, id="beside a loop that will run on"),
        pytest.param(MEANWHILE, {"child"}, id="inside a running loop"),
    ],
)
def test_item_40_a_forked_child_does_not_use_its_parents_connections(
    upstream: CountedUpstream, script: str, children: set[str]
) -> None:
    """Whenever a process forks, its child connects anew, and the parent's connections go on working."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", script, upstream.address.partition(":")[2]],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    begun = {
        entry.id: entry.conn
        for found in upstream.entries().values()
        for entry in found
        if entry.event == "begun"
    }
    assert set(begun) == children | {"parent", "parent again"}, ran.stdout + ran.stderr
    parents = {begun["parent"], begun["parent again"]}
    assert parents.isdisjoint({begun[child] for child in children}), ran.stdout + ran.stderr
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
