"""Taking turns: every contender under every workload, round by round, so that all share the machine."""

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks import client
from benchmarks.contenders import Contender, Place, Server
from benchmarks.figures import Figures, Sample
from benchmarks.machine import cpu_seconds
from benchmarks.processes import StartError
from benchmarks.workloads import Settings, Workload
from benchmarks.wrk import LoadError

QUIET_S: Final = 0.2
PATIENCE_S: Final = 10.0


@dataclass
class Rounds:
    """What has been measured so far; a contender that fails under a workload is out of that workload."""

    place: Place
    settings: Settings
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    out: set[tuple[str, str]] = field(default_factory=set)

    def run(self, contenders: Sequence[Contender], workloads: Sequence[Workload]) -> None:
        """Measure everything."""
        self._run_together(contenders, [each for each in workloads if not each.is_fresh])
        self._run_apart(contenders, [each for each in workloads if each.is_fresh])

    def _run_together(self, contenders: Sequence[Contender], workloads: Sequence[Workload]) -> None:
        with contextlib.ExitStack() as stack:
            servers = self._started(stack, contenders) if workloads else {}
            for turn in range(self.settings.rounds):
                for workload in workloads:
                    for contender, server in servers.items():
                        self._measure(turn, workload, contender, server)

    def _run_apart(self, contenders: Sequence[Contender], workloads: Sequence[Workload]) -> None:
        for turn in range(self.settings.rounds_apart):
            for workload in workloads:
                for contender in contenders:
                    if self._takes_part(contender, workload):
                        with contextlib.ExitStack() as stack:
                            for server in self._started(stack, [contender]).values():
                                self._measure(turn, workload, contender, server)

    def _started(
        self, stack: contextlib.ExitStack, contenders: Sequence[Contender]
    ) -> dict[Contender, Server]:
        servers = {}
        for contender in contenders:
            try:
                server = stack.enter_context(contender.start(self.place))
                client.warm(server.port)
                servers[contender] = server
            except (StartError, LoadError) as error:
                self._note(f"{contender.title} ({contender.server}) is left out: {error}")
        return servers

    def _takes_part(self, contender: Contender, workload: Workload) -> bool:
        return workload.needs in contender.can and (contender.key, workload.key) not in self.out

    def _measure(self, turn: int, workload: Workload, contender: Contender, server: Server) -> None:
        if not self._takes_part(contender, workload):
            return
        try:
            figures = workload.run(server, self.settings)
        except (LoadError, OSError) as error:
            self.out.add((contender.key, workload.key))
            self._note(f"{contender.title} ({contender.server}), {workload.title}: {error}")
            return
        finally:
            settle(server)
        self.samples.append(Sample(workload.key, contender.key, turn, figures))
        print(f"{turn + 1} {workload.key} {contender.key}: {_shown(figures)}", file=sys.stderr, flush=True)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        print(f"note: {text}", file=sys.stderr, flush=True)


def settle(server: Server) -> None:
    """Wait until a server has done with what the load left behind: the next one shall have the core."""
    until, pids = time.monotonic() + PATIENCE_S, server.pids()
    while time.monotonic() < until:
        before = cpu_seconds(pids)
        time.sleep(QUIET_S)
        if cpu_seconds(pids) - before < QUIET_S / 10:
            return


def _shown(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
