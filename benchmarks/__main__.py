"""All contenders, side by side, in one run.

    python -m benchmarks                     everything, about half an hour
    python -m benchmarks --quick             a few contenders, no peers, less than a minute
    python -m benchmarks --only unix nginx --workloads json-32 post --rounds 9
    python -m benchmarks --from build/bench/results.json --publish

Peers are installed below build/bench, each into an environment of its own. Results go to build/bench as well:
results.json, tables.md and plots. With --publish the page docs/performance.md shows them.
"""

import argparse
import shutil
import signal
import sys
from pathlib import Path

from benchmarks import fall_through, install, publish, routing
from benchmarks.contenders import everyone, upstreams
from benchmarks.figures import Run, Sample, read
from benchmarks.machine import described
from benchmarks.rounds import Rounds
from benchmarks.tables import page
from benchmarks.workloads import ALL, Settings, scratch

QUICK = (["empty", "starlette", "unix", "goproxy"], ["json-1", "json-32", "messages", "idle"])
SIZES = (0, 10, 1000, 10_000)


def main() -> None:
    """Measure, write everything down, and print the tables."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = read(asked.results) if asked.results else measured(asked)
    publish.write(run, asked.out)
    if asked.publish:
        publish.publish(run)
    print(page(run))
    print(f"Written to {asked.out}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    lines = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=lines[0])
    parser.add_argument("--quick", action="store_true", help="less of everything; without peers and proxies")
    parser.add_argument("--only", nargs="+", metavar="CONTENDER", help="by key, as progress is shown")
    parser.add_argument("--workloads", nargs="+", metavar="WORKLOAD", choices=[each.key for each in ALL])
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn (5)")
    parser.add_argument("--rounds-apart", type=int, help="the same where each turn has a new process (3)")
    parser.add_argument("--seconds", type=int, help="how long a turn takes (2)")
    parser.add_argument("--out", type=Path, default=install.CACHE, help="where to write")
    parser.add_argument("--from", dest="results", type=Path, help="measure nothing: show these results.json")
    parser.add_argument("--publish", action="store_true", help="let docs/performance.md show the results")
    return parser.parse_args()


def settings(asked: argparse.Namespace) -> Settings:
    """Return how much was asked for."""
    usual = Settings(1, 1, 1, mib=64, held=100) if asked.quick else Settings()
    return Settings(
        asked.rounds or usual.rounds,
        asked.rounds_apart or min(asked.rounds or usual.rounds, usual.rounds_apart),
        asked.seconds or usual.seconds,
        usual.mib,
        usual.held,
    )


def measured(asked: argparse.Namespace) -> Run:
    """Return a new run."""
    needed = [name for name in ("wrk", "go", "taskset") if shutil.which(name) is None]
    if sys.platform != "linux" or needed:
        sys.exit(f"benchmarks: need Linux, and on the PATH: {', '.join(needed) or 'nothing more'}")
    much, run = settings(asked), Run(machine=described())
    site = install.prepared(with_peers=not asked.quick)
    run.versions, run.settings = site.versions, {**vars(much)}
    only, workloads = _chosen(asked)
    with scratch() as folder, upstreams(site, Path(folder)) as place:
        contenders = [each for each in everyone(site) if not only or each.key in only]
        rounds = Rounds(place, much)
        try:
            rounds.run(contenders, [each for each in ALL if not workloads or each.key in workloads])
        except KeyboardInterrupt:
            rounds.notes.append("the run was ended early")
    run.contenders = {each.key: (each.title, each.server) for each in contenders}
    run.samples, run.notes = rounds.samples, [*site.notes, *rounds.notes]
    if not asked.only and not asked.workloads:
        run.samples += in_process(quick=asked.quick)
    return run


def _chosen(asked: argparse.Namespace) -> tuple[list[str], list[str]]:
    quick = QUICK if asked.quick else ([], [])
    return asked.only or quick[0], asked.workloads or quick[1]


def in_process(*, quick: bool) -> list[Sample]:
    """Return what routing costs by itself, without a server; the contender is the number of routes."""
    effort = fall_through.Effort(1000, 3) if quick else fall_through.Effort()
    found = []
    for size in SIZES[:3] if quick else SIZES:
        found.append(Sample("fall-through", str(size), 0, fall_through.prices(size, effort)))
        found.append(Sample("routing", str(size), 0, routing.prices(size)))
        print(f"1 {size} routes: {found[-2].figures | found[-1].figures}", file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
