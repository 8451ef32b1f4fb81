"""What a request leaves behind: nothing that has to be searched for."""

import gc

from tests.forward.calls import POST, Client, Forwarding, http_scope, piece
from tests.transport.upstream import OK, Run, Upstream, answering


def test_requests_leave_no_cycles(run: Run) -> None:
    """Everything that belonged to a request goes as soon as it is answered, without the garbage collector.

    A cycle of references costs more than anything else that could be forgotten on the way of a request.
    """
    left: list[str] = []

    async def main() -> None:
        async with Upstream(answering(OK)) as upstream:
            forwarding = Forwarding(upstream.transport(), timeout_s=60.0)
            await forwarding.answer(http_scope())
            gc.collect()
            gc.disable()
            for _ in range(5):
                await forwarding.answer(http_scope())
                await forwarding(http_scope((b"content-length", b"1"), **POST), Client(piece(b"x")))
                chunked = http_scope((b"transfer-encoding", b"chunked"), **POST)
                await forwarding(chunked, Client(piece(b"x", more=True), piece(b"x")))
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left.extend(repr(each) for each in gc.garbage if type(each).__module__.startswith("forst_asgi"))

    try:
        run(main())
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []
