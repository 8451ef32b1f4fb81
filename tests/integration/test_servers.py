"""Every server that the middleware is run under: requests, streams both ways, and clients that go away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Running, ServeCommand

UVICORN = ("uvicorn", "served:app", "--port", "{port}", "--no-access-log")

SERVERS: dict[str, tuple[str, ...]] = {
    f"uvicorn-{http}-{loop}": (*UVICORN, "--http", http, "--loop", loop)
    for http in ("h11", "httptools")
    for loop in ("asyncio", "uvloop")
}
SERVERS["hypercorn"] = ("hypercorn", "served:app", "--bind", "127.0.0.1:{port}")
SERVERS["hypercorn-http2"] = SERVERS["hypercorn"]
SERVERS["granian"] = ("granian", "--interface", "asgi", "--port", "{port}", "served:app")

SLOW = {"uvicorn-h11-uvloop", "uvicorn-httptools-asyncio", "hypercorn-http2"}


@dataclass
class Site:
    """A server that runs, and how to speak to it."""

    url: str
    is_http2: bool

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, http1=not self.is_http2, http2=self.is_http2, timeout=60, trust_env=False
        )


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in SERVERS],
)
def site(
    request: pytest.FixtureRequest,
    serve_command: "ServeCommand",
    go: "Running",
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A server in a process of its own, in front of the Go program."""
    config = tmp_path_factory.mktemp("config") / "forst.toml"
    write_config(config, go.address)
    with serve_command(*SERVERS[request.param], FORST_TEST_CONFIG=str(config)) as process:
        yield Site(process.url, request.param.endswith("http2"))


def write_config(path: Path, address: str) -> None:
    """Write a configuration that forwards everything under /go."""
    path.write_text(
        f"""
        [sidecar]
        address = "{address}"

        [[route]]
        id = "go"
        path = "/go/{{rest:path}}"
        strip_prefix = "/go"
        mode = "on"
        auth = "none"
        """
    )


@pytest.mark.item(17)
def test_requests(site: Site) -> None:
    """GET and POST on a forwarded route are answered by Go, on any other by Python."""

    async def main() -> None:
        async with site.client() as client:
            got = (await client.get("/go/echo?a=1&a=2")).json()
            assert (got["method"], got["target"], got["length"]) == ("GET", "/echo?a=1&a=2", 0)
            posted = (await client.post("/go/echo", content=b"x" * 100_000)).json()
            assert (posted["method"], posted["length"]) == ("POST", 100_000)
            empty = (await client.post("/go/echo", content=b"")).json()
            assert empty["length"] == 0
            assert (await client.get("/python")).text == "python"
            assert (await client.get("/go/missing")).status_code == 404

    asyncio.run(main())


@pytest.mark.item(20)
def test_an_upload_arrives_while_it_is_sent(site: Site, go: "Running", key: str) -> None:
    """Go has the first byte of a body before the client sends the last."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await asyncio.to_thread(go.diary.wait, key, "first byte")
        yield b"y" * 1000

    async def main() -> None:
        async with site.client() as client:
            answer = await client.post("/go/drain", params={"key": key}, content=body())
            assert answer.json() == {"length": 2000}

    asyncio.run(main())


@pytest.mark.item(31)
def test_events_arrive_one_by_one(site: Site, go: "Running", key: str) -> None:
    """The client has each event before Go sends the next."""

    async def main() -> None:
        async with (
            site.client() as client,
            client.stream("GET", "/go/events", params={"key": key, "n": 3}) as answer,
        ):
            seen = []
            async for line in answer.aiter_lines():
                if not line:
                    continue
                seen.append(line)
                sent = [f"sent {number + 1}" for number in range(len(seen))]
                assert await asyncio.to_thread(go.diary.wait, key, sent[-1]) == sent
                await asyncio.to_thread(go.diary.open, key)
            assert seen == ["data: 1", "data: 2", "data: 3"]

    asyncio.run(main())


@pytest.mark.item(33, 35)
def test_a_client_that_leaves_before_the_first_byte_is_noticed(site: Site, go: "Running", key: str) -> None:
    """Go's context is cancelled when the client leaves before there is an answer."""

    async def main() -> None:
        async with site.client() as client:
            asking = asyncio.create_task(client.get("/go/hold", params={"key": key}))
            await asyncio.to_thread(go.diary.wait, key, "begun")
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    asyncio.run(main())
    assert go.diary.wait(key, "cancelled") == ["begun", "cancelled"]


@pytest.mark.item(33, 35)
def test_a_client_that_leaves_an_idle_stream_is_noticed(site: Site, go: "Running", key: str) -> None:
    """Go's context is cancelled when the client leaves a stream on which nothing happens."""

    async def main() -> None:
        async with (
            site.client() as client,
            client.stream("GET", "/go/events", params={"key": key, "n": 2}) as answer,
        ):
            async for line in answer.aiter_lines():
                assert line == "data: 1"
                break

    asyncio.run(main())
    assert go.diary.wait(key, "cancelled") == ["sent 1", "cancelled"]


@pytest.mark.item(33, 35)
def test_a_client_that_leaves_a_download_is_noticed(site: Site, go: "Running", key: str) -> None:
    """Go's context is cancelled when the client leaves while bytes are flowing."""

    async def main() -> None:
        async with (
            site.client() as client,
            client.stream("GET", "/go/endless", params={"key": key}) as answer,
        ):
            async for _ in answer.aiter_raw():
                break

    asyncio.run(main())
    assert go.diary.wait(key, "cancelled") == ["cancelled"]


@pytest.mark.item(22, 35)
def test_a_client_that_leaves_its_upload_is_noticed(site: Site, go: "Running", key: str) -> None:
    """Go sees a body that breaks off, never one that ends."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await asyncio.Event().wait()

    async def main() -> None:
        async with site.client() as client:
            sending = asyncio.create_task(client.post("/go/drain", params={"key": key}, content=body()))
            await asyncio.to_thread(go.diary.wait, key, "first byte")
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    asyncio.run(main())
    assert go.diary.wait(key, "broken") == ["first byte", "broken"]
