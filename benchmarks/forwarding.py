"""CPU per forwarded request, against the same server answering by itself: figures to look at while working.

    python -m benchmarks.forwarding [--rounds 5] [--seconds 3] [--connections 32]

One uvicorn worker (uvloop, httptools) per contender, a Go upstream on a Unix socket and one on TCP, wrk as
the client; all on loopback. The contenders take turns within each round. The figure is the server process's
user and system time, as the operating system counts it, divided by the requests that wrk saw answered: it
holds on a shared machine where wall time does not. Quote the ratios of one run, medians over the rounds.
`python -m benchmarks` has everybody else.
"""

import argparse
from pathlib import Path

from benchmarks.contenders import everyone, upstreams
from benchmarks.figures import Run
from benchmarks.install import prepared
from benchmarks.rounds import Rounds
from benchmarks.tables import tables
from benchmarks.workloads import ALL, Settings, scratch

CONTENDERS = ("empty", "starlette", "unix", "tcp", "express")


def main() -> None:
    """Measure and print a table."""
    asked = _arguments()
    site = prepared(with_peers=False)
    contenders = [each for each in everyone(site) if each.key in CONTENDERS]
    with scratch() as folder, upstreams(site, Path(folder)) as place:
        rounds = Rounds(place, Settings(rounds=asked.rounds, seconds=asked.seconds))
        rounds.run(contenders, [each for each in ALL if each.key == f"json-{asked.connections}"])
    named = {each.key: (each.title, each.server) for each in contenders}
    run = Run(contenders=named, samples=rounds.samples, notes=rounds.notes)
    print("\n".join(tables(run).get(name, "") for name in ("requests", "connections")))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32, choices=(1, 32, 256))
    return parser.parse_args()


if __name__ == "__main__":
    main()
