"""The limit of an event loop in Python: bytes relayed between two sockets by uvloop, with no HTTP at all.

    BENCH_ADDRESS=unix:/path python -m benchmarks.relay PORT

Each client has an upstream connection of its own. Whoever parses, routes or checks can only be slower.
"""

import asyncio
import os
import sys
from typing import cast

import uvloop


class Far(asyncio.Protocol):
    """The side of the upstream."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Hang up as well."""
        self._client.close()


class Near(asyncio.Protocol):
    """The side of the client."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._early = b""
        self._upstream: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the upstream."""
        client = cast("asyncio.Transport", transport)  # uvloop's do not derive from it
        self._connecting = asyncio.get_running_loop().create_task(self._connect(client))

    async def _connect(self, client: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._upstream, _ = await loop.create_unix_connection(lambda: Far(client), self._path)
        self._upstream.write(self._early)

    def data_received(self, data: bytes) -> None:
        """Pass it on, or keep it until there is somebody to pass it to."""
        if self._upstream is None:
            self._early += data
        else:
            self._upstream.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Hang up as well."""
        if self._upstream is not None:
            self._upstream.close()


async def serve(port: int, path: str) -> None:
    """Relay until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Near(path), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), os.environ["BENCH_ADDRESS"].removeprefix("unix:")))
