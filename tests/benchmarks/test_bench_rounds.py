"""The load, the turns, and what is read of processes, against the upstream itself and a contender or two."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import client, machine
from benchmarks.contenders import ANSWERS, HELD, Contender, Place, Server, everyone, upstreams
from benchmarks.install import Site
from benchmarks.processes import ROOT, StartError, running
from benchmarks.rounds import Rounds
from benchmarks.workloads import ALL, Settings, Workload
from benchmarks.wrk import LoadError

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads what /proc shows")

LITTLE = Settings(rounds=2, rounds_apart=1, seconds=1, mib=1, held=5)
NAMES = {each.key: each for each in ALL}
KEPT = Workload("kept", "idle connections", HELD, NAMES["idle"].run)


@pytest.fixture(scope="module")
def place(go_build: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The Go upstream, twice."""
    site = Site(go={"upstream": go_build(ROOT / "benchmarks" / "upstream")})
    with upstreams(site, tmp_path_factory.mktemp("b")) as found:
        yield found


def port_of(place: Place) -> int:
    """The TCP port of the upstream."""
    return int(place.tcp.rpartition(":")[2])


@contextlib.contextmanager
def the_upstream(place: Place) -> Iterator[Server]:
    """The upstream as a contender that is there already; its process counts as that of the test."""
    yield Server(os.getpid(), port_of(place))


@contextlib.contextmanager
def no_start(place: Place) -> Iterator[Server]:
    """A contender that does not come up."""
    with running([sys.executable, "-c", "print('no')"], place.folder / "no.log", 1):
        raise AssertionError("unreachable")
    yield Server(0, 0)


def test_large_bodies_go_both_ways(place: Place) -> None:
    """A download ends with its last byte, an upload when the upstream has counted it."""
    client.download(port_of(place), 1024 * 1024)
    client.upload(port_of(place), 1024 * 1024)


def test_streams_and_connections_are_held(place: Place) -> None:
    """Streams have begun and connections were used once when the block is entered."""
    with client.streams(port_of(place), 3), client.idle(port_of(place), 3):
        client.warm(port_of(place), 2)


def test_messages_come_back(place: Place) -> None:
    """Echoes of short and of longer messages are counted."""
    assert client.echo(port_of(place), 2, 0.05) > 2
    assert client.echo(port_of(place), 1, 0.05, size=100) > 1


def test_an_answer_that_is_none_is_told() -> None:
    """A refused connection is a failure of the load, with its words."""
    with pytest.raises(LoadError, match=r"while warming up: .*refused"):
        client.warm(1, 1)
    with pytest.raises(LoadError, match="stream 1 of 2: "):
        client.streams(1, 2).__enter__()


def test_an_answer_with_another_status_is_told(place: Place) -> None:
    """The status line is in the text."""
    with pytest.raises(LoadError, match="400 Bad Request"):
        client.download(port_of(place), 1)


def test_cpu_and_memory_are_those_of_a_process_and_its_children() -> None:
    """The process itself comes first; both figures are more than nothing and only grow."""
    pids = machine.tree(os.getpid())
    assert pids[0] == os.getpid()
    assert 0 < machine.cpu_seconds(pids[:1]) <= machine.cpu_seconds(pids[:1])
    assert machine.memory_kib(pids[:1], "VmHWM") >= machine.memory_kib(pids[:1]) > 0
    with pytest.raises(LookupError):
        machine.memory_kib(pids[:1], "VmNothing")
    assert {"cpu", "memory", "system", "python"} <= set(machine.described())


def test_contenders_take_turns_and_failures_are_noted(place: Place) -> None:
    """Who does not start, or fails under a workload, is noted and left out; others go on."""
    there = Contender("up", "the upstream", "its own", the_upstream)
    absent = Contender("no", "nobody", "its own", no_start)
    less = Contender("less", "no sockets", "its own", the_upstream, frozenset({ANSWERS}))
    rounds = Rounds(place, LITTLE)
    failing = Workload("fails", "what fails", ANSWERS, fail)
    rounds.run([there, absent, less], [KEPT, failing])
    assert [(each.workload, each.contender, each.round) for each in rounds.samples] == [
        ("kept", "up", 0),
        ("kept", "up", 1),
    ]
    assert [note.partition(":")[0] for note in rounds.notes] == [
        "nobody (its own) is left out",
        "the upstream (its own), what fails",
        "no sockets (its own), what fails",
    ]


def fail(server: Server, settings: Settings) -> dict[str, float]:
    """A workload that nobody stands."""
    raise LoadError(f"not within {settings.seconds} s at {server.port}")


def test_a_process_that_does_not_listen_is_told(tmp_path: Path) -> None:
    """What it printed is in the text."""
    command = [sys.executable, "-c", "print('cannot')"]
    with (
        pytest.raises(StartError, match="cannot"),
        running(command, tmp_path / "log", str(tmp_path / "sock")),
    ):
        raise AssertionError("unreachable")


@pytest.mark.slow
def test_forwarding_is_measured(place: Place) -> None:
    """Our own contender stands every load that needs no program from elsewhere."""
    ours = [each for each in everyone(place.site) if each.key == "unix"]
    rounds = Rounds(place, LITTLE)
    rounds.run(ours, [NAMES[each] for each in ("messages", "download", "upload", "streams", "idle")])
    assert rounds.notes == []
    assert {each.workload for each in rounds.samples} == {
        "messages",
        "download",
        "upload",
        "streams",
        "idle",
    }
