"""Asking a probe until it says yes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from forst_asgi.supervisor.probing import Prober

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]


def test_every_kind_of_no_is_asked_again(run: Run) -> None:
    """A probe that raises, says no, cancels itself, or hangs is asked again; its last answer can be told."""
    seen: list[str] = []

    async def main() -> None:
        prober = Prober(probe, asyncio.get_running_loop().create_future(), timeout_s=0.01)
        probers.append(prober)
        assert await prober.run()

    async def probe() -> bool:
        seen.append(probers[0].seen)
        match len(seen):
            case 1:
                raise ValueError("bad answer")
            case 2:
                return False
            case 3:
                raise asyncio.CancelledError
            case 4:
                return bool(await asyncio.Event().wait())
        return True

    probers: list[Prober] = []
    run(main())
    assert seen == [
        "the probe was never answered",
        "the probe raised ValueError: bad answer",
        "the probe answered, but not as ready",
        "the probe answered, but not as ready",
        "the probe gave no answer within 0.01 s",
    ]


def test_ended_process_is_not_asked(run: Run) -> None:
    """When the process has ended already the probe is not called at all."""

    async def main() -> None:
        exited = asyncio.get_running_loop().create_future()
        exited.set_result(1)
        assert not await Prober(never, exited).run()

    async def never() -> bool:
        raise AssertionError("unreachable: the process has ended")

    run(main())


def test_probe_that_resists_cancellation_does_not_hold_us(run: Run) -> None:
    """A probe that swallows its cancellation is left behind after the same time again."""

    async def main() -> None:
        prober = Prober(stubborn, asyncio.get_running_loop().create_future(), timeout_s=0.01)
        assert await prober.run()
        release.set()
        await asyncio.sleep(0)  # lets the one that was left behind come to its end

    async def stubborn() -> bool:
        calls.append(1)
        if len(calls) > 1:
            return True
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()
        return False

    release = asyncio.Event()
    calls: list[int] = []
    run(main())
