"""Many clients at once, an upstream that is killed meanwhile, and what became of each request."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soak.mix import KINDS, Client, RefusedError, WrongError
from benchmarks.soak.wire import CutError
from tests.integration.ledger import CountedUpstream

CLIENTS: Final = 32
CANCELLED: Final = 0.2
"""Share of requests whose client goes away at some moment."""

MEAN_PATIENCE_S: Final = 0.05
MEAN_PAUSE_S: Final = 0.01
MEAN_LIFE_S: Final = 6.0
"""How long the upstream lives between kills, on average."""

HANGS_S: Final = 60.0
"""A request that takes this long hangs."""

AFTERMATH_S: Final = 0.25
"""A kill may be felt this long after the upstream is back: what it broke is still being told."""


@dataclass(frozen=True)
class Failure:
    """A request that failed visibly; `began` and `ended` by the monotonic clock."""

    kind: str
    id: str
    began: float
    ended: float
    text: str


@dataclass
class Tally:
    """What became of all requests.

    Attributes:
        outcomes: how many of each kind ended in which way.
        wrong: what must not be.
        failures: requests of good upstreams that were refused or broke off.
        sent: POSTs by id: how many bytes of what digest.
        whole: ids of requests that were answered well.
        downtimes: from when to when the upstream was not there.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    sent: dict[str, tuple[int, str]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    downtimes: list[tuple[float, float]] = field(default_factory=list)

    def unexplained(self) -> Iterator[Failure]:
        """Yield the failures that no kill explains."""
        for failure in self.failures:
            if not any(
                failure.began <= up + AFTERMATH_S and failure.ended >= down for down, up in self.downtimes
            ):
                yield failure


class Load:
    """The clients and the killer.

    Args:
        port: the server's.
        upstream: what is killed.
        seed: what all choices follow from.
        name: what the ids of its requests begin with.
    """

    def __init__(self, port: int, upstream: CountedUpstream, seed: int, name: str) -> None:
        self._port = port
        self._upstream = upstream
        self._seed = seed
        self._name = name
        self._numbers = itertools.count()
        self.tally = Tally()

    async def run(self, duration_s: float) -> None:
        """Send requests for so long, and return when all are over."""
        until = time.monotonic() + duration_s
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._client(number, until))
            group.create_task(self._kill(until))

    async def _kill(self, until: float) -> None:
        rng = random.Random(f"{self._seed} killer")
        while (life_s := rng.expovariate(1 / MEAN_LIFE_S)) + time.monotonic() < until:
            await asyncio.sleep(life_s)
            down = time.monotonic()
            await asyncio.to_thread(self._restart, rng.choice([0, 0, 0.3]))
            self.tally.downtimes.append((down, time.monotonic()))

    def _restart(self, pause_s: float) -> None:
        self._upstream.kill()
        time.sleep(pause_s)
        self._upstream.start()

    async def _client(self, number: int, until: float) -> None:
        rng = random.Random(f"{self._seed} {number}")
        client = Client(self._port, rng, self.tally.sent)
        while time.monotonic() < until:
            [kind] = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])
            outcome = await self._one(client, kind, f"{self._name}-{kind}-{next(self._numbers)}")
            self.tally.outcomes[kind, outcome] += 1
            await asyncio.sleep(rng.expovariate(1 / MEAN_PAUSE_S))
        client.close()

    async def _one(self, client: Client, kind: str, name: str) -> str:
        """Make one request; return its outcome."""
        rng = client.rng
        patience_s = rng.expovariate(1 / MEAN_PATIENCE_S) if rng.random() < CANCELLED else HANGS_S
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience_s):
                await KINDS[kind][0](client, name)
        except TimeoutError:
            if patience_s == HANGS_S:
                self.tally.wrong.append(f"{name} hangs")
            return "cancelled"
        except WrongError as error:
            self.tally.wrong.append(f"{name}: {error}")
            return "wrong"
        except (RefusedError, CutError) as error:
            if kind != "junk":
                self.tally.failures.append(Failure(kind, name, began, time.monotonic(), str(error)))
            return "refused" if isinstance(error, RefusedError) else "cut"
        self.tally.whole.add(name)
        return "whole"
