"""How much is measured, and with which commands."""

import argparse

import pytest

from benchmarks import fall_through, routing
from benchmarks.__main__ import settings
from benchmarks.contenders import FAST, GRANIAN, PLAIN, serving
from benchmarks.processes import ROOT
from benchmarks.workloads import ALL, DOCUMENT, Settings


def asked(**words: object) -> argparse.Namespace:
    """What the command line says."""
    return argparse.Namespace(
        **{"quick": False, "rounds": None, "rounds_apart": None, "seconds": None, **words}
    )


def test_quick_is_less_of_everything() -> None:
    """One round of one second, and little to hold or to send."""
    quick, usual = settings(asked(quick=True)), settings(asked())
    assert usual == Settings()
    assert quick.rounds == quick.rounds_apart == quick.seconds == 1
    assert quick.mib < usual.mib
    assert quick.held < usual.held


def test_what_is_asked_for_is_done() -> None:
    """Fewer rounds are fewer everywhere, unless it is said otherwise."""
    assert settings(asked(rounds=2)) == Settings(rounds=2, rounds_apart=2)
    assert settings(asked(rounds=9, rounds_apart=1, seconds=4)) == Settings(9, 1, 4)


@pytest.mark.parametrize("server", [FAST, PLAIN, GRANIAN])
def test_each_server_has_one_worker_and_no_access_log(server: str) -> None:
    """The command names server, loop and app, and runs this interpreter unless another is given."""
    command = serving(server, "benchmarks.app:ours", python="python9")
    assert command[:2] == ["python9", "-m"]
    assert command[2] == server.partition(",")[0]
    assert server.split(", ")[1] in command
    assert "--no-access-log" in command
    assert command[-2:] == ["--factory", "benchmarks.app:ours"]


def test_the_post_is_about_ten_kibibytes() -> None:
    """The document is as large as the table says, and no workload is there twice."""
    assert abs(len(DOCUMENT) - 10 * 1024) < 100
    assert len({each.key for each in ALL}) == len(ALL)


def test_routing_is_measured_in_the_process() -> None:
    """What falls through has a price, and so has a table of routes."""
    assert set(fall_through.prices(3, fall_through.Effort(10, 2))) == {"same_us", "new_us"}
    assert min(routing.prices(3).values()) > 0


def test_tox_runs_the_command() -> None:
    """The environment `bench` is there and runs what the docs say."""
    text = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert "commands = python -m benchmarks {posargs}" in text.partition("[testenv:bench]")[2]
