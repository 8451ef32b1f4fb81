"""The upstream of these tests tells when its script went wrong."""

import asyncio

import pytest

from forst_asgi.errors import HeadError
from tests.transport.upstream import Peer, Place, Upstream, asking


@pytest.mark.parametrize("where", ["unix", "tcp"])
def test_failure_of_a_script_fails_the_test(where: Place) -> None:
    """What a script raises is raised at the end, unless the test has failed by itself."""

    async def script(peer: Peer) -> None:
        assert b"POST" in await peer.request()

    async def main() -> None:
        async with Upstream(script, where) as upstream:
            with pytest.raises(HeadError):
                await upstream.transport().send(asking())
            await upstream.stop_listening()

    with pytest.raises(AssertionError, match="POST"):
        asyncio.run(main())
